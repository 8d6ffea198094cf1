"""Reading httpd's error log: every warning or error that a test did not declare fails it."""

import re
import time
from dataclasses import dataclass
from pathlib import Path

from .waiting import until

LINE = re.compile(r"^\[[^\]]+\] \[(?P<module>[\w]*):(?P<level>\w+)\] \[pid (?P<pid>\d+)")
TAG = re.compile(r"\bKRT\d{4}\b")
BAD_LEVELS = {"emerg", "alert", "crit", "error", "warn"}
# Fatal at any level: httpd reports a crashed child as a notice.
FATAL = re.compile(r"exit signal|panicked at|AH0005[0-2]\b|stack smashing|double free|Sanitizer")
# httpd's own, about nothing we do.
HARMLESS = re.compile(r"AH00098: pid file|AH00558: |AH00557: |AH00548: ")


@dataclass
class Declared:
    """A line that a test expects (it must come) or allows (it may come)."""

    pattern: re.Pattern
    required: bool
    seen: bool = False


class ErrorLog:
    """The error log of one httpd."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._audited = 0
        self._declared: list[Declared] = []

    def expect(self, *patterns: str) -> None:
        """Each pattern must match a line of this test; all lines with that line's tag are then accepted."""
        self._declared += [Declared(re.compile(pattern), True) for pattern in patterns]

    def allow(self, *patterns: str) -> None:
        """Lines that match may come in this test."""
        self._declared += [Declared(re.compile(pattern), False) for pattern in patterns]

    def mark(self) -> int:
        """The place where the next line will stand, for `since`."""
        return self.path.stat().st_size if self.path.exists() else 0

    def text(self, since: int = 0) -> str:
        """The log from a mark on."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(since)
            return file.read().decode("utf-8", "replace")

    def count(self, pattern: str, since: int = 0) -> int:
        """How many lines match."""
        return sum(1 for line in self.text(since).splitlines() if re.search(pattern, line))

    def wait_for(self, pattern: str, since: int = 0, deadline: float = 15.0) -> re.Match:
        """Waits until something matches, and returns the match."""
        return until(lambda: re.search(pattern, self.text(since)), deadline, f"{pattern!r} in the error log")

    def audit(self, patience: float = 5.0) -> list[str]:
        """Complaints about the lines since the last audit; what the test declared is forgotten."""
        end = time.monotonic() + patience
        while True:
            text = self.text(self._audited)
            text = text[: text.rfind("\n") + 1]
            lines = text.splitlines()
            for wish in self._declared:
                wish.seen = wish.seen or any(wish.pattern.search(line) for line in lines)
            missing = [wish for wish in self._declared if wish.required and not wish.seen]
            if not missing or time.monotonic() > end:
                break
            time.sleep(0.05)
        accepted = set()
        for wish in self._declared:
            if wish.required:
                accepted |= {
                    tag for line in lines if wish.pattern.search(line) for tag in TAG.findall(line)[:1]
                }
        complaints = [f"expected in the error log, but missing: {wish.pattern.pattern!r}" for wish in missing]
        for line in lines:
            declared = any(wish.pattern.search(line) for wish in self._declared)
            if not declared and not accepted.intersection(TAG.findall(line)[:1]):
                complaints += self._judge(line)
        self._audited += len(text.encode("utf-8", "replace"))
        self._declared = []
        return complaints

    @staticmethod
    def _judge(line: str) -> list[str]:
        head = LINE.match(line)
        if not line.strip() or HARMLESS.search(line):
            return []
        if FATAL.search(line):
            return [f"crash: {line}"]
        if not head:
            return [f"not a line of the error log's format: {line}"]
        if head["module"] == "krait" and not TAG.search(line):
            return [f"a line of ours without a tag: {line}"]
        return [f"unexpected: {line}"] if head["level"] in BAD_LEVELS else []
