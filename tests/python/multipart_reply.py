"""Python's email parser reads a multipart reply: standard input is the reply with its Content-Type in front.

Prints the parts as JSON: Content-ID, status line, fields, and the body in base64.
"""

import base64
import email.parser
import email.policy
import json
import sys

message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(sys.stdin.buffer.read())
assert not message.defects, message.defects


def part(found):
    assert found["Content-Transfer-Encoding"] == "binary"
    response = found.get_payload(decode=True)
    head, body = response.split(b"\r\n\r\n", 1)
    status, *fields = head.decode().split("\r\n")
    fields = dict(field.split(": ", 1) for field in fields)
    assert len(body) == int(fields["Content-Length"]), (len(body), fields)
    body = base64.b64encode(body).decode()
    return {"id": found["Content-ID"], "status": status, "fields": fields, "body": body}


json.dump([part(found) for found in message.walk() if not found.is_multipart()], sys.stdout)
