"""How long a small batch takes beside others: batches of 2, one after the other, while ten clients
send batches of 2, or of 1000, to the same upstream without a pause.

    python3 tests/benches/fairness.py BATCHGATE [BATCHGATE...]

Each program (say, one from before a change and one from after it) is measured by itself against the
same upstream, which answers each call after 20 ms and takes 16 at once. Prints the small batches'
times; no wait at all would be 20 ms."""
import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time

from processes import Process, free_ports

OTHERS, LARGE_ITEMS, SMALL_ITEMS = 10, 1000, 2
CONCURRENCY, CALL_SECONDS = 16, 0.02

CONFIGURATION = """
listen: 127.0.0.1:{port}
admin: off
upstreams: {{ slow: {{ targets: ["http://127.0.0.1:{upstream}"], concurrency: {concurrency} }} }}
routes: [{{ path: /, upstream: slow }}]
batch: [{{ path: /batch, deadline: 10m }}]
log: {{ level: warn }}
"""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Upstream:
    """Answers every call after a while, and counts."""

    def __init__(self):
        self.calls = self.under_way = self.most = self.open = self.most_open = 0

    async def serve(self, reader, writer):
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.calls += 1
                self.under_way += 1
                self.most = max(self.most, self.under_way)
                await asyncio.sleep(CALL_SECONDS)
                self.under_way -= 1
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # The gateway closed it, or the measurement is over.
        finally:
            self.open -= 1
            writer.close()


async def send(port, items):
    """Sends a batch of so many GETs; every one has to be answered 200."""
    body = json.dumps({"requests": [{"method": "GET", "url": "/a"}] * items}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    head = f"POST /batch HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.split("content-length:")[1].split("\r\n")[0])
    results = json.loads(await reader.readexactly(length))["responses"]
    writer.close()
    wrong = [result["status"] for result in results if result["status"] != 200]
    if wrong or len(results) != items:
        raise SystemExit(f"{len(results)} of {items} results, wrong ones: {wrong[:9]}")


async def measure(binary, seconds, others, items):
    """The seconds of each small batch, and the upstream's counts."""
    upstream = Upstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, backlog=1024)
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="batchgate-fairness-") as folder:
        with open(os.path.join(folder, "batchgate.yaml"), "w") as file:
            values = {"port": port, "upstream": server.sockets[0].getsockname()[1], "concurrency": CONCURRENCY}
            file.write(CONFIGURATION.format(**values))
        gateway = Process("batchgate", [binary, "run", "--config", "batchgate.yaml"], folder)
        try:
            gateway.wait_for_port(port)

            async def other():
                while True:
                    await send(port, items)

            tasks = [asyncio.create_task(other()) for _ in range(others)]
            await asyncio.sleep(1)
            times, end = [], time.monotonic() + seconds
            while time.monotonic() < end:
                began = time.monotonic()
                await send(port, SMALL_ITEMS)
                times.append(time.monotonic() - began)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            gateway.stop()
    server.close()
    return times, upstream


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", nargs="+")
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args()
    for binary in options.binary:
        binary = os.path.abspath(binary)
        for others, items in ((0, 0), (OTHERS, SMALL_ITEMS), (OTHERS, LARGE_ITEMS)):
            seconds = options.seconds if items == LARGE_ITEMS else min(options.seconds, 5)
            times, upstream = asyncio.run(measure(binary, seconds, others, items))
            p50, p99 = statistics.median(times), statistics.quantiles(times, n=100, method="inclusive")[98]
            print(
                f"{binary}: {len(times)} batches of {SMALL_ITEMS} beside {others} of {items}: "
                f"p50 {p50 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms, max {max(times) * 1e3:.0f} ms; "
                f"calls at once {upstream.most}, connections at once {upstream.most_open}",
                flush=True,
            )


if __name__ == "__main__":
    main()
