"""What batching through batchgate costs, beside plain proxying and direct calls. README.md tells more;
`tests/benches/run` builds what it needs and starts it.

Nothing is measured that was not checked first: every item of a batch must be answered, in order, with
its own body. Cases run in interleaved rounds, so that a noisy moment meets all of them."""
import argparse
import fnmatch
import json
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import time
from collections import namedtuple

import batches
import load
from processes import MIB, BenchError, Process, free_ports, machine_cpu
from servers import Servers

# A throughput case. `system` is whose CPU time counts; `form` is None for single requests.
Case = namedtuple("Case", "name system form path size")

CASES = [
    *(Case(f"json-{size}", "batchgate", "json", "/h1/items/", size) for size in (1, 10, 100, 1000)),
    *(Case(f"h2c-{size}", "batchgate", "json", "/h2/items/", size) for size in (1, 10, 100, 1000)),
    *(Case(f"ndjson-{size}", "batchgate", "ndjson", "/h1/items/", size) for size in (100, 1000)),
    *(Case(f"multipart-{size}", "batchgate", "multipart", "/h1/items/", size) for size in (100, 1000)),
    Case("xml-100", "batchgate", "xml", "/h1/items/", 100),
    Case("post-100", "batchgate", "post", "/h1/items/", 100),
    Case("pass-through", "batchgate", None, "/h1/items/", 1),
    Case("nginx-proxy", "nginx-proxy", None, "/h1/items/", 1),
    Case("direct", "upstream", None, "/h1/items/", 1),
]
# Replies of 64 KiB: by name, the batch's form and the upstream's file.
MEMORY_CASES = {
    "memory-json": ("json", "large.json"),
    "memory-base64": ("json", "large.bin"),
    "memory-xml": ("xml", "large.json"),
}
MEMORY_ITEMS, MEMORY_GOAL = 1000, 200
# What is resident when nothing was asked yet, and after so many clients have sent batches of 100.
RESIDENT_CASES = {"resident-idle": None, "resident-64": 64}
SLOW_CASES = {"slow-http1": "/h1/slow/", "slow-h2c": "/h2/slow/"}
SLOW_ITEMS, SLOW_MILLISECONDS = 100, 10
NAMES = [*(case.name for case in CASES), *MEMORY_CASES, *RESIDENT_CASES, *SLOW_CASES]


class Bench(Servers):
    """One run: its processes, its private folder, and what it measured."""

    def __init__(self, options):
        self.options = options
        self.started = time.monotonic()
        super().__init__()
        self.reply_lengths = {}
        self.rates = {}
        self.rows = []
        self.memory = []
        self.resident = []
        self.slow = []
        self.notes = []

    # Start and end.

    def start(self):
        names = ("upstream", "upstream-h2c", "nginx-proxy", "batchgate", "batchgate-admin")
        self.ports = dict(zip(names, free_ports(len(names))))
        upstream = self.start_nginx("upstream", http1=self.ports["upstream"], http2=self.ports["upstream-h2c"])
        large = {"pad": ""}
        large["pad"] = "x" * (64 * 1024 - len(compact(large)))
        self.write("upstream/large.json", compact(large))
        self.write("upstream/large.bin", bytes(range(256)) * 256)
        self.write("upstream/no-users", b"")
        self.start_nginx("nginx-proxy", port=self.ports["nginx-proxy"], upstream=self.ports["upstream"])
        self.start_gateway("batchgate", self.ports["batchgate"], self.ports["batchgate-admin"])
        upstream.wait_for_port(self.ports["upstream"])
        self.processes["nginx-proxy"].wait_for_port(self.ports["nginx-proxy"])

    def start_gateway(self, name, port, admin):
        values = {"port": port, "admin": admin, "http1": self.ports["upstream"], "http2": self.ports["upstream-h2c"]}
        self.fill_template("batchgate.yaml", f"{name}/batchgate.yaml", values)
        folder = os.path.join(self.folder, name)
        arguments = [self.options.binary, "run", "--config", "batchgate.yaml"]
        self.processes[name] = Process(name, arguments, folder)
        self.processes[name].wait_for_port(port)
        return self.processes[name]

    def say(self, what):
        print(f"{time.monotonic() - self.started:5.1f} s  {what}", file=sys.stderr, flush=True)

    # Throughput.

    def throughput(self, cases, rounds):
        port = self.ports["batchgate"]
        for path in ("/h1/refused/", "/h2/refused/"):
            batches.check_batch(port, "json", path, 20, expected_status=409)
        for case in cases:
            self.check(case)
        self.say(f"checked the replies of {len(cases)} cases")
        log_before = self.processes["batchgate"].log_text()
        for case in cases:
            if case.form:
                self.measure(case, 0.1)  # Warms up, and tells about how fast it is.
        last = 0.0
        for number in range(1, rounds + 1):
            began = time.monotonic()
            if began + last > self.started + self.options.budget - self.reserve():
                self.notes.append(f"the time allowed was over after {number - 1} of {rounds} rounds")
                break
            for case in random.sample(cases, len(cases)):
                self.rows.append({"round": number, **self.measure(case, self.options.seconds)})
            last = time.monotonic() - began
            self.say(f"round {number} of {rounds}")
        logged = self.processes["batchgate"].log_text().removeprefix(log_before)
        troubles = [message for message in map(message_of, logged.splitlines()) if not message.startswith("INFO")]
        if troubles:
            self.notes.append(f"batchgate logged {len(troubles)} warnings meanwhile: {'; '.join(sorted(set(troubles)))[:500]}")

    def reserve(self):
        """Seconds to keep for what follows the rounds."""
        return 2 + 2 * len(self.options.chosen.intersection([*MEMORY_CASES, *RESIDENT_CASES, *SLOW_CASES]))

    def check(self, case):
        if case.form:
            length = batches.check_batch(self.ports["batchgate"], case.form, case.path, case.size)
            self.reply_lengths[case.name] = length
            self.write(f"batch-{case.name}", batches.batch(case.form, case.path, case.size))
        else:
            batches.check_single(self.ports[case.system], case.path)

    def measure(self, case, seconds):
        upstream, system = self.processes["upstream"], self.processes[case.system]
        system.reset_peak()
        before = (system.cpu(), upstream.cpu(), machine_cpu(), children_cpu())
        if case.form:
            items, wall = self.send_batches(case, seconds)
        else:
            items, wall = load.singles(self.ports[case.system], case.path + "1", self.options.clients, self.folder)
        after = (system.cpu(), upstream.cpu(), machine_cpu(), children_cpu())
        system.check_alive()
        used = [end - begin for begin, end in zip(before, after)]
        known = used[1] + used[3] + (used[0] if system is not upstream else 0)
        return {
            "case": case.name, "items": items, "seconds": wall, "items_per_second": items / wall,
            "gateway_us": None if system is upstream else used[0] / items * 1e6, "upstream_us": used[1] / items * 1e6,
            "client_us": used[3] / items * 1e6, "others_cpus": max(0.0, used[2] - known) / wall,
            "peak_mib": None if system is upstream else system.peak(),
        }

    def send_batches(self, case, seconds):
        clients = self.options.clients
        wanted = self.rates.get(case.name, 3000) * seconds / case.size
        count = max(1, round(wanted / clients)) * clients
        wall, _ = load.batches(
            self.ports["batchgate"], clients, count, os.path.join(self.folder, f"batch-{case.name}"),
            batches.MEDIA_TYPES[case.form], self.reply_lengths[case.name], self.folder)
        self.rates[case.name] = count * case.size / wall
        return count * case.size, wall

    # Memory: each case has a gateway of its own, so that its peak is the batch's.

    def measure_memory(self):
        for name, (form, file) in self.chosen(MEMORY_CASES):
            port, admin = free_ports(2)
            gateway = self.start_gateway(name, port, admin)
            before = gateway.resident()
            with open(os.path.join(self.folder, "upstream", file), "rb") as source:
                expected = source.read()
            length = batches.check_batch(port, form, f"/h1/{file}/", MEMORY_ITEMS, expected=expected)
            self.memory.append({"case": name, "before_mib": before, "peak_mib": gateway.peak(), "reply_bytes": length})
            gateway.stop()
            del self.processes[gateway.name]
            self.say(name)

    def measure_resident(self):
        for name, clients in self.chosen(RESIDENT_CASES):
            port, admin = free_ports(2)
            gateway = self.start_gateway(name, port, admin)
            if clients is not None:
                body = self.write(f"batch-{name}", batches.batch("json", "/h1/items/", 100))
                length = batches.check_batch(port, "json", "/h1/items/", 100)
                load.batches(port, clients, 20 * clients, body, batches.MEDIA_TYPES["json"], length, self.folder)
            self.resident.append({"case": name, "resident_mib": gateway.resident(), "peak_mib": gateway.peak()})
            gateway.stop()
            del self.processes[gateway.name]
            self.say(name)

    # Slow: how near a batch of slow calls comes to the time of one.

    def measure_slow(self, count):
        found = {}
        for name, path in self.chosen(SLOW_CASES):
            length = batches.check_batch(self.ports["batchgate"], "json", path, SLOW_ITEMS)
            body = self.write(f"batch-{name}", batches.batch("json", path, SLOW_ITEMS))
            _, found[name] = load.batches(
                self.ports["batchgate"], 1, count, body, batches.MEDIA_TYPES["json"], length, self.folder)
        if found:
            port = self.ports["upstream-h2c"]
            found["direct"] = [load.streams(port, "/h2/slow/1", SLOW_ITEMS, self.folder) for _ in range(count)]
            self.say("slow")
        for name, times in found.items():
            milliseconds = [1000 * one for one in times]
            self.slow.append({"case": name, "median_ms": statistics.median(milliseconds), "best_ms": min(milliseconds)})

    def chosen(self, cases):
        return [(name, case) for name, case in cases.items() if name in self.options.chosen]


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def message_of(line):
    try:
        fields = json.loads(line)
        # Lines of requests, batches and items have no message.
        return f"{fields['level']} {fields.get('message') or fields['kind']}"
    except (ValueError, KeyError, TypeError):
        return line


def children_cpu():
    """Seconds of the processes that ended: the load tools."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


# The report.

def summary(rows, case):
    """One case's rounds as one row: medians of rates and peaks, and CPU time pooled."""
    mine = [row for row in rows if row["case"] == case.name]
    if not mine:
        return None
    items = sum(row["items"] for row in mine)

    def pooled(field):
        values = [row[field] for row in mine]
        return None if None in values else sum(value * row["items"] for value, row in zip(values, mine)) / items

    def over_rounds(choose, field):
        values = [row[field] for row in mine]
        return None if None in values else choose(values)

    return {
        "case": case.name, "rounds": len(mine), "items_per_second": over_rounds(statistics.median, "items_per_second"),
        "gateway_us": pooled("gateway_us"), "gateway_us_least": over_rounds(min, "gateway_us"),
        "gateway_us_most": over_rounds(max, "gateway_us"), "upstream_us": pooled("upstream_us"),
        "client_us": pooled("client_us"), "others_cpus": over_rounds(statistics.median, "others_cpus"),
        "peak_mib": over_rounds(max, "peak_mib"),
    }


def throughput_table(summaries):
    by_name = {one["case"]: one for one in summaries}
    proxy = by_name.get("nginx-proxy", {}).get("gateway_us")
    pass_through = by_name.get("pass-through", {}).get("gateway_us")
    json_100 = by_name.get("json-100", {}).get("gateway_us")

    def number(value, digits):
        return "-" if value is None else f"{value:,.{digits}f}"

    def ratio(value, other):
        return "-" if value is None or other is None else f"{value / other:.2f}"

    head = (
        "case", "items/s", "CPU us/item", "least-most", "x nginx", "x pass", "x json-100", "upstream", "client", "peak MiB",
        "others")
    lines = []
    for one in summaries:
        cpu = one["gateway_us"]
        spread = "-" if cpu is None else f"{one['gateway_us_least']:.1f}-{one['gateway_us_most']:.1f}"
        lines.append((
            one["case"], number(one["items_per_second"], 0), number(cpu, 1), spread, ratio(cpu, proxy),
            ratio(cpu, pass_through), ratio(cpu, json_100), number(one["upstream_us"], 1), number(one["client_us"], 1),
            number(one["peak_mib"], 0), number(one["others_cpus"], 2)))
    return table(head, lines)


def table(head, lines):
    """A Markdown table whose columns line up in a terminal, too."""
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]

    def line_of(cells):
        aligned = [cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:]))]
        return f"| {' | '.join(aligned)} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line_of(head), line_of(rule), *map(line_of, lines)])


def report(bench, summaries):
    options = bench.options
    parts = []
    if summaries:
        parts.append(
            f"Throughput: {options.clients} clients, {summaries[0]['rounds']} rounds. CPU is user and system time of all the"
            " gateway's processes; x nginx,\nx pass: that against nginx's and batchgate's own for one proxied request; x json-100: against that case;"
            " upstream, client: CPU us/item, too;\npeak: with what earlier cases left resident; others: CPUs that anything"
            " else used.\n\n" + throughput_table(summaries))
    if bench.memory:
        lines = [
            (row["case"], f"{row['reply_bytes'] / MIB:.1f}", f"{row['before_mib']:.0f}", f"{row['peak_mib']:.0f}",
             "yes" if row["peak_mib"] < MEMORY_GOAL else "NO") for row in bench.memory]
        parts.append(
            f"Memory: one batch of {MEMORY_ITEMS} items whose replies have 64 KiB, to a fresh gateway (resident MiB)."
            "\n\n" + table(("case", "reply MiB", "before", "peak", f"under {MEMORY_GOAL}"), lines))
    if bench.resident:
        lines = [(row["case"], f"{row['resident_mib']:.0f}", f"{row['peak_mib']:.0f}") for row in bench.resident]
        parts.append(
            "Resident: a fresh gateway that was asked nothing, and one after 64 clients with batches of 100 (MiB).\n\n"
            + table(("case", "resident", "peak"), lines))
    if bench.slow:
        lines = [(row["case"], f"{row['median_ms']:.1f}", f"{row['best_ms']:.1f}") for row in bench.slow]
        parts.append(
            f"Slow: {SLOW_ITEMS} items, each {SLOW_MILLISECONDS} ms at the upstream, 1 client. direct: the same calls as"
            " streams of one\nHTTP/2 connection to the upstream, without a gateway.\n\n" + table(("case", "median ms", "best ms"), lines))
    parts += [f"Note: {note}" for note in bench.notes]
    return "\n\n".join(parts)


def write_json(bench, summaries):
    version = subprocess.run([bench.options.binary, "--version"], capture_output=True, text=True, check=True)
    content = {
        "version": version.stdout.strip(), "cpus": os.cpu_count(), "clients": bench.options.clients,
        "seconds": bench.options.seconds, "throughput": summaries, "rounds": bench.rows, "memory": bench.memory, "resident": bench.resident,
        "slow": bench.slow, "notes": bench.notes,
    }
    with open(bench.options.json, "w") as file:
        json.dump(content, file, indent=1)
        file.write("\n")


def read_options():
    parser = argparse.ArgumentParser(
        prog="tests/benches/run", description="Measures what batching through batchgate costs.",
        epilog="Cases: " + ", ".join(NAMES))
    add = parser.add_argument
    add("--quick", action="store_true", help="one short round: a look, not a claim")
    add("--rounds", type=int, metavar="N", help="rounds (default 5, quick 1)")
    add("--seconds", type=float, metavar="S",
        help="about the length of one measurement of batches (default 0.5, quick 0.25)")
    add("--clients", type=int, default=8, metavar="N", help="connections in a closed loop (default 8)")
    add("--budget", type=float, metavar="S",
        help="seconds for the whole run; no round begins that would not end in time (default 85, quick 24)")
    add("--only", metavar="CASES", default="*",
        help="cases to run, with commas: json-100,nginx-proxy; json means all of json-…, * is anything")
    add("--json", metavar="FILE", help="writes every measurement to this file")
    add("--binary", metavar="FILE", help="the batchgate to measure (tests/benches/run gives it)")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (0.25 if options.quick else 0.5)
    options.budget = options.budget or (24 if options.quick else 85)
    options.chosen = set()
    for pattern in options.only.split(","):
        matching = [name for name in NAMES if fnmatch.fnmatch(name, pattern) or name.startswith(pattern + "-")]
        if not matching:
            parser.error(f"no case is named {pattern}; there are: {', '.join(NAMES)}")
        options.chosen.update(matching)
    if not options.binary:
        parser.error("--binary is missing; tests/benches/run gives it")
    options.binary = os.path.abspath(options.binary)
    return options


def main():
    options = read_options()
    bench = Bench(options)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    try:
        bench.start()
        cases = [case for case in CASES if case.name in options.chosen]
        if cases:
            bench.throughput(cases, options.rounds)
        bench.measure_memory()
        bench.measure_resident()
        bench.measure_slow(5 if options.quick else 20)
        summaries = [one for one in (summary(bench.rows, case) for case in cases) if one]
        print(report(bench, summaries))
        if options.json:
            write_json(bench, summaries)
    except BenchError as error:
        print(f"tests/benches/run: {error}", file=sys.stderr)
        return 1
    finally:
        bench.stop()
    bench.say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
