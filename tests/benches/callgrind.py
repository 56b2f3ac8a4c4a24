"""A program under callgrind: instructions are counted between `start` and `stop`, and attributed to functions."""
import os
import re
import subprocess

from processes import BenchError

COMMAND = [
    "valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no", "--compress-strings=no", "--compress-pos=no",
    "--callgrind-out-file=counts",
]
# glibc picks variants of memcpy and its like by the CPU; these are on all of x86-64.
GLIBC = "glibc.cpu.hwcaps=" + ",".join(f"-{name}" for name in (
    "AVX512F", "AVX512VL", "AVX512BW", "AVX2", "AVX", "AVX_Fast_Unaligned_Load", "ERMS", "FSRM", "BMI2", "SSE4_2", "SSE4_1", "SSSE3"))
# rustc's legacy mangling ends a name with a hash.
HASH = re.compile(r"::h[0-9a-f]{16}$")


def command(arguments):
    """The command that runs another one under callgrind, in the working folder."""
    return ["env", f"GLIBC_TUNABLES={GLIBC}", *COMMAND, *arguments]


def control(pid, *words):
    done = subprocess.run(["vgdb", f"--pid={pid}", *words], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise BenchError(f"vgdb {' '.join(words)} ended with {done.returncode}: {done.stdout + done.stderr}")


def count(pid, folder, work):
    """Has `work` done, and returns what the program executed meanwhile."""
    before = set(os.listdir(folder))
    control(pid, "instrumentation", "on")
    work()
    control(pid, "instrumentation", "off")
    control(pid, "dump")
    new = [name for name in set(os.listdir(folder)) - before if name.startswith("counts.")]
    if len(new) != 1:
        raise BenchError(f"callgrind has written {new} instead of one file")
    path = os.path.join(folder, new[0])
    with open(path, errors="replace") as file:
        return Counts(file)


class Counts:
    """One file of callgrind's."""

    def __init__(self, lines):
        self.total = 0
        # By (caller, function): the calls, and the instructions of all that they did.
        self.calls = {}
        caller = callee = None
        called = 0
        for line in lines:
            if line.startswith("fn="):
                caller = HASH.sub("", line[3:].strip())
            elif line.startswith("cfn="):
                callee = HASH.sub("", line[4:].strip())
            elif line.startswith("calls="):
                called = int(line[6:].split()[0])
            elif line.startswith("totals:"):
                self.total = int(line.split()[1])
            elif called:
                calls, instructions = self.calls.get((caller, callee), (0, 0))
                self.calls[caller, callee] = (calls + called, instructions + int(line.split()[1]))
                called = 0

    def of(self, pattern):
        """The instructions of the functions whose names match, with all that they call."""
        matches = re.compile(pattern).fullmatch
        into = [cost for (caller, callee), (_, cost) in self.calls.items() if matches(callee) and not matches(caller)]
        if not into:
            raise BenchError(
                f"callgrind has seen no call of {pattern}: it is gone, has another name, or was inlined "
                "(instructions.py lists the functions that are counted)")
        return sum(into)
