"""How the cost of an item grows with the size of a batch, and with the number of clients, routes and targets. README.md tells
more; `tests/benches/run --growth` builds what it needs and starts it.

Points are measured in interleaved rounds, so that a noisy moment meets all of them. Each configuration has a gateway of its own,
and each point's replies are checked once before anything is measured."""
import argparse
import http.client
import json
import os
import random
import signal
import sys
import time
from collections import namedtuple

import load
from bench import table
from processes import BenchError, Process, free_ports
from servers import Servers

# One measurement: batches of `items` from so many `clients`, to the gateway with this configuration.
Point = namedtuple("Point", "dimension value items clients routes targets")
VALUES = {
    "items": (1, 10, 100, 1000, 10000),
    "clients": (1, 8, 64, 256, 512),
    "routes": (1, 10, 100, 1000, 2000),
    "targets": (1, 5, 50),
}
TITLES = {
    "items": "items of a batch, 8 clients",
    "clients": "clients, 100 items",
    "routes": "routes, 100 items, 8 clients",
    "targets": "targets of the upstream, 100 items, 8 clients",
}
# The least of each dimension's values that the others are compared with: the cost is to be flat from there on.
FLAT_FROM = {"items": 100, "clients": 8, "routes": 1, "targets": 1}
ALLOWED = 1.15
MOST_TARGETS = max(VALUES["targets"])


def points(dimension):
    for value in VALUES[dimension]:
        fixed = {"items": 100, "clients": 8, "routes": 1, "targets": 1, dimension: value}
        if value == 10000:
            fixed["clients"] = 2  # Eight of them would measure the limit on calls at once, not the size.
        yield Point(dimension, value, **fixed)


class Growth(Servers):
    """One run: its servers, and what it measured."""

    def __init__(self, options):
        super().__init__()
        self.options = options
        self.started = time.monotonic()
        self.gateways = {}
        self.rates = {}
        self.rows = []

    def start(self):
        self.ports["targets"] = free_ports(MOST_TARGETS)
        listens = "".join(f"    listen 127.0.0.1:{port} backlog=4096;\n" for port in self.ports["targets"])
        upstream = self.start_nginx("growth", listens=listens)
        upstream.wait_for_port(self.ports["targets"][0])

    def gateway(self, point):
        """The process and the port of the gateway with the point's configuration."""
        key = (point.routes, point.targets)
        if key not in self.gateways:
            name = "gateway-{}-{}".format(*key)
            port, admin = free_ports(2)
            targets = ", ".join(f'"http://127.0.0.1:{target}"' for target in self.ports["targets"][: point.targets])
            routes = "".join(f"  - {{ path: /r{number}/, upstream: items }}\n" for number in range(point.routes))
            self.fill_template(
                "growth.yaml", f"{name}/batchgate.yaml", {"port": port, "admin": admin, "targets": targets, "routes": routes})
            arguments = [self.options.binary, "run", "--config", "batchgate.yaml"]
            self.processes[name] = Process(name, arguments, os.path.join(self.folder, name))
            self.processes[name].wait_for_port(port)
            self.gateways[key] = (self.processes[name], port)
        return self.gateways[key]

    def say(self, what):
        print(f"{time.monotonic() - self.started:5.1f} s  {what}", file=sys.stderr, flush=True)

    def measure_all(self, chosen):
        for point in chosen:
            self.prepare(point)
        self.say(f"checked the replies of {len(chosen)} points")
        for number in range(1, self.options.rounds + 1):
            for point in random.sample(chosen, len(chosen)):
                self.rows.append((point, *self.measure(point, self.options.seconds)))
            self.say(f"round {number} of {self.options.rounds}")

    def prepare(self, point):
        """Checks that every item is answered, and finds out about how fast the point is."""
        process, port = self.gateway(point)
        body = batch_of(point)
        path = self.write(f"batch-{name_of(point)}", body)
        length = checked_length(port, body, point)
        self.rates[point] = (path, length, 3000.0)
        self.measure(point, 0.1)
        process.check_alive()

    def measure(self, point, seconds):
        """CPU microseconds of an item, items a second, and the most MiB that were resident."""
        process, port = self.gateway(point)
        path, length, rate = self.rates[point]
        count = max(1, round(rate * seconds / point.items / point.clients)) * point.clients
        process.reset_peak()
        before = process.cpu()
        wall, _ = load.batches(port, point.clients, count, path, "application/json", length, self.folder)
        used = process.cpu() - before
        items = count * point.items
        self.rates[point] = (path, length, items / wall)
        return used / items * 1e6, items / wall, process.peak()


def name_of(point):
    return f"{point.dimension}-{point.value}"


def batch_of(point):
    urls = (f"/r{number % point.routes}/items/{number}" for number in range(1, point.items + 1))
    requests = [{"id": str(number), "method": "GET", "url": url} for number, url in enumerate(urls, 1)]
    return json.dumps({"requests": requests}, separators=(",", ":")).encode()


def checked_length(port, body, point):
    """The length of a reply in which every item has its own body, in order."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/batch", body, {"Content-Type": "application/json"})
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    if reply.status != 207:
        raise BenchError(f"{name_of(point)}: status {reply.status}: {content[:300]!r}")
    found = [(one["id"], one["status"], one["body"]["id"]) for one in json.loads(content)["responses"]]
    if found != [(str(number), 200, number) for number in range(1, point.items + 1)]:
        raise BenchError(f"{name_of(point)}: not every item has its own reply: {content[:300]!r}")
    return len(content)


# The report.

def summaries(rows):
    """Of each dimension, its values with the least CPU time, the most items a second and the most memory of all rounds."""
    found = {}
    for point, cpu, rate, peak in rows:
        least, most, memory = found.setdefault(point.dimension, {}).get(point.value, (cpu, rate, peak))
        found[point.dimension][point.value] = (min(least, cpu), max(most, rate), max(memory, peak))
    return {dimension: dict(sorted(values.items())) for dimension, values in found.items()}


def report(found):
    parts = []
    for dimension, values in found.items():
        base = values[FLAT_FROM[dimension]][0]
        lines = []
        for value, (cpu, rate, memory) in values.items():
            ratio = cpu / base
            counts = value >= FLAT_FROM[dimension]
            flat = ("yes" if ratio <= ALLOWED else "NO") if counts else "-"
            lines.append((f"{value:,}", f"{cpu:.1f}", f"{ratio:.2f}", flat, f"{rate:,.0f}", f"{memory:.0f}"))
        head = (TITLES[dimension], "CPU us/item", "ratio", "within 15 %", "items/s", "peak MiB")
        parts.append(table(head, lines))
    return "\n\n".join(parts)


def draw(found, file):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "batchgate"
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(found), figsize=(4 * len(found), 3.2), sharey=True, layout="constrained")
    panels = panels if len(found) > 1 else [panels]
    for panel, (dimension, values) in zip(panels, found.items()):
        panel.plot(list(values), [cpu for cpu, _, _ in values.values()], marker="o", color="#2563eb")
        panel.set_xscale("log")
        panel.set_xticks(list(values), [f"{value:,}" for value in values])
        panel.minorticks_off()
        panel.set_ylim(bottom=0)
        panel.set_xlabel(TITLES[dimension])
        panel.grid(axis="y", alpha=0.3)
    panels[0].set_ylabel("CPU µs for an item")
    figure.savefig(file, metadata={"Date": None})


def read_options():
    parser = argparse.ArgumentParser(
        prog="tests/benches/run --growth", description="Measures how the cost of an item grows, and draws it.",
        epilog="Dimensions: " + ", ".join(VALUES))
    add = parser.add_argument
    add("--rounds", type=int, default=5, metavar="N", help="rounds (default 5)")
    add("--seconds", type=float, default=0.5, metavar="S", help="about the length of one measurement (default 0.5)")
    add("--only", metavar="NAMES", default=",".join(VALUES), help="dimensions to measure, with commas")
    add("--svg", metavar="FILE", help="draws the tables as an SVG")
    add("--binary", metavar="FILE", help="the batchgate to measure (tests/benches/run gives it)")
    options = parser.parse_args()
    options.only = options.only.split(",")
    unknown = set(options.only) - set(VALUES)
    if unknown:
        parser.error(f"no dimension is named {', '.join(sorted(unknown))}; there are: {', '.join(VALUES)}")
    if not options.binary:
        parser.error("--binary is missing; tests/benches/run gives it")
    options.binary = os.path.abspath(options.binary)
    return options


def main():
    options = read_options()
    growth = Growth(options)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    try:
        growth.start()
        growth.measure_all([point for dimension in options.only for point in points(dimension)])
        found = summaries(growth.rows)
        print(report(found))
        if options.svg:
            draw(found, options.svg)
            growth.say(f"drawn: {options.svg}")
    except BenchError as error:
        print(f"tests/benches/run --growth: {error}", file=sys.stderr)
        return 1
    finally:
        growth.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
