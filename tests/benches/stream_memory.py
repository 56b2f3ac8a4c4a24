"""Sends one stream of many lines through a gateway that runs, reads the results at the same time, and says
what the gateway's memory was: `stream_memory.py HOST:PORT PATH PID [LINES [depends]]`. Every line must be answered once.
With `depends`, each line waits for one of the 900 before it and sends that one's body, which has to be JSON, as a field."""
import json
import socket
import sys
import threading
import time

PIECE = 1000


def resident(pid, field):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field)) / 1024


def item(path, number, depends):
    line = {"id": f"n{number}", "method": "GET", "url": f"{path}{number}"}
    if depends and number > 1:
        earlier = number - 1 - number * 7 % min(number - 1, 900)
        line["headers"] = {"X-Before": f"{{$responses.n{earlier}.body}}"}
    return json.dumps(line) + "\n"


def send(connection, path, count, depends):
    for first in range(1, count + 1, PIECE):
        numbers = range(first, min(first + PIECE, count + 1))
        lines = "".join(item(path, number, depends) for number in numbers).encode()
        connection.sendall(b"%x\r\n%b\r\n" % (len(lines), lines))
    connection.sendall(b"0\r\n\r\n")


def body_lines(reader):
    rest = b""
    while size := int(reader.readline(), 16):
        *lines, rest = (rest + reader.read(size)).split(b"\n")
        reader.readline()
        yield from lines


def main():
    address, path, pid = sys.argv[1:4]
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 1_000_000
    depends = "depends" in sys.argv[5:]
    host, port = address.split(":")
    connection = socket.create_connection((host, int(port)))
    head = (f"POST /batch HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-ndjson\r\n"
            "Transfer-Encoding: chunked\r\n\r\n")
    connection.sendall(head.encode())
    before, began = resident(pid, "VmRSS"), time.monotonic()
    threading.Thread(target=send, args=(connection, path, count, depends), daemon=True).start()
    reader = connection.makefile("rb", 1 << 20)
    status = reader.readline().split()[1]
    while reader.readline().strip():
        pass
    seen, statuses = bytearray(count + 1), {}
    for number, line in enumerate(body_lines(reader), 1):
        result = json.loads(line)
        if "summary" in result:
            break
        seen[int(result["id"][1:])] += 1
        statuses[result["status"]] = statuses.get(result["status"], 0) + 1
        if number % (count // 4) == 0:
            print(f"{number:>9} results, {resident(pid, 'VmRSS'):6.1f} MiB resident", flush=True)
    took = time.monotonic() - began
    assert all(once == 1 for once in seen[1:]), "a line was lost or answered twice"
    print(f"status {status}, statuses {statuses}, {result}")
    print(f"{count} lines in {took:.1f} s, {count / took:.0f}/s; resident before {before:.1f} MiB, "
          f"at the end {resident(pid, 'VmRSS'):.1f} MiB, at the most {resident(pid, 'VmHWM'):.1f} MiB")


if __name__ == "__main__":
    main()
