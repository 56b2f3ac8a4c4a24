"""What the soak measures of a gateway, from outside: its process and its metrics."""
import asyncio
import pathlib
import re
import socket
import statistics
import time
import urllib.error
import urllib.request

IN_FLIGHT = ("batchgate_batches_in_flight", "batchgate_items_in_flight")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def metrics(admin):
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=10) as reply:
        lines = reply.read().decode().splitlines()
    found = (re.fullmatch(r"(\w+)(\{.*\})? (\S+)", line) for line in lines if not line.startswith("#"))
    return [(match[1], match[2] or "", float(match[3])) for match in found if match]


def total(samples, name, label=""):
    return sum(value for other, labels, value in samples if other == name and label in labels)


def wait_until_ready(admin, process, seconds=20):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=1).close()
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise SystemExit("the gateway does not start")


def wait_until_idle(admin, seconds=20):
    ends = time.monotonic() + seconds
    while any(total(metrics(admin), name) for name in IN_FLIGHT):
        if time.monotonic() > ends:
            raise SystemExit("something is in flight long after the last client has left")
        time.sleep(0.1)


def against_metrics(samples, counts):
    """Every item a client saw has been counted, and nothing that no client sent."""
    items = total(samples, "batchgate_items_total")
    most = counts["results"] + counts["items of those that left"]
    if not counts["results"] <= items <= most:
        yield f"metrics count {items:.0f} items, clients {counts['results']} to {most}"
    refused = total(samples, "batchgate_rejections_total")
    if refused != counts["refused"]:
        yield f"metrics count {refused:.0f} refused batches, clients {counts['refused']}"


class Samples:
    """Memory, descriptors and tasks, as time goes by."""

    def __init__(self, pid, admin):
        self.process = pathlib.Path(f"/proc/{pid}")
        self.admin, self.began, self.rows = admin, time.monotonic(), []

    def now(self):
        status = (self.process / "status").read_text()
        memory = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024
        descriptors = len(list((self.process / "fd").iterdir()))
        counted = metrics(self.admin)
        items = total(counted, "batchgate_items_total")
        return time.monotonic() - self.began, memory, descriptors, total(counted, "batchgate_tasks"), items

    async def take(self, ends):
        while time.monotonic() < ends:
            self.rows.append(await asyncio.to_thread(self.now))
            await asyncio.sleep(max(1, min(10, (ends - time.monotonic()) / 60)))

    def growth(self):
        """The last quarter against the second: the first fills pools and caches."""
        quarter = len(self.rows) // 4
        if quarter < 3:
            return
        for column, name, allowance in ((1, "MiB of memory", 8), (2, "descriptors", 40), (3, "tasks", 40)):
            early, late = (statistics.median(row[column] for row in rows)
                           for rows in (self.rows[quarter : 2 * quarter], self.rows[-quarter:]))
            if late > early * 1.15 + allowance:
                yield f"{name} grew from {early:.0f} to {late:.0f}"

    def table(self):
        step = max(1, len(self.rows) // 10)
        rows = [f"{row[0]:7.0f} {row[1]:9.1f} {row[2]:12} {row[3]:6.0f} {row[4]:9.0f}" for row in self.rows[::step]]
        return "\n".join(["seconds memory/MiB descriptors  tasks     items"] + rows)
