"""make bench: mod_krait and its peers, side by side, in one run.

Every peer has a private httpd with the same settings and the same application behind it. Rounds are
interleaved, and the median of a peer's rounds counts: what disturbs the machine for a moment disturbs all,
and moves no median.
"""

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import load
import peers
import report
from children import adopt_orphans, end_orphans
from results import LARGE, Results, median

BLOCK = bytes(range(256)) * 256
BLOCKS = 1526
LENGTH = len(BLOCK) * BLOCKS
HELLO = b"Hello, world!\n"
FAILURES = (load.LoadError, OSError, HTTPException, subprocess.SubprocessError)


def options():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="about a minute; writes no docs/benchmark.md")
    parser.add_argument("--check", action="store_true", help="exit 1 if a goal is missed")
    parser.add_argument("--rounds", type=int, help="rounds of hello (5; quick 3)")
    parser.add_argument("--seconds", type=int, help="seconds of each peer in a round (8; quick 2)")
    parser.add_argument("--repeat", type=int, help="how often each large body is moved (9; quick 3)")
    names = ", ".join(kind.name for kind in peers.ALL)
    parser.add_argument("--peers", default="", help=f"only these of: {names}; with commas between")
    parser.add_argument("--output", type=Path, help="where the report goes (docs/benchmark.md)")
    chosen = parser.parse_args()
    chosen.rounds = chosen.rounds or (3 if chosen.quick else 5)
    chosen.seconds = chosen.seconds or (2 if chosen.quick else 8)
    chosen.repeat = chosen.repeat or (3 if chosen.quick else 9)
    wanted = [name for name in chosen.peers.split(",") if name]
    unknown = set(wanted) - {kind.name for kind in peers.ALL}
    if unknown:
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    chosen.kinds = [kind for kind in peers.ALL if not wanted or kind.name in wanted]
    if chosen.output is None and not chosen.quick and not wanted:
        chosen.output = peers.CHECKOUT / "docs" / "benchmark.md"
    return chosen


def say(text):
    """Progress, at once."""
    print(text, flush=True)


def make_stage():
    """The folder of this run.

    Under root it must be reachable for httpd's user, and under no folder that others may write to, because
    mod_krait refuses to run what others could have put there.
    """
    if os.geteuid() == 0:
        parent = Path("/var/cache")
    else:
        parent = peers.CHECKOUT / ".cache" / "bench"
        parent.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix="krait-bench-", dir=parent))
    stage.chmod(0o755)
    return stage


def fill_stage(stage):
    """The application and its large file."""
    apps = stage / "apps"
    shutil.copytree(peers.HERE / "apps", apps, ignore=shutil.ignore_patterns("__pycache__"))
    with (apps / "file.bin").open("wb") as file:
        for _ in range(BLOCKS):
            file.write(BLOCK)
    subprocess.run(["chmod", "-R", "go+rX", apps], check=True)


def check_sanity(peer, work):
    """A URL must answer right before it is measured."""
    connection = HTTPConnection("127.0.0.1", peer.port, timeout=60)
    body = bytes(LENGTH) if work == "upload" else None
    connection.request("POST" if body else "GET", peer.paths[work], body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if work in ("gen", "file"):
        right = hashlib.sha256(content).digest() == hashlib.sha256(BLOCK * BLOCKS).digest()
    else:
        right = content == (HELLO if work == "hello" else b"%d\n" % LENGTH)
    if answer.status != 200 or not right:
        raise load.LoadError(f"status {answer.status}, {len(content)} bytes: {content[:80]!r}")


def start_all(chosen, stage, results, stack):
    """Starts the peers, and returns those that run."""
    ready = []
    for kind in chosen.kinds:
        peer = kind(stage)
        results.taking_part.append(peer.name)
        stack.callback(lambda peer=peer: [say(f"  {text}") for text in peer.stop()])
        try:
            peer.start()
        except (peers.PeerError, OSError, subprocess.SubprocessError) as error:
            results.fail(peer, "all", error)
            continue
        for work in peer.works:
            try:
                check_sanity(peer, work)
                if work == "hello":
                    load.wrk(peer.port, 1, peer.paths[work])
            except FAILURES as error:
                results.fail(peer, work, error)
        say(f"  {peer.name}: runs on port {peer.port}")
        ready.append(peer)
    return ready


def rotated(items, count):
    """The items, beginning with another one in each round, so that nobody always comes first."""
    start = count % len(items) if items else 0
    return items[start:] + items[:start]


def measure_hello(chosen, ready, results):
    """Small answers."""
    for count in range(chosen.rounds):
        for peer in rotated(ready, count):
            if results.failed(peer, "hello"):
                continue
            try:
                run = load.wrk(peer.port, chosen.seconds, peer.paths["hello"])
            except FAILURES as error:
                results.fail(peer, "hello", error)
                continue
            results.rates.setdefault(peer.name, []).append(run.rate)
            results.p99s.setdefault(peer.name, []).append(run.p99)
        rates = [f"{name} {values[-1]:,.0f}/s" for name, values in results.rates.items()]
        say(f"  hello, round {count + 1} of {chosen.rounds}: {', '.join(rates)}")


def measure_large(chosen, ready, results):
    """Large bodies, one at a time."""
    for work, title in LARGE.items():
        moving = load.upload if work == "upload" else load.download
        taking = [peer for peer in ready if work in peer.works]
        for count in range(chosen.repeat):
            for peer in rotated(taking, count):
                if results.failed(peer, work):
                    continue
                try:
                    took = moving(peer.port, peer.paths[work], LENGTH)
                except FAILURES as error:
                    results.fail(peer, work, error)
                    continue
                results.speeds[work].setdefault(peer.name, []).append(LENGTH / load.MEGABYTE / took)
        speeds = [f"{name} {median(values):,.0f} MB/s" for name, values in results.speeds[work].items()]
        say(f"  {title}: {', '.join(speeds)}")


def stop_on_signals():
    """SIGTERM and SIGHUP end the run the way Ctrl-C does: everything is stopped and removed."""

    def end(signum, _frame):
        sys.exit(128 + signum)

    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, end)


def main():
    """Measures, prints, writes."""
    chosen = options()
    note = report.busy_note(os.getloadavg()[0])
    began = time.monotonic()
    results = Results()
    adopt_orphans()
    stop_on_signals()
    with contextlib.ExitStack() as stack:
        stage = make_stage()
        stack.callback(shutil.rmtree, stage, ignore_errors=True)
        fill_stage(stage)
        stack.callback(lambda: [say(f"  left behind, and ended now: {text}") for text in end_orphans()])
        say("starting the peers")
        ready = start_all(chosen, stage, results, stack)
        say("measuring")
        measure_hello(chosen, ready, results)
        measure_large(chosen, ready, results)
        page = report.page(chosen, ready, results, note, stage, (len(HELLO), LENGTH))
        say("stopping the peers")
    say(f"done in {time.monotonic() - began:.0f} s\n\n{report.summary(results)}\n\n{note}")
    raw = peers.CHECKOUT / ".cache" / "bench"
    raw.mkdir(parents=True, exist_ok=True)
    (raw / "last.json").write_text(json.dumps(results.raw(), indent=2))
    if chosen.output:
        chosen.output.write_text(page)
        say(f"written: {chosen.output}")
    missed = [goal for goal in results.goals() if not goal.met]
    return 1 if results.failures or (chosen.check and missed) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
