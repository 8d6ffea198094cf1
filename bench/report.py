"""The tables, and docs/benchmark.md."""

import datetime
import os
import platform
import subprocess
from pathlib import Path

from peers import ALL, COMMON, PROCESSES, DoNothing
from results import LARGE, ratio


def number(value, pattern="{:,.0f}"):
    """A cell."""
    return "-" if value is None else pattern.format(value)


def table(header, rows):
    """A Markdown table that can be read as text too."""
    rows = [header, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]

    def line(cells):
        padded = [cells[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:])]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]
    return "\n".join([line(rows[0]), line(rule), *(line(row) for row in rows[1:])])


def goals_table(results):
    """The ratios."""
    rows = []
    for goal in results.goals():
        reached = "-" if goal.value is None else "yes" if goal.met else "**no**"
        bound = f"at {'most' if goal.at_most else 'least'} {goal.bound:.2f}"
        rows.append([goal.what, number(goal.value, "{:.2f}"), bound, reached])
    return table(["mod_krait", "ratio", "goal", "reached"], rows)


def peers_table(results):
    """The numbers of everyone."""
    httpd = DoNothing.name
    rows = []
    for kind in ALL:
        name = kind.name
        if name in results.taking_part:
            share = number(ratio(results.rate(name), results.rate(httpd)), "{:.2f}")
            hello = [share, number(results.rate(name)), number(results.p99(name), "{:.2f}")]
            rows.append([kind.title, *hello, *(number(results.speed(work, name)) for work in LARGE)])
    large = [f"{title}, MB/s" for title in LARGE.values()]
    return table(["", "hello: share", "requests/s", "p99, ms", *large], rows)


def summary(results):
    """Ratios first, then everyone's numbers, then what failed."""
    text = [goals_table(results), peers_table(results)]
    if results.failures:
        lines = [f"- {name}, {work}: {why.splitlines()[0]}" for (name, work), why in results.failures.items()]
        text.append("**Failed:**\n\n" + "\n".join(lines))
    return "\n\n".join(text)


def busy_note(load_average):
    """A warning where other work made the numbers worthless, else nothing."""
    if load_average <= 0.5 * (os.cpu_count() or 1):
        return ""
    return (
        f"> The machine was busy: its load average was {load_average:.1f} when the run began.\n"
        "> Don't rely on these numbers.\n"
    )


def cpu_model():
    """What the processor calls itself."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def page(chosen, ready, results, note, stage, lengths):
    """docs/benchmark.md."""
    hello, large = lengths
    asked = subprocess.run(["/usr/bin/python3", "--version"], capture_output=True, text=True, check=True)
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    versions = "\n".join(f"- {peer.title}: {peer.version()}" for peer in ready)
    blocks = [f"{peer.title}:\n\n```\n{peer.settings().strip()}\n```" for peer in ready]
    settings = "\n\n".join(blocks).replace(str(stage), "/bench")
    common = COMMON[COMMON.index("StartServers") :].strip()
    return f"""\
# Benchmark

Written by `make bench` on {datetime.date.today().isoformat()}. All ran side by side in one run on
one machine, in interleaved rounds, and medians count. The absolute numbers are this machine's: compare the
ratios.

{note}
{summary(results)}

## What was measured

- Hello: an answer of {hello} bytes, `wrk -c16 -t2 --latency`, {chosen.rounds} rounds of {chosen.seconds} s.
  The share is that of a C handler that does nothing, in the same httpd.
- Generated: {large:,} bytes in blocks of 64 KiB from a generator, with Content-Length.
- File: {large:,} bytes through `wsgi.file_wrapper`, from the page cache. What has no `wsgi.file_wrapper`
  gets a generator that reads the file. httpd's own number is its static file.
- Upload: {large:,} bytes, which the application reads in blocks of 64 KiB.
- Large bodies go one at a time, {chosen.repeat} of each for each peer, each on a new connection.

## On what

- {cpu_model()}, {os.cpu_count()} cores, clients and servers together; Linux {platform.release()}; {system}
- {asked.stdout.strip()} for all applications, {PROCESSES} processes with one thread each
{versions}

## Settings

Each has a httpd of its own: event MPM, no access log, and

```
{common}
```

{settings}
"""
