"""How many instructions an item costs in each phase, under callgrind. README.md says more; `tests/benches/instructions` builds
what it needs and starts it.

A gateway with one thread serves one client with one connection; nginx answers at once. Instructions in the kernel are not
counted, and neither are those of nginx."""
import argparse
import http.client
import os
import platform
import signal
import socket
import subprocess
import sys
from collections import namedtuple

import batches
import callgrind
import kept_counts
from processes import BenchError, Process, free_ports
from servers import HERE, Servers

KEPT = os.path.join(HERE, "instructions.json")

# The functions that are the phases, by their names in callgrind's output. They are marked `#[inline(never)]` where they are
# defined; the future of `dispatch` is boxed, so that it is not inlined either. What a function calls counts as its own.
BATCH = {
    "parse": r"batchgate::dialect::source::ItemSource::read",
    "plan": r"batchgate::plan::planner::plan",
    "dispatch": r"batchgate::dispatch::batch::dispatch::\{\{closure\}\}",
    "stitch": r"batchgate::stitch::stitcher::stitch",
    "write": r"batchgate::format::reply_writer::ReplyWriter::add",
    "log": r"batchgate::telemetry::access::AccessLog::log_batch",
}
SINGLE = {
    "plan": r"batchgate::serve::proxy::plan::ProxyPlan::new",
    "request": r"batchgate::serve::proxy::request::head",
    "reply": r"batchgate::serve::proxy::reply::final_head",
    "log": r"batchgate::telemetry::access::AccessLog::log_request",
}

# `size`: items in a batch; `None`: single requests. `count`: requests that are counted.
Case = namedtuple("Case", "name path size count")
CASES = [
    Case("single", "/h1/items/", None, 200),
    Case("json-1", "/h1/items/", 1, 200),
    Case("json-10", "/h1/items/", 10, 60),
    Case("json-100", "/h1/items/", 100, 20),
    Case("json-1000", "/h1/items/", 1000, 4),
    Case("pipeline-100", "/pipelined/h1/items/", 100, 20),
    Case("h2c-100", "/h2/items/", 100, 20),
]
WARM_UP = 10


class Rig(Servers):
    """The gateway under callgrind, and its upstream."""

    def __init__(self, binary):
        super().__init__()
        self.binary = binary

    def start(self):
        self.ports = dict(zip(("http1", "http2", "port", "admin"), free_ports(4)))
        upstream = self.start_nginx("upstream", http1=self.ports["http1"], http2=self.ports["http2"])
        upstream.wait_for_port(self.ports["http1"])
        self.fill_template("counting.yaml", "gateway/batchgate.yaml", self.ports)
        folder = os.path.join(self.folder, "gateway")
        command = callgrind.command([os.path.abspath(self.binary), "run", "--config", "batchgate.yaml"])
        self.processes["gateway"] = Process("gateway", command, folder)
        self.processes["gateway"].wait_for_port(self.ports["port"], 120)

    def count(self, case):
        """Instructions per item: of everything, and of each phase."""
        length = self.check(case)
        gateway = self.processes["gateway"]
        folder = os.path.join(self.folder, "gateway")
        with socket.create_connection(("127.0.0.1", self.ports["port"]), timeout=60) as connection:
            send(connection, case, WARM_UP if case.count > WARM_UP else 1, length)
            counts = callgrind.count(gateway.leader.pid, folder, lambda: send(connection, case, case.count, length))
        items = case.count * (case.size or 1)
        phases = SINGLE if case.size is None else BATCH
        of_phases = {phase: round(counts.of(function) / items) for phase, function in phases.items()}
        return {"total": round(counts.total / items), **of_phases}

    def check(self, case):
        """Fails unless each item has its own right reply. Returns the reply's length."""
        if case.size is None:
            return batches.check_single(self.ports["port"], case.path)
        return batches.check_batch(self.ports["port"], "json", case.path, case.size)


def send(connection, case, count, length):
    """Sends a request again and again, each in one piece after the reply to the one before."""
    if case.size is None:
        request = f"GET {case.path}1 HTTP/1.1\r\nHost: gateway\r\n\r\n".encode()
    else:
        body = batches.batch("json", case.path, case.size)
        head = f"Host: gateway\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        request = b"POST /batch HTTP/1.1\r\n" + head.encode() + body
    for _ in range(count):
        connection.sendall(request)
        reply = http.client.HTTPResponse(connection)
        reply.begin()
        received = len(reply.read())
        if reply.status != (200 if case.size is None else 207) or received != length:
            raise BenchError(f"{case.name}: a reply with status {reply.status} and {received} bytes, not {length}")


def count_all(binary, rounds):
    rig = Rig(binary)
    try:
        rig.start()
        found = [{case.name: rig.count(case) for case in CASES} for _ in range(rounds)]
    finally:
        rig.stop()
    return kept_counts.lowest(found)


def rustc():
    return subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.strip()


def reason_to_skip():
    """Why this machine's counts can't be compared with those that are kept; `None` if they can."""
    if platform.machine() != "x86_64":
        return f"the kept counts are those of x86_64, and this machine is {platform.machine()}"
    with open("/proc/cpuinfo") as file:
        if " avx2 " not in file.read():
            return "the kept counts are those of a CPU with AVX2, which this one does not have"
    if os.path.exists(KEPT):
        kept = kept_counts.load(KEPT)
        for name, here in made_with().items():
            if kept[name] != here:
                return f"the kept counts are those of {kept[name]}, and this is {here}; `{kept_counts.KEEP}` counts anew"
    return None


def made_with():
    """What a count depends on in addition to the source. The C library picks its copying loops by the CPU's model."""
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")
    return {"rustc": rustc(), "libc": " ".join(platform.libc_ver()), "cpu": model}


def options():
    parser = argparse.ArgumentParser(prog="tests/benches/instructions", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="write the counts to the kept file, and don't compare")
    parser.add_argument("--rounds", type=int, default=2, help="the lowest count of so many rounds counts (2)")
    parser.add_argument("--kept", default=KEPT, help="compare with this file instead of the kept one")
    parser.add_argument("--why-not", action="store_true", help="only print why nothing would be compared here, if so")
    parser.add_argument("--binary", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    chosen = options()
    if chosen.why_not:
        print(reason_to_skip() or "", end="")
        return 0
    counted = count_all(chosen.binary, chosen.rounds)
    if chosen.keep:
        kept_counts.save(KEPT, {**made_with(), "cases": counted})
        print(f"written to {KEPT}")
        return 0
    kept = kept_counts.load(chosen.kept)
    print(kept_counts.table(kept["cases"], counted))
    fine, lines = kept_counts.verdict(kept["cases"], counted)
    print("\n".join(lines))
    return 0 if fine else 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main())
    except BenchError as error:
        sys.exit(f"tests/benches/instructions: {error}")
