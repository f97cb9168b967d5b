#!/usr/bin/env python3
"""Runs commands side by side and prints what each took, beside the goal.

    measure.py USAGE ROUNDS TITLE <rows

A row is a line of four fields with tabs between them: name, goals, what to run
before (unmeasured), command; the first row is ours.  The commands take turns,
so that a slow minute of the machine is slow for all, and medians are printed.
One that takes longer than LONG is run once.
USAGE is usage.c's program, $IN the file whose bytes count for MB/s.  With $ROWS,
how many are in it, a server does most of the work: then it is rows/s, and the
ratios are by the clock.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from fractions import Fraction

LONG = 20       # seconds
ROWS = int(os.environ.get("ROWS", 0))
COLUMNS = "%-26s %8s %8s %8s %8s %8s   %-22s %s"


def run(usage, before, command):
    """CPU seconds, wall seconds and MiB of a command; None if it fails."""
    if before:
        subprocess.run(["sh", "-ec", before], check=True, stdin=subprocess.DEVNULL)
    with tempfile.NamedTemporaryFile("r") as out:
        done = subprocess.run([usage, out.name, "sh", "-ec", command], check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        return [float(n) for n in out.read().split()] if done.returncode == 0 else None


def met(goal, cpu, rate, rss, ratio):
    """Whether one goal is met: >=600MB/s, <=16MiB, or >=12 times our time; <=0.6s/M
    is of our CPU time for a million rows."""
    if goal.endswith("s/M"):
        return cpu / ROWS * 1e6 <= float(goal[2:-3])
    if goal.endswith("MB/s"):
        return rate >= float(goal[2:-4])
    if goal.endswith("MiB"):
        return rss <= float(goal[2:-3])
    return ratio >= Fraction(goal[2:])


def main():
    usage, rounds, title = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    size = os.path.getsize(os.environ["IN"]) / 1e6
    rows = [line.rstrip("\n").split("\t") for line in sys.stdin]
    taken = [[] for _ in rows]
    for _ in range(rounds):
        for row, results in zip(rows, taken):
            if not results or results[-1] and results[-1][1] < LONG:
                results.append(run(usage, row[2], row[3]))

    print("\n%s: %.0f MB, median of %d" % (title, size, rounds))
    print(COLUMNS % ("", "CPU s", "wall s", "rows/s" if ROWS else "MB/s", "MiB", "x ours", "goal", "met"))
    ours = None
    for (name, goals, *_), results in zip(rows, taken):
        if None in results:
            print("%-26s failed" % name)
            continue
        if len(results) < rounds:
            name += " (once)"
        cpu, wall, rss = map(statistics.median, zip(*results))
        cpu = max(cpu, 0.001)
        time, rate = (wall, ROWS / wall) if ROWS else (cpu, size / cpu)
        ours = ours or time
        ratio = time / ours
        oks = [met(goal, cpu, rate, rss, ratio) for goal in goals.split()]
        print(COLUMNS % (
            name, "%.3f" % cpu, "%.3f" % wall, "%.0f" % rate, "%.1f" % rss,
            "%.1f" % ratio if ratio >= 1 else "1/%.1f" % (1 / ratio),
            goals, "" if not oks else "yes" if all(oks) else "no"))
    sys.stdout.flush()
    return any(None in results for results in taken)


if __name__ == "__main__":
    sys.exit(main())
