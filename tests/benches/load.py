"""Load over loopback with h2load (batches) and wrk (single requests), both in a closed loop."""
import json
import os
import re
import subprocess

from processes import BenchError

# wrk's own summary is for people; this one is for us.
WRK_SUMMARY = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("SUMMARY [%d,%d,%d]\\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def run(arguments):
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{arguments[0]} did not end within a minute") from error
    if done.returncode != 0:
        raise BenchError(f"{arguments[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-500:]}")
    return done.stdout


def batches(port, clients, count, body, media_type, reply_length, folder):
    """Sends `count` batches; every one must be answered 207, with as many bytes as the checked reply
    had. Returns seconds from the first one's start to the last one's end, and each one's seconds."""
    options = ["--h1", "-d", body, "-H", f"content-type: {media_type}"]
    return h2load(f"http://127.0.0.1:{port}/batch", clients, count, options, "207", reply_length, folder)


def streams(port, path, count, folder):
    """`count` requests at once on one HTTP/2 connection. Returns seconds."""
    return h2load(f"http://127.0.0.1:{port}{path}", 1, count, ["-m", str(count)], "200", None, folder)[0]


def h2load(url, clients, count, options, status, reply_length, folder):
    log = os.path.join(folder, "h2load.log")
    if os.path.exists(log):
        os.unlink(log)
    output = run(["h2load", "-t", "1", "-c", str(clients), "-n", str(count), "--log-file", log, *options, url])
    with open(log) as file:
        lines = [line.split() for line in file]
    wrong = [line[1] for line in lines if line[1] != status]
    if wrong or len(lines) != count:
        raise BenchError(f"{url}: {len(lines)} of {count} replies, other statuses than {status}: {wrong[:9]}")
    received = int(re.search(r"\((\d+)\) data", output).group(1))
    if reply_length is not None and received != count * reply_length:
        raise BenchError(f"{url}: {count} replies had {received} bytes instead of {reply_length} each")
    times = [(int(start), int(length)) for start, _, length in lines]
    wall = max(start + length for start, length in times) - min(start for start, _ in times)
    return wall / 1e6, [length / 1e6 for _, length in times]


def singles(port, path, clients, folder):
    """Single requests for one second, wrk's shortest time. Returns their number and seconds."""
    script = os.path.join(folder, "summary.lua")
    with open(script, "w") as file:
        file.write(WRK_SUMMARY)
    url = f"http://127.0.0.1:{port}{path}"
    output = run(["wrk", "-t", str(min(2, clients)), "-c", str(clients), "-d", "1s", "-s", script, url])
    requests, duration, errors = json.loads(re.search(r"SUMMARY (.*)", output).group(1))
    if errors or not requests:
        raise BenchError(f"{url}: {errors} errors in {requests} requests")
    return requests, duration / 1e6
