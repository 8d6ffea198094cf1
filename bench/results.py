"""What was measured, and the goals it is held against."""

import statistics
from dataclasses import dataclass

from peers import ALL, DoNothing, Krait

LARGE = {"gen": "100 MB generated", "file": "100 MB file", "upload": "100 MB upload"}
OTHERS = tuple(kind for kind in ALL if kind not in (DoNothing, Krait))


def median(values):
    """The median, or None of nothing."""
    return statistics.median(values) if values else None


def ratio(one, other):
    """A quotient, or None."""
    return one / other if one and other else None


@dataclass(frozen=True)
class Goal:
    """One number that mod_krait should reach."""

    what: str
    value: float
    bound: float
    at_most: bool = False

    @property
    def met(self):
        """Whether it does. What wasn't measured isn't met."""
        if self.value is None:
            return False
        return self.value <= self.bound if self.at_most else self.value >= self.bound


class Results:
    """Every single measurement."""

    def __init__(self):
        self.taking_part = []
        self.rates = {}
        self.p99s = {}
        self.speeds = {work: {} for work in LARGE}
        # (peer's name, work) -> what went wrong; work "all" stands for all of them.
        self.failures = {}

    def fail(self, peer, work, error):
        """Takes a peer out of a work, and says so."""
        reason = str(error) or type(error).__name__
        self.failures[peer.name, work] = reason
        print(f"  {peer.name}: {work} FAILED, {reason}", flush=True)

    def failed(self, peer, work):
        """Whether it is out."""
        return (peer.name, work) in self.failures

    def rate(self, name):
        """Median requests per second."""
        return median(self.rates.get(name))

    def p99(self, name):
        """Median of the rounds' 99th percentiles, in milliseconds."""
        return median(self.p99s.get(name))

    def speed(self, work, name):
        """Median megabytes per second."""
        return median(self.speeds[work].get(name))

    def goals(self):
        """All goals."""
        us, httpd = Krait.name, DoNothing.name

        def best(reading, choose=max):
            values = [reading(kind.name) for kind in OTHERS]
            return choose((value for value in values if value), default=None)

        def large(work):
            return lambda name: self.speed(work, name)

        lowest_p99 = best(self.p99, min)
        gen, file, upload = (large(work) for work in LARGE)
        return [
            Goal("Hello: share of httpd's do-nothing handler", ratio(self.rate(us), self.rate(httpd)), 0.6),
            Goal("Hello: against the best peer", ratio(self.rate(us), best(self.rate)), 1.0),
            Goal("Hello: p99 against the best peer's", ratio(self.p99(us), lowest_p99), 1.0, at_most=True),
            Goal("100 MB generated: against the best peer", ratio(gen(us), best(gen)), 1.5),
            Goal("100 MB file: share of httpd's static file", ratio(file(us), file(httpd)), 0.9),
            Goal("100 MB upload: against the best peer", ratio(upload(us), best(upload)), 1.3),
        ]

    def raw(self):
        """Everything, in a form that JSON can carry."""
        failures = {f"{name}, {work}": reason for (name, work), reason in self.failures.items()}
        return {**vars(self), "failures": failures}
