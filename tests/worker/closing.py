"""The application of several tests: functions by path, and a count of calls of close()."""

import textwrap

# Each path names a function of the application; CLOSED counts calls of close().
APP = """
    import sys, time
    closed = []

    class Closing:
        def __init__(self, blocks, fail=None):
            self.blocks, self.fail = iter(blocks), fail
        def __iter__(self):
            return self
        def __next__(self):
            return next(self.blocks)
        def close(self):
            closed.append(1)
            if self.fail:
                raise self.fail

    def application(environ, start_response):
        name = environ["PATH_INFO"][1:]
        if name == "closed":
            start_response("200 OK", [])
            answer = str(len(closed)).encode()
            closed.clear()
            return [answer]
        return globals()[name](environ, start_response)
"""


def app(functions: str) -> str:
    return textwrap.dedent(APP) + textwrap.dedent(functions)


def closed(slot) -> int:
    return int(slot.get("/closed").body)
