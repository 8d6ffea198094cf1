"""Counts how often the iterables' close() was called; one process, so the count is exact."""

COUNTS = {"made": 0, "closed": 0}


class Body:
    """An iterable with close(); fails after its first block if told to."""

    def __init__(self, fails):
        COUNTS["made"] += 1
        self._fails = fails

    def __iter__(self):
        yield b"first"
        if self._fails:
            raise ValueError("the iterable failed")

    def close(self):
        COUNTS["closed"] += 1


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/counts":
        return [f"{COUNTS['made']} {COUNTS['closed']}".encode()]
    return Body(environ["PATH_INFO"] == "/fails")
