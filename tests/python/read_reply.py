"""Reads a reply with Python's own parsers and lxml, none of which knows the gateway: `json` for JSON and
lines, lxml for XML, `email` and `http.client` for multipart.

The argument is the format, standard input the reply with its Content-Type in front. Prints one JSON object an item:
id, status, fields, and the body in base64 or, where it is JSON in JSON, as the value.
"""

import base64
import email.parser
import email.policy
import http.client
import io
import json
import sys

from lxml import etree

OWN = "{urn:batchgate:batch}"


def encoded(data):
    return base64.b64encode(data).decode()


def from_json(item):
    read = {"id": item["id"], "status": item["status"], "fields": item["headers"]}
    if item.get("encoding") == "base64":
        base64.b64decode(item["body"], validate=True)
        return {**read, "body": item["body"]}
    if "json" in item["headers"].get("Content-Type", ""):
        return {**read, "value": item["body"]}
    return {**read, "body": encoded(item["body"].encode())}


def from_xml(item):
    body = item.find(OWN + "body")
    assert body is not None and len(body) == 0
    is_encoded = body.get("encoding") == "base64"
    return {
        "id": item.get("id"),
        "status": int(item.get("status")),
        "fields": {header.get("name"): header.text or "" for header in item.findall(OWN + "header")},
        "body": body.text or "" if is_encoded else encoded((body.text or "").encode()),
    }


class Message:
    """What http.client takes for a socket."""

    def __init__(self, data):
        self.data = data

    def makefile(self, _mode):
        return io.BytesIO(self.data)


def text(value):
    """A field's value as people write it: UTF-8, or ISO-8859-1 where it is none."""
    data = value.encode("latin-1")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def from_part(part):
    payload = part.get_payload(decode=True)
    response = http.client.HTTPResponse(Message(payload))
    response.begin()
    body = response.read()
    assert response.fp is None or not response.fp.read(1)
    id = dict(part.raw_items())["Content-ID"]
    return {
        "id": id.encode("ascii", "surrogateescape").decode(),
        "status": response.status,
        "fields": {name: text(value) for name, value in response.getheaders()},
        "body": encoded(body),
    }


def multipart(document):
    message = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(document)
    assert message.is_multipart() and not message.defects, message.defects
    return [from_part(part) for part in message.get_payload()]


def lines(document):
    *items, summary = [json.loads(line) for line in document.removesuffix(b"\n").split(b"\n")]
    assert summary["summary"]["items"] == len(items), summary
    return [from_json(item) for item in items]


def xml(document):
    root = etree.fromstring(document, etree.XMLParser(resolve_entities=False, huge_tree=False))
    return [from_xml(item) for item in root.iter(OWN + "item")]


whole = sys.stdin.buffer.read()
document = whole.split(b"\r\n\r\n", 1)[1]
found = {
    "json": lambda: [from_json(item) for item in json.loads(document)["responses"]],
    "ndjson": lambda: lines(document),
    "xml": lambda: xml(document),
    "multipart": lambda: multipart(whole),
}[sys.argv[1]]()
json.dump(found, sys.stdout)
