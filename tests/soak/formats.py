"""The soak's clients: how they write a batch in each format, and read each item's status and body again."""
import asyncio
import base64
import dataclasses
import json
import re
import xml.etree.ElementTree as tree

TYPE = "application/json"
GATEWAY_MADE = {400, 404, 424, 502, 503, 504}
CUT = 0  # a proxied reply whose service broke off in its body breaks off, too


@dataclasses.dataclass
class Item:
    number: int
    method: str
    url: str

    def own_status(self):
        """What the service answers; `None` where it misbehaves."""
        what, argument = self.url.split("/")[1:3]
        return int(argument) if what == "status" else 200 if what in ("ok", "slow", "big", "closing") else None

    def fits(self, status, body):
        """Whether this may be the answer: the service's own has the item's number in it."""
        if status == self.own_status():
            return body.strip() == str(self.number)
        # The service answers slowly under load, so that any item may be late.
        return status in GATEWAY_MADE | {CUT} and body.strip() != str(self.number)


@dataclasses.dataclass
class Reply:
    status: int
    content_type: str
    body: bytes


def head(method, target, content_type, length):
    return (f"{method} {target} HTTP/1.1\r\nHost: gateway\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {length}\r\nConnection: close\r\n\r\n").encode()


async def ask(port, method, target, content_type, body):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    try:
        writer.write(head(method, target, content_type, len(body)) + body)
        raw = await reader.read()
    finally:
        writer.close()
    start, _, rest = raw.partition(b"\r\n\r\n")
    lines = start.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    status = int(lines[0].split(" ")[1])
    if fields.get("transfer-encoding") == "chunked":
        rest = unchunked(rest)
    elif len(rest) < int(fields.get("content-length", 0)):
        status = CUT
    return Reply(status, fields.get("content-type", ""), rest)


def unchunked(rest):
    body, at = b"", 0
    while size := int(rest[at : (end := rest.index(b"\r\n", at))], 16):
        body += rest[end + 2 : end + 2 + size]
        at = end + 4 + size
    return body


def json_result(result):
    body = result.get("body", "")
    return result["id"], (result["status"], body if isinstance(body, str) else json.dumps(body))


class Json:
    content_type = "application/json"

    @staticmethod
    def write(items):
        requests = [{"id": str(item.number), "method": item.method, "url": item.url} for item in items]
        return json.dumps({"requests": requests}).encode()

    @staticmethod
    def read(reply):
        return dict(map(json_result, json.loads(reply.body)["responses"]))


class Lines:
    @staticmethod
    def write(items):
        lines = ({"id": str(item.number), "method": item.method, "url": item.url} for item in items)
        return "".join(json.dumps(line) + "\n" for line in lines).encode()

    @staticmethod
    def read(reply):
        lines = [json.loads(line) for line in reply.body.splitlines()]
        return dict(json_result(line) for line in lines if "summary" not in line)


class Xml:
    content_type = "application/xml"

    @staticmethod
    def write(items):
        requests = "".join(f'<request id="{i.number}" method="{i.method}" href="{i.url}"/>' for i in items)
        return f"<batch>{requests}</batch>".encode()

    @staticmethod
    def read(reply):
        results, own = {}, "{urn:batchgate:batch}"
        for item in tree.fromstring(reply.body).iter(f"{own}item"):
            body = item.find(f"{own}body")
            text = "" if body is None else "".join(body.itertext())
            if body is not None and body.get("encoding") == "base64":
                text = base64.b64decode(text).decode("latin-1")
            results[item.get("id")] = (int(item.get("status")), text)
        return results


class Multipart:
    content_type = "multipart/mixed; boundary=soak"

    @staticmethod
    def write(items):
        part = "--soak\r\nContent-Type: application/http\r\nContent-ID: {0.number}\r\n\r\n{0.method} {0.url} HTTP/1.1\r\n\r\n\r\n"
        return ("".join(part.format(item) for item in items) + "--soak--\r\n").encode()

    @staticmethod
    def read(reply):
        boundary, results = reply.content_type.rpartition("boundary=")[2], {}
        for part in reply.body.split(f"--{boundary}".encode())[1:-1]:
            own, message, body = part.decode("latin-1").split("\r\n\r\n", 2)
            identity = re.search(r"Content-ID: (.*)", own, re.I)[1].strip()
            results[identity] = (int(message.split(" ")[1]), body[: -len("\r\n")])
        return results


def records(items):
    return json.dumps([{"id": item.number} for item in items]).encode()
