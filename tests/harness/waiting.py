"""Waiting for an event with a deadline, never for luck."""

import time


class DeadlinePassed(AssertionError):
    """What was waited for did not happen in time."""


def until(happened, deadline: float = 15.0, what: str = "", every: float = 0.01):
    """Calls `happened` until it returns something true, and returns that; fails after `deadline` seconds."""
    end = time.monotonic() + deadline
    while True:
        result = happened()
        if result:
            return result
        if time.monotonic() >= end:
            raise DeadlinePassed(
                f"not within {deadline} s: {what or getattr(happened, '__name__', happened)}"
            )
        time.sleep(every)
