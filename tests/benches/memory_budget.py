"""Sends batches side by side whose replies don't fit into `limits.memory` together, and says what the gateway's
memory was and what became of each item: `memory_budget.py GATEWAY [MEMORY [BATCHES [ITEMS [BYTES]]]]`, where
GATEWAY is the program. Brings its own upstream."""
import asyncio
import collections
import json
import pathlib
import subprocess
import sys
import tempfile
import time


async def upstream(body):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body)

    async def serve(reader, writer):
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(head + body)
                await writer.drain()
        except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def post(port, batch):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(b"POST /batch HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
                 b"Content-Length: %d\r\n\r\n%b" % (len(batch), batch))
    reply = await reader.read()
    writer.close()
    head, _, body = reply.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1].decode()
    if status != "207":
        return collections.Counter({f"batch {status}": 1})
    if b"chunked" in head.lower():
        raise AssertionError("a chunked reply")
    reasons = (json.loads(body)["responses"])
    return collections.Counter(f"{item['status']} {item.get('outcome', '')}".strip() for item in reasons)


async def main():
    program, memory = sys.argv[1], (sys.argv[2:3] or ["512MiB"])[0]
    batches, items, size = (int(value) for value in (sys.argv[3:] + ["20", "1000", "65536"][len(sys.argv[3:]):]))
    server, port = await upstream(b"x" * size)
    gateway = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder, "batchgate.yaml")
        config.write_text(f"listen: 127.0.0.1:{gateway}\nadmin: off\n"
                          f"upstreams: {{ big: {{ targets: ['http://127.0.0.1:{port}'] }} }}\n"
                          f"routes: [{{ path: /, upstream: big }}]\nlimits: {{ memory: {memory} }}\nlog: {{ level: warn }}\n")
        process = subprocess.Popen([program, "run", "--config", str(config)])
        try:
            for _ in range(200):
                try:
                    (await asyncio.open_connection("127.0.0.1", gateway))[1].close()
                    break
                except ConnectionError:
                    await asyncio.sleep(0.05)
            batch = json.dumps({"requests": [{"method": "GET", "url": "/big"}] * items}).encode()
            began = time.monotonic()
            ends = await asyncio.gather(*(post(gateway, batch) for _ in range(batches)))
            took = time.monotonic() - began
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
            print(f"memory {memory}: {batches} batches of {items} items of {size} bytes in {took:.1f} s; "
                  f"{peak:.0f} MiB resident at the most")
            print(f"ends: {dict(sum(ends, collections.Counter()))}")
            print(f"batches in which every item is 200: {sum(end == {'200': items} for end in ends)}")
        finally:
            process.terminate()
            process.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
