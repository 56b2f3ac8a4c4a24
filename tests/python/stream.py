"""Streams NDJSON through two ordinary clients and prints what each of them saw as JSON.

    stream.py requests|httpx URL COUNT"""

import json
import sys

import httpx
import requests

HEADERS = {"Content-Type": "application/x-ndjson"}


def lines(count):
    for number in range(1, count + 1):
        yield json.dumps({"id": f"n{number}", "method": "GET", "url": f"/items/{number}"}).encode() + b"\n"


def with_requests(url, count):
    with requests.post(url, data=lines(count), headers=HEADERS, stream=True, timeout=30) as reply:
        yield reply.status_code
        yield from reply.iter_lines()


def with_httpx(url, count):
    with httpx.stream("POST", url, content=lines(count), headers=HEADERS, timeout=30) as reply:
        yield reply.status_code
        yield from reply.iter_lines()


client, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
status, *received = {"requests": with_requests, "httpx": with_httpx}[client](url, count)
*results, summary = map(json.loads, received)
json.dump(
    {
        "status": status,
        "ids": sorted({result["id"] for result in results}, key=lambda name: int(name[1:])),
        "statuses": sorted({result["status"] for result in results}),
        "results": len(results),
        "summary": summary["summary"],
    },
    sys.stdout,
)
