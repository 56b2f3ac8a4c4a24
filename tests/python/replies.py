"""A service that replies in every way, in ASGI.

Arguments: the server that runs it (uvicorn, or hypercorn, which speaks HTTP/2 by prior knowledge too), and its port.
"""

import asyncio
import sys


def text(size):
    letters = b"abcdefghijklmnopqrstuvw"
    return (letters * (size // len(letters) + 1))[:size]


PAGE = text(64 << 10)
LARGE = text(1 << 20)
PLAIN = (b"content-type", b"text/plain")
WHOLE = {
    "/empty": (200, b"", []),
    "/none": (204, None, []),
    "/unchanged": (304, None, [(b"etag", b'"v1"')]),
    "/page": (200, PAGE, [PLAIN]),
    "/large": (200, LARGE, [PLAIN]),
    "/close": (200, PAGE, [PLAIN, (b"connection", b"close")]),
}


async def whole(send, status, body, fields):
    if body is not None:
        fields = [*fields, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body or b""})


async def in_pieces(send, pause):
    await send({"type": "http.response.start", "status": 200, "headers": [PLAIN]})
    for start in range(0, len(PAGE), 8192):
        await send({"type": "http.response.body", "body": PAGE[start : start + 8192], "more_body": True})
        await asyncio.sleep(pause)
    await send({"type": "http.response.body", "body": b""})


async def service(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    path = scope["path"]
    if path == "/broken":
        raise RuntimeError("the service is broken")
    if path in ("/chunked", "/slow"):
        await in_pieces(send, 0.03 if path == "/slow" else 0)
        return
    status, body, fields = WHOLE.get(path, (404, b"Not here.\n", [PLAIN]))
    if scope["http_version"] == "2":
        # A connection of HTTP/2 has no such field.
        fields = [field for field in fields if field[0] != b"connection"]
    await whole(send, status, body, fields)


def main():
    server, port = sys.argv[1:]
    if server == "uvicorn":
        import uvicorn

        uvicorn.run(service, host="127.0.0.1", port=int(port), lifespan="off", access_log=False)
        return
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    # It names itself after the version of HTTP.
    config.include_server_header = False
    asyncio.run(serve(service, config))


main()
