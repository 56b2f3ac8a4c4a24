"""Runs a gateway under a mixed load with faults, reloads and clients that leave, and judges it:
`soak.py PROGRAM [--seconds 600] [--clients 12] [--seed N]`.

What must hold: each batch has a result for every item, each once, and each its own; of what the service answers at most
one in twenty fails (in time, under load); nothing posted is sent twice; a reload, good or bad, loses nothing; in the end metrics agree with what clients saw, nothing is in
flight, and memory, descriptors and tasks have not grown since the load was steady."""
import argparse
import asyncio
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import formats
import measures

CONFIGURATION = """
listen: 127.0.0.1:{main}
admin: 127.0.0.1:{admin}
upstreams:
  legacy: {{ targets: ["http://127.0.0.1:{upstream}"], concurrency: {concurrency}, timeout: {{ connect: 1s, item: 500ms }} }}
routes: [{{ path: /, upstream: legacy }}]
batch: [{{ path: /batch, concurrency: 24, deadline: 5s }}]
bulk: [{{ path: /records, methods: [PUT], each: "/ok/x/{{id}}" }}]
log: {{ level: error }}
"""

WHAT = ["ok/x"] * 60 + ["slow/5"] * 15 + ["status/404", "status/503", "status/500"] * 3 + ["big/20000"] * 3 + [
    "closing/x", "closing/x", "reset/before", "reset/head", "reset/body", "garbage/x", "hang/x"]


class Soak:
    def __init__(self, arguments):
        self.arguments = arguments
        self.random = random.Random(arguments.seed)
        self.number = 0
        self.ends = time.monotonic() + arguments.seconds
        self.counts = dict.fromkeys(
            ["batches", "results", "failed without a fault", "left", "items of those that left", "single requests", "refused", "reloads"], 0)
        self.faults = []

    def items(self, most):
        for _ in range(self.random.randint(1, most)):
            self.number += 1
            method = self.random.choice(["GET", "GET", "PUT", "POST"])
            yield formats.Item(self.number, method, f"/{self.random.choice(WHAT)}/{self.number}")

    async def client(self, main):
        kinds = [self.batch] * 12 + [self.stream] * 4 + [self.bulk] * 2 + [self.single] * 3 + [self.leave] * 2 + [self.nonsense]
        while time.monotonic() < self.ends:
            try:
                await asyncio.wait_for(self.random.choice(kinds)(main), 30)
            except Exception as error:
                self.faults.append(f"{type(error).__name__}: {error}")

    async def batch(self, main):
        format = self.random.choice([formats.Json, formats.Json, formats.Xml, formats.Multipart])
        items = list(self.items(120))
        reply = await formats.ask(main, "POST", "/batch", format.content_type, format.write(items))
        self.judge(items, format.read(reply), reply)

    async def stream(self, main):
        items = list(self.items(300))
        reply = await formats.ask(main, "POST", "/batch", "application/x-ndjson", formats.Lines.write(items))
        self.judge(items, formats.Lines.read(reply), reply)

    async def bulk(self, main):
        items = [formats.Item(item.number, "PUT", f"/ok/x/{item.number}") for item in self.items(100)]
        reply = await formats.ask(main, "PUT", "/records", "application/json", formats.records(items))
        self.judge(items, dict(enumerate(formats.Json.read(reply).values())), reply, positions=True)

    def judge(self, items, results, reply, positions=False):
        self.counts["batches"] += 1
        self.counts["results"] += len(results)
        if reply.status != 207 or len(results) != len(items):
            self.faults.append(f"{reply.status}: {len(items)} items, {len(results)} results")
            return
        for place, item in enumerate(items):
            status, body = results[place if positions else str(item.number)]
            self.counts["failed without a fault"] += item.own_status() not in (None, status)
            if not item.fits(status, body):
                self.faults.append(f"{item} was answered {status} {body[:80]!r}")

    async def single(self, main):
        for item in self.items(3):
            reply = await formats.ask(main, item.method, item.url, "text/plain", b"")
            self.counts["single requests"] += 1
            if not item.fits(reply.status, reply.body.decode("latin-1")):
                self.faults.append(f"the request {item} was answered {reply.status}")

    async def leave(self, main):
        items = list(self.items(200))
        _, writer = await asyncio.open_connection("127.0.0.1", main)
        body = formats.Json.write(items)
        writer.write(formats.head("POST", "/batch", "application/json", len(body)) + body)
        await writer.drain()
        await asyncio.sleep(self.random.random() * 0.05)
        writer.transport.abort()
        self.counts["left"] += 1
        self.counts["items of those that left"] += len(items)

    async def nonsense(self, main):
        body = self.random.choice([b"{", b'{"requests":[{"id":"a"},{"id":"a"}]}', b"<batch", b"[]"])
        reply = await formats.ask(main, "POST", "/batch", "application/json", body)
        self.counts["refused"] += 1
        if reply.status != 400:
            self.faults.append(f"{body!r} was answered {reply.status}")

    async def reload(self, process, file, configuration):
        while time.monotonic() < self.ends - 1:
            await asyncio.sleep(min(3, self.arguments.seconds / 10))
            self.counts["reloads"] += 1
            text = configuration(32 if self.counts["reloads"] % 2 else 64)
            file.write_text("listen: nowhere\n" if self.counts["reloads"] % 5 == 0 else text)
            process.send_signal(signal.SIGHUP)


async def run(arguments):
    here = pathlib.Path(__file__).parent
    upstream = subprocess.Popen([sys.executable, here / "upstream.py"], stdout=subprocess.PIPE, text=True)
    upstream_port = int(upstream.stdout.readline())
    main, admin = measures.free_ports(2)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "batchgate.yaml"

        def configuration(concurrency):
            return CONFIGURATION.format(main=main, admin=admin, upstream=upstream_port, concurrency=concurrency)

        file.write_text(configuration(64))
        gateway = subprocess.Popen([arguments.program, "run", "--config", file], stderr=subprocess.DEVNULL)
        try:
            measures.wait_until_ready(admin, gateway)
            return await judge(Soak(arguments), gateway, (main, admin, upstream_port), file, configuration)
        finally:
            for process in (gateway, upstream):
                process.kill()
                process.wait()


async def judge(soak, gateway, ports, file, configuration):
    main, admin, upstream_port = ports
    samples = measures.Samples(gateway.pid, admin)
    tasks = [soak.client(main) for _ in range(soak.arguments.clients)]
    await asyncio.gather(*tasks, soak.reload(gateway, file, configuration), samples.take(soak.ends))
    file.write_text(configuration(64))
    gateway.send_signal(signal.SIGHUP)
    await asyncio.to_thread(measures.wait_until_idle, admin)
    faults = list(soak.faults[:20])
    if soak.counts["failed without a fault"] > soak.counts["results"] / 20:
        faults.append(f"{soak.counts['failed without a fault']} items failed that the service would have answered")
    faults += measures.against_metrics(measures.metrics(admin), soak.counts)
    with urllib.request.urlopen(f"http://127.0.0.1:{upstream_port}/posted-twice") as reply:
        if reply.read() != b"0":
            faults.append("something was posted twice")
    faults += samples.growth()
    gateway.send_signal(signal.SIGTERM)
    if await asyncio.to_thread(gateway.wait, 40) != 0:
        faults.append(f"it ended with {gateway.returncode}")
    print(samples.table())
    print(", ".join(f"{count} {name}" for name, count in soak.counts.items()))
    print("\n".join(f"FAULT {fault}" for fault in faults) or "no fault")
    return 1 if faults else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    sys.exit(asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
