"""Processes that a benchmark starts: their ends, CPU time and memory."""
import os
import signal
import socket
import subprocess
import time

MIB = 2**20


class BenchError(Exception):
    """A reason why the benchmark can't go on, or why its figures would be worth nothing."""


class Process:
    """A command and the processes it started: all that are in the session it leads."""

    def __init__(self, name, arguments, folder):
        self.name = name
        self.log = os.path.join(folder, name + ".log")
        with open(self.log, "wb") as log:
            self.leader = subprocess.Popen(
                arguments, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def wait_for_port(self, port, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.check_alive()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        raise BenchError(f"{self.name} does not listen after {seconds} s: {self.log_text()}")

    def check_alive(self):
        if self.leader.poll() is not None:
            raise BenchError(f"{self.name} ended with {self.leader.returncode}: {self.log_text()}")

    def log_text(self):
        with open(self.log, errors="replace") as log:
            return log.read().strip()

    def pids(self):
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat") as stat:
                    state, _, _, session = stat.read().rsplit(")", 1)[1].split()[:4]
            except OSError:
                continue
            if int(session) == self.leader.pid and state != "Z":
                found.append(int(name))
        return found

    def cpu(self):
        """Seconds of user and system time of all its processes."""
        return sum(map(cpu_of, self.pids()))

    def reset_peak(self):
        """Lets the next `peak` begin at what is resident now."""
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/clear_refs", "w") as file:
                    file.write("5")
            except OSError:
                pass  # Not allowed here: peaks are then those since the start.

    def peak(self):
        """The most MiB that were resident at once; of several processes, their sum."""
        return sum(memory_of(pid, "VmHWM") for pid in self.pids())

    def resident(self):
        return sum(memory_of(pid, "VmRSS") for pid in self.pids())

    def stop(self):
        for number, patience in ((signal.SIGTERM, 3), (signal.SIGKILL, 2)):
            for pid in self.pids():
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            end = time.monotonic() + patience
            while self.pids() and time.monotonic() < end:
                time.sleep(0.02)
        self.leader.wait(1)


def cpu_of(pid):
    # The process's CPU clock: utime + stime, in nanoseconds instead of ticks of 10 ms. The number is
    # what clock_getcpuclockid(3) makes.
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0


def memory_of(pid, field):
    try:
        with open(f"/proc/{pid}/status") as status:
            lines = dict(line.split(":", 1) for line in status)
    except OSError:
        return 0.0
    return int(lines[field].split()[0]) / 1024


def machine_cpu():
    """Seconds that all CPUs together were busy since the machine's start."""
    with open("/proc/stat") as stat:
        times = [int(time_in) for time_in in stat.readline().split()[1:9]]
    idle = times[3] + times[4]
    return (sum(times) - idle) / os.sysconf("SC_CLK_TCK")


def free_ports(count):
    """Ports that nothing listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
