"""Batches as clients send them, and what their replies must be."""
import base64
import email.parser
import email.policy
import http.client
import json
import xml.etree.ElementTree as ElementTree

from processes import BenchError

ITEM = "{urn:batchgate:batch}item"
BODY = "{urn:batchgate:batch}body"
MEDIA_TYPES = {
    "json": "application/json",
    "post": "application/json",
    "xml": "application/xml",
    "ndjson": "application/x-ndjson",
    "multipart": "multipart/mixed; boundary=b",
}


def batch(form, path, size):
    """The body of a batch of GETs (`post`: POSTs of 200 bytes each) of `path` and a number from 1."""
    numbers = range(1, size + 1)
    if form == "xml":
        items = (f'<request id="{n}" method="GET" href="{path}{n}"/>' for n in numbers)
        return f"<batch>{''.join(items)}</batch>".encode()
    if form == "multipart":
        part = "--b\r\nContent-Type: application/http\r\nContent-ID: {0}\r\n\r\nGET {1}{0} HTTP/1.1\r\n\r\n"
        return ("".join(part.format(n, path) for n in numbers) + "--b--\r\n").encode()
    if form == "post":
        pad = "x" * (200 - len('{"pad":""}'))
        items = (f'{{"id":"{n}","method":"POST","url":"{path}{n}","body":{{"pad":"{pad}"}}}}' for n in numbers)
        return f'{{"requests":[{",".join(items)}]}}'.encode()
    items = [f'{{"id":"{n}","method":"GET","url":"{path}{n}"}}' for n in numbers]
    if form == "ndjson":
        return "".join(item + "\n" for item in items).encode()
    return f'{{"requests":[{",".join(items)}]}}'.encode()


def post(port, form, body):
    """Sends a batch to a gateway. Returns the status and the body of the reply."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/batch", body, {"Content-Type": MEDIA_TYPES[form]})
        reply = connection.getresponse()
        return reply.status, reply.read()
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"no reply to a batch of {len(body)} bytes: {error!r}") from error
    finally:
        connection.close()


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read()
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"no reply to GET {path}: {error!r}") from error
    finally:
        connection.close()


def results(form, reply):
    """The items of a batch's reply, in order: id, status, body as bytes. Lines come as items end."""
    if form == "xml":
        root = ElementTree.fromstring(reply)
        return [(item.get("id"), int(item.get("status")), xml_body(item.find(BODY))) for item in root.iter(ITEM)]
    if form == "multipart":
        return multipart_results(reply)
    if form == "ndjson":
        *items, _summary = map(json.loads, reply.splitlines())
        items.sort(key=lambda item: int(item["id"]))
    else:
        items = json.loads(reply)["responses"]
    return [(item["id"], item["status"], json_body(item)) for item in items]


def multipart_results(reply):
    """The boundary is the first line's; Content-Type has it, too."""
    boundary = reply.split(b"\r\n", 1)[0].removeprefix(b"--").decode()
    head = f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(head + reply)
    found = []
    for part in message.get_payload():
        response, body = part.get_payload(decode=True).split(b"\r\n\r\n", 1)
        found.append((part["Content-ID"], int(response.split(b" ")[1]), body))
    return found


def xml_body(element):
    if element is None:
        return b""
    text = element.text or ""
    return base64.b64decode(text) if element.get("encoding") == "base64" else text.encode()


def json_body(item):
    body = item.get("body")
    if item.get("encoding") == "base64":
        return base64.b64decode(body)
    return json.dumps(body, separators=(",", ":")).encode()


def check_batch(port, form, path, size, expected_status=200, expected=None):
    """Sends a batch; fails unless each item is there once, in order, with its own right reply. Gives
    the reply's length. `expected` is each item's body, or absent for the upstream's small ones."""
    body = batch(form, path, size)
    what = f"{form} batch of {size} of {path}"
    status, reply = post(port, form, body)
    if status != 207:
        raise BenchError(f"{what}: status {status}: {reply[:500]!r}")
    try:
        found = results(form, reply)
    except (ValueError, KeyError, TypeError, ElementTree.ParseError) as error:
        raise BenchError(f"{what}: the reply can't be read: {error!r} in {reply[:500]!r}") from error
    if len(found) != size:
        raise BenchError(f"{what}: {len(found)} results")
    for number, (name, item_status, content) in enumerate(found, 1):
        if name != str(number) or item_status != expected_status:
            raise BenchError(f"{what}: result {number} has id {name} and status {item_status}: {content[:200]!r}")
        if expected is None:
            check_small(what, path, number, content)
        elif content != expected:
            raise BenchError(f"{what}: item {number} has another body, of {len(content)} bytes")
    return len(reply)


def check_small(what, path, number, content):
    protocol = "HTTP/2.0" if path.startswith("/h2/") else "HTTP/1.1"
    try:
        fields = json.loads(content)
        right = (fields["id"], fields["protocol"]) == (number, protocol)
    except (ValueError, KeyError, TypeError):
        right = False
    if not right:
        raise BenchError(f"{what}: item {number} should have come over {protocol}, and has the body {content[:300]!r}")


def check_single(port, path):
    """Fails unless a request that is no batch is answered right. Gives the reply's length."""
    status, reply = get(port, path + "1")
    if status != 200:
        raise BenchError(f"GET {path}1: status {status}: {reply[:200]!r}")
    check_small("a single request", path, 1, reply)
    return len(reply)
