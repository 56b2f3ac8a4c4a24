"""A WebSocket service on the websockets library: echoes, closes as its path says, answers plain requests.

Arguments: the port, or the path of a Unix socket.
"""

import asyncio
import http
import sys
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import serve, unix_serve
from websockets.exceptions import ConnectionClosed


def plain(connection, request):
    if request.headers.get("Upgrade") is None:
        return connection.respond(http.HTTPStatus.OK, "plain\n")
    return None


async def talk(websocket):
    url = urlsplit(websocket.request.path)
    if url.path == "/close":
        await websocket.close(int(parse_qs(url.query)["code"][0]), "as you like")
        return
    try:
        async for message in websocket:
            await websocket.send(message)
    except ConnectionClosed:
        pass
    print("closed", websocket.close_code, flush=True)


def listening(place, **options):
    if place.startswith("/"):
        return unix_serve(talk, place, **options)
    return serve(talk, "127.0.0.1", int(place), **options)


async def main():
    async with listening(sys.argv[1], process_request=plain, max_size=None, ping_interval=None, backlog=1000):
        await asyncio.Future()


asyncio.run(main())
