"""How the cost of an item grows with the size of a batch, and with the number of clients, routes and targets. README.md tells
more; `tests/benches/run --growth` builds what it needs and starts it.

Points are measured in interleaved rounds, so that a noisy moment meets all of them. Each configuration has a gateway of its own,
and each point's replies are checked once before anything is measured."""
import argparse
import http.client
import io
import json
import os
import random
import re
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
# Of each client. With one, the figure would be that of a cold start: connections to open, and memory that nobody has touched.
LEAST_BATCHES = 3


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
        count = max(LEAST_BATCHES, round(rate * seconds / point.items / point.clients)) * point.clients
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


def read_report(text):
    """What `summaries` found, from tables that `report` made of it. Dimensions that are not there were not measured."""
    found, values = {}, {}
    dimensions = {title: dimension for dimension, title in TITLES.items()}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells[0] in dimensions:
            values = found.setdefault(dimensions[cells[0]], {})
        elif len(cells) == 6 and not cells[0].startswith("-"):
            value, cpu, _, _, rate, memory = (cell.replace(",", "") for cell in cells)
            values[int(value)] = (float(cpu), float(rate), float(memory))
    if not found or not all(found.values()):
        raise BenchError("there are no tables of --growth in the file")
    return found


# One picture for light and for dark pages: a white card, as of the other pictures of the documentation.
INK, LINE, QUIET, CARD_EDGE = "#1f2328", "#0969da", "#57606a", "#d0d7de"
STYLE = {
    # The text stays text, and nothing in the file depends on the time or on chance.
    "svg.fonttype": "none", "svg.hashsalt": "batchgate",
    "font.size": 10, "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": QUIET,
    "xtick.color": QUIET, "ytick.color": QUIET, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "axes.spines.top": False, "axes.spines.right": False,
}
FONTS = "ui-sans-serif, system-ui, sans-serif"


def draw(found, file):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update(matplotlib.rcParamsDefault | STYLE)
    from matplotlib import pyplot

    across = min(2, len(found))
    down = -(-len(found) // across)
    figure, panels = pyplot.subplots(
        down, across, figsize=(4.6 * across, 2.6 * down), squeeze=False, sharey=True, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    figure.set(facecolor="white", edgecolor=CARD_EDGE, linewidth=2)
    panels = list(panels.flat)
    for panel, (dimension, values) in zip(panels, found.items()):
        draw_panel(panel, dimension, values)
    for panel in panels[len(found):]:
        panel.remove()
    for panel in panels[:len(found):across]:
        panel.set_ylabel("CPU µs for an item")
    figure.supxlabel(f"shaded: up to {(ALLOWED - 1) * 100:.0f} % above 100 items, 8 clients, 1 route and 1 target", fontsize=9, color=QUIET)
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Title": "How the cost of an item grows"})
    pyplot.close(figure)
    text = re.sub(r"font-family: [^;\"]*", f"font-family: {FONTS}", text.getvalue())
    with open(file, "w", encoding="utf-8") as out:
        out.write(re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE))


def draw_panel(panel, dimension, values):
    """Values stand side by side, because by size 1,000 and 2,000 routes would be written over each other."""
    costs = [cpu for cpu, _, _ in values.values()]
    places = range(len(values))
    base = values.get(FLAT_FROM[dimension])
    if base:
        panel.axhspan(0, base[0] * ALLOWED, color=LINE, alpha=0.08, linewidth=0)
    panel.plot(places, costs, marker="o", color=LINE)
    for place, cost in zip(places, costs):
        panel.annotate(f"{cost:.0f}", (place, cost), (0, 6), textcoords="offset points", ha="center")
    panel.set_xticks(places, [f"{value:,}" for value in values])
    panel.margins(x=0.08)
    panel.set_ylim(bottom=0)
    panel.set_xlabel(TITLES[dimension])
    panel.grid(axis="y", color=CARD_EDGE, linewidth=0.6)
    panel.set_axisbelow(True)


def read_options():
    parser = argparse.ArgumentParser(
        prog="tests/benches/run --growth", description="Measures how the cost of an item grows, and draws it.",
        epilog="Dimensions: " + ", ".join(VALUES))
    add = parser.add_argument
    add("--rounds", type=int, default=5, metavar="N", help="rounds (default 5)")
    add("--seconds", type=float, default=0.5, metavar="S", help="about the length of one measurement (default 0.5)")
    add("--only", metavar="NAMES", default=",".join(VALUES), help="dimensions to measure, with commas")
    add("--svg", metavar="FILE", help="draws the tables as an SVG")
    add("--from", dest="saved", metavar="FILE", help="draws tables that were printed before, and measures nothing")
    add("--binary", metavar="FILE", help="the batchgate to measure (tests/benches/run gives it)")
    options = parser.parse_args()
    options.only = options.only.split(",")
    unknown = set(options.only) - set(VALUES)
    if unknown:
        parser.error(f"no dimension is named {', '.join(sorted(unknown))}; there are: {', '.join(VALUES)}")
    if options.saved:
        if not options.svg:
            parser.error("--from draws: --svg is missing")
        return options
    if not options.binary:
        parser.error("--binary is missing; tests/benches/run gives it")
    options.binary = os.path.abspath(options.binary)
    return options


def draw_saved(options):
    try:
        with open(options.saved, encoding="utf-8") as saved:
            draw(read_report(saved.read()), options.svg)
    except (OSError, BenchError) as error:
        print(f"tests/benches/run --growth: {options.saved}: {error}", file=sys.stderr)
        return 1
    return 0


def main():
    options = read_options()
    if options.saved:
        return draw_saved(options)
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
