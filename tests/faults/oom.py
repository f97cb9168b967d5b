#!/usr/bin/env python3
"""oom.py - run a program once for each allocation, which then fails

    oom.py LIBRARY STEP INPUT PROGRAM [ARGUMENT...]

STEP 1 is each of them, 7 each seventh and the last five, or `tail`.  What must hold then:
no signal; status 71 or 75 with a message, or else all as without the fault; what
came out is whole lines of what would have come out, and not its `end`.  A
database (DATABASE_URL) is copied for each run, and is afterwards as it was, or
as it was to be.  Prints what does not hold, and ends with 1.
"""
import os
import re
import shutil
import sqlite3
import subprocess
import sys

library, step, source, command = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]
name = os.path.basename(command[0])
url = os.environ.get("DATABASE_URL", "")
before = url[7:] if url.startswith("sqlite:") and os.path.exists(url[7:]) else None
VARYING = re.compile(rb"\d{4}-\d\d-\d\dT[\d:]{8}Z|-[0-9a-f]{8}(?=[\"-])|\"(?:latency_ms|requests|attempts)\":\d+")


def state(path):
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)], path
    dump = list(db.iterdump())
    db.close()
    return dump


def run(**settings):
    env = dict(os.environ, LD_PRELOAD=library, **{k: str(v) for k, v in settings.items()})
    path = None
    if before:
        path = "oom.db"
        for suffix in "", "-wal", "-shm":
            if os.path.exists(path + suffix):
                os.remove(path + suffix)
        shutil.copy(before, path)
        env["DATABASE_URL"] = "sqlite:" + path
    with open(source, "rb") as stdin:
        p = subprocess.run(command, stdin=stdin, capture_output=True, env=env, timeout=60)
    return p.returncode, VARYING.sub(b"V", p.stdout), p.stderr.decode(errors="replace"), path and state(path)


def wrong(code, out, err, after):
    """What does not hold of a run, or None."""
    # Programs with a peer note that they got no answer, which is another record.
    last = err.splitlines()[-1] if err else ""
    if code == status and out == whole and after == done:
        return None
    if code not in (71, 75):
        return "status %d, %r" % (code, out[-2000:])
    if not last.startswith(name + ": ") or not last.isprintable():
        return "no message but %r" % err
    if not whole.startswith(out) and not os.environ.get("network") or out and not out.endswith(b"\n"):
        return "other output: %r" % out[-2000:]
    if b'{"type":"end"' in out and b'{"type":"end"' in whole:
        return "an end all the same"
    if after not in (old, done):
        return "another database"
    return None


old = state(before) if before else None
status, whole, said, done = run(OOM_COUNT="oom.count")
total = int(open("oom.count").read())
assert status in (0, 65), (status, said)
bad = failed = 0
tail = int(os.environ.get("tail", 5))
for n in sorted(set(range(1, total + 1, step)) | set(range(max(1, total - tail), total + 1))):
    result = run(OOM_AT=n)
    failed += result[0] != status
    why = wrong(*result)
    if why:
        bad += 1
        print("%s: allocation %d of %d: %s; it said %r" % (name, n, total, why, result[2][-300:]))
        if bad == 10:
            break
if bad:
    print("%s: whole is %r" % (name, whole[:2000]))
print("# %s: %d allocations, %d of those refused ended it" % (name, total, failed))
sys.exit(bad > 0)
