"""A legacy service that misbehaves on request: `/<what>/<argument>/<number>`, in its own process. Every reply
that comes says the number in its body and in X-Number, so that a client can tell whose reply it got."""
import asyncio
import collections
import sys


class Upstream:
    def __init__(self):
        self.posts = collections.Counter()

    async def serve(self, reader, writer):
        try:
            while await self.one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def one(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.split("\r\n")
        method, target, _ = line.split(" ")
        fields = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields if field)}
        if length := int(fields.get("content-length", 0)):
            await reader.readexactly(length)
        if target == "/posted-twice":
            twice = sum(1 for times in self.posts.values() if times > 1)
            writer.write(reply(200, str(twice), target))
            return True
        _, what, argument, number = target.split("?")[0].split("/")
        if method == "POST":
            self.posts[number] += 1
        if what == "hang":
            # Until the other side gives up.
            await reader.read()
            return False
        return await getattr(self, what)(writer, argument, number)

    async def ok(self, writer, _, number):
        writer.write(reply(200, number, number))
        return True

    async def status(self, writer, code, number):
        writer.write(reply(int(code), number, number))
        return True

    async def slow(self, writer, milliseconds, number):
        await asyncio.sleep(int(milliseconds) / 1000)
        return await self.ok(writer, None, number)

    async def big(self, writer, length, number):
        writer.write(reply(200, number.ljust(int(length)), number))
        await writer.drain()
        return True

    async def reset(self, writer, where, number):
        whole = reply(200, number * 100, number)
        writer.write(whole[: {"before": 0, "head": 20, "body": len(whole) - 50}[where]])
        await writer.drain()
        writer.transport.abort()
        return False

    async def garbage(self, writer, _argument, _number):
        writer.write(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        return False

    async def closing(self, writer, _, number):
        writer.write(reply(200, number, number, "Connection: close\r\n"))
        return False


def reply(status, body, number, more=""):
    head = f"HTTP/1.1 {status} X\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nX-Number: {number}\r\n{more}\r\n"
    return (head + body).encode()


async def main():
    server = await asyncio.start_server(Upstream().serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(0)
