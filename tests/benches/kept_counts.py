"""Counts of instructions against those that are kept: what is worse, by how much, and what to do about it."""
import json

# A phase or a case may cost this much more than what is kept.
TOLERANCE = 0.05
# Instructions per item. Phases below this are shown, but not judged: their noise is large.
SMALL = 500
KEEP = "tests/benches/instructions --keep"


def load(path):
    with open(path) as file:
        return json.load(file)


def save(path, counts):
    with open(path, "w") as file:
        json.dump(counts, file, indent=2)
        file.write("\n")


def lowest(rounds):
    """The lowest count of each phase of each case in several rounds. Noise only ever adds to a count."""
    cases = rounds[0]
    return {case: {phase: min(one[case][phase] for one in rounds) for phase in cases[case]} for case in cases}


def rows(kept, counted):
    """Case, phase, what is kept and what was counted; `None` where one of the two has no such phase."""
    for case in {**kept, **counted}:
        before, now = kept.get(case, {}), counted.get(case, {})
        for phase in {**before, **now}:
            yield case, phase, before.get(phase), now.get(phase)


def change(before, now):
    return f"{100 * (now - before) / before:+.1f} %"


def table(kept, counted):
    lines = [f"{'case':<14}{'phase':<10}{'kept':>9}{'now':>9}  change"]
    for case, phase, before, now in rows(kept, counted):
        both = before is not None and now is not None
        shown = change(before, now) + ("" if before >= SMALL else "  (small: not judged)") if both else "not in both"
        lines.append(f"{case:<14}{phase:<10}{before or '-':>9}{now or '-':>9}  {shown}")
    return "\n".join(lines)


def compare(kept, counted):
    """Returns what must be put right, and what is good news: sentences."""
    worse, better = [], []
    for case, phase, before, now in rows(kept, counted):
        if before is None or now is None:
            missing = "is not in the kept file" if before is None else "is in the kept file and was not counted"
            worse.append(f"{case}, {phase}: {missing}")
            continue
        sentence = f"{case}, {phase}: {now} instructions per item instead of {before} ({change(before, now)})"
        if before >= SMALL and now > before * (1 + TOLERANCE):
            worse.append(sentence)
        if before >= SMALL and now < before * (1 - TOLERANCE):
            better.append(sentence)
    return worse, better


def verdict(kept, counted):
    """Whether the counts are as good as what is kept, and the sentences to print."""
    worse, better = compare(kept, counted)
    lines = []
    if worse:
        lines = [f"More than {TOLERANCE * 100:.0f} % above the kept counts:", *(f"  {sentence}" for sentence in worse)]
        lines.append(f"Make it cheaper. If the change is worth its price, run `{KEEP}`, commit the file and say why.")
    if better:
        lines += [f"More than {TOLERANCE * 100:.0f} % below the kept counts:", *(f"  {sentence}" for sentence in better)]
        lines.append(f"Run `{KEEP}` and commit the file, so that the gain is not lost again unnoticed.")
    return not worse, lines
