"""How long a small batch takes beside a client that takes all it can get.

    python3 tests/benches/starving.py [--seconds N] BATCHGATE [BATCHGATE...]

Each program (say, one from before a change and one from after it) is measured by itself, in two cases:

- memory: 12 clients ask for replies of 12.5 MiB each and never read them; `limits.memory` is 64 MiB. Once they hold what they
  can get, another client sends a batch of two small GETs every 50 ms. With `again`, each of the 12 comes back at once when its
  connection is closed.
- turns: one client sends 300 requests of 6 s each to an upstream with `concurrency: 64`; then the same.

Prints a table: how many small batches were sent, how many were refused or had an item that was, and how long the others
took. Clients come from addresses of their own (127.0.1.x; the small batches from 127.0.0.2), so Linux only. The
upstream and the clients are this process, which takes part of each time."""
import argparse
import asyncio
import json
import os
import tempfile
import time

from processes import Process, free_ports

ATTACKERS, BIG, BIG_ITEMS = 12, 512 << 10, 25
REQUESTS, SLOW_SECONDS = 300, 6
PAUSE = 0.05

CONFIGURATION = """
listen: 127.0.0.1:{port}
admin: off
upstreams:
  service: {{ targets: ["http://127.0.0.1:{upstream}"], concurrency: 64, timeout: {{ item: 20s }} }}
routes: [{{ path: /, upstream: service }}]
batch: [{{ path: /batch }}]
limits: {{ memory: 64MiB }}
log: {{ level: error }}
"""


def answer(body):
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


SMALL_ANSWER, BIG_ANSWER = answer(b"ok"), answer(b"x" * BIG)


async def upstream(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"GET /slow"):
                await asyncio.sleep(SLOW_SECONDS)
            writer.write(BIG_ANSWER if head.startswith(b"GET /big") else SMALL_ANSWER)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        pass  # The gateway closed it, or the measurement is over.
    finally:
        writer.close()


async def connect(port, address, limit=1 << 16):
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0), limit=limit)


def batch(path, items):
    body = json.dumps({"requests": [{"method": "GET", "url": path}] * items}).encode()
    head = f"POST /batch HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def small_batch(port):
    """Whether all of it was answered 200, and how long that took."""
    began = time.monotonic()
    reader, writer = await connect(port, "127.0.0.2")
    writer.write(batch("/small", 2))
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    body = json.loads(await reader.readexactly(int(head.split("content-length:")[1].split("\r\n")[0])))
    writer.close()
    served = [result["status"] for result in body.get("responses", [])] == [200, 200]
    return served, time.monotonic() - began


async def never_read(port, number, again):
    """Asks for a large reply and doesn't read it; waits for the connection to close."""
    while True:
        _, writer = await connect(port, f"127.0.1.{number + 1}")
        writer.transport.pause_reading()
        writer.write(batch("/big", BIG_ITEMS))
        while not writer.is_closing():
            # Nothing is read, so that only writing tells that the connection is gone.
            await asyncio.sleep(0.2)
            writer.write(b"\n")
        if not again:
            return


async def slow_request(port):
    reader, writer = await connect(port, "127.0.1.1")
    writer.write(b"GET /slow HTTP/1.1\r\nHost: bench\r\n\r\n")
    await reader.read(1 << 12)
    writer.close()


async def measure(binary, attack, seconds, settle):
    """What became of each small batch, and how long it took."""
    server = await asyncio.start_server(upstream, "127.0.0.1", 0, backlog=1024)
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="batchgate-starving-") as folder:
        with open(os.path.join(folder, "batchgate.yaml"), "w") as file:
            file.write(CONFIGURATION.format(port=port, upstream=server.sockets[0].getsockname()[1]))
        gateway = Process("batchgate", [binary, "run", "--config", "batchgate.yaml"], folder)
        try:
            gateway.wait_for_port(port)
            attackers = [asyncio.create_task(one) for one in attack(port)]
            await asyncio.sleep(settle)
            waiting, end = [], time.monotonic() + seconds
            while time.monotonic() < end:
                waiting.append(asyncio.create_task(small_batch(port)))
                await asyncio.sleep(PAUSE)
            results = await asyncio.gather(*waiting)
            for one in attackers:
                one.cancel()
            await asyncio.gather(*attackers, return_exceptions=True)
        finally:
            gateway.stop()
    server.close()
    return results


def share(times, part):
    return f"{sorted(times)[min(len(times) - 1, int(len(times) * part))] * 1000:.0f} ms" if times else "-"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binaries", nargs="+", metavar="BATCHGATE")
    parser.add_argument("--seconds", type=float, default=5, help="how long small batches are sent in each case (5)")
    arguments = parser.parse_args()
    cases = {
        "nobody": (lambda port: [], 0.2),
        "memory": (lambda port: [never_read(port, number, False) for number in range(ATTACKERS)], 3),
        "memory, again": (lambda port: [never_read(port, number, True) for number in range(ATTACKERS)], 3),
        "turns": (lambda port: [slow_request(port) for _ in range(REQUESTS)], 1),
    }
    print("| program | beside | batches | refused | p50 | p99 |\n|---|---|---|---|---|---|")
    for binary in arguments.binaries:
        binary = os.path.abspath(binary)
        for name, (attack, settle) in cases.items():
            results = asyncio.run(measure(binary, attack, arguments.seconds, settle))
            times = [seconds for served, seconds in results if served]
            refused = len(results) - len(times)
            program = os.path.basename(binary)
            print(f"| {program} | {name} | {len(results)} | {refused} | {share(times, 0.5)} | {share(times, 0.99)} |", flush=True)


if __name__ == "__main__":
    main()
