"""A WebSocket client on the websockets library.

Arguments: the url of the gateway (ws://...), what to do, and perhaps a number. Prints what it saw as JSON.
"""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

URL = sys.argv[1]
NUMBER = int(sys.argv[3]) if len(sys.argv) > 3 else 0


def opened(path="/echo", **more):
    return connect(URL + path, proxy=None, max_size=None, ping_interval=None, open_timeout=30, **more)


async def many():
    """Opens, talks and closes, one after the other."""
    failures = []
    for number in range(NUMBER):
        try:
            async with opened() as websocket:
                await websocket.send(str(number))
                answer = await asyncio.wait_for(websocket.recv(), 30)
                if answer != str(number):
                    failures.append(f"{number}: {answer!r}")
        except Exception as error:
            failures.append(f"{number}: {error!r}")
    return {"failures": failures}


async def talk():
    async with opened() as websocket:
        pong = await websocket.ping(b"are you there")
        latency = await asyncio.wait_for(pong, 30)
        await websocket.send("Łukasz")
        text = await websocket.recv()
        await websocket.send(b"\x00\xff")
        binary = await websocket.recv()
        await websocket.close(4002, "enough")
        return {"pong": latency >= 0, "text": text, "binary": binary.hex(), "code": websocket.close_code}


async def closed():
    codes = []
    for code in [1000, 1011, 4001]:
        async with opened(f"/close?code={code}") as websocket:
            try:
                await websocket.recv()
            except ConnectionClosed as error:
                codes.append([error.rcvd.code, error.rcvd.reason])
    return {"codes": codes}


async def big():
    sizes = []
    async with opened(compression=None) as websocket:
        for size in [0, 1, 125, 126, 65535, 65536, NUMBER]:
            message = bytes(index % 251 for index in range(min(size, 1000))) * (size // 1000 or 1)
            await websocket.send(message)
            sizes.append(await asyncio.wait_for(websocket.recv(), 60) == message)
        # In fragments, which stay one message.
        await websocket.send(["piece"] * 100)
        sizes.append(await websocket.recv() == "piece" * 100)
    return {"same": sizes}


async def idle():
    """Says nothing for so many milliseconds, then something."""
    async with opened() as websocket:
        await asyncio.sleep(NUMBER / 1000)
        await websocket.send("still here")
        return {"answer": await asyncio.wait_for(websocket.recv(), 30)}


async def stay():
    """Stays until the other side ends it."""
    async with opened() as websocket:
        await websocket.send("hello")
        await websocket.recv()
        print("open", flush=True)
        try:
            await asyncio.wait_for(websocket.recv(), 60)
        except ConnectionClosed as error:
            return {"ended": error.rcvd.code if error.rcvd else 1006}
        return {"ended": None}


print(json.dumps(asyncio.run(globals()[sys.argv[2]]())), flush=True)
