"""Applications that fail, and clients that go away."""

import pytest
from closing import app, closed
from peer import COMPLETE, FAILED

FAILURES = """
    def raises(environ, start_response):
        raise KeyError("in the call")
    def raises_late(environ, start_response):
        start_response("200 OK", [])
        def run():
            yield b"part"
            raise KeyError("while iterating")
        return Closing(run())
    def raises_first(environ, start_response):
        start_response("200 OK", [])
        return Closing(1 / 0 for _ in [1])
    def none(environ, start_response):
        start_response("200 OK", [])
    def number(environ, start_response):
        start_response("200 OK", [])
        return 5
    def a_bytes(environ, start_response):
        start_response("200 OK", [])
        return b"bytes"
    def a_str(environ, start_response):
        start_response("200 OK", [])
        return "text"
    def texts(environ, start_response):
        start_response("200 OK", [])
        return [b"fine", "text"]
    def texts_late(environ, start_response):
        start_response("200 OK", [])
        return Closing([b"fine", "text"])
    def arrays(environ, start_response):
        start_response("200 OK", [])
        return [bytearray(b"x")]
    def unstarted(environ, start_response):
        return Closing([b"x"])
    def unstarted_list(environ, start_response):
        return [b"x"]
    def unstarted_empty(environ, start_response):
        return Closing([])
    async def coroutine(environ, start_response):
        pass
    def exits(environ, start_response):
        sys.exit(3)
    def interrupts(environ, start_response):
        start_response("200 OK", [])
        return Closing(iter(lambda: exec("raise KeyboardInterrupt"), 0))
    def generator_exit(environ, start_response):
        raise GeneratorExit
    def memory(environ, start_response):
        start_response("200 OK", [])
        return [b"x" * (1 << 60)]
    def recursion(environ, start_response):
        return recursion(environ, start_response)
    def nasty(environ, start_response):
        class Nasty(Exception):
            def __str__(self):
                raise SystemExit
            __repr__ = __str__
        raise Nasty
    def bad_iter(environ, start_response):
        start_response("200 OK", [])
        class Bad(Closing):
            def __iter__(self):
                raise OSError("no")
        return Bad([])
"""


def test_failures_are_logged_and_end_nothing(start):
    worker = start.worker(app(FAILURES))
    slot = worker.slots[0]
    cases = {
        "raises": ("KRT0601", "KeyError: 'in the call'", 0, None),
        "raises_late": ("KRT0601", "KeyError: 'while iterating'", 1, 200),
        "raises_first": ("KRT0601", "ZeroDivisionError", 1, None),
        "none": ("KRT0607", "NoneType", 0, None),
        "number": ("KRT0607", "int", 0, None),
        "a_bytes": ("KRT0606", "bytes", 0, None),
        "a_str": ("KRT0606", "str", 0, None),
        "texts": ("KRT0605", "str, not bytes", 0, None),
        "texts_late": ("KRT0605", "str, not bytes", 1, 200),
        "arrays": ("KRT0605", "bytearray, not bytes", 0, None),
        "unstarted": ("KRT0602", "start_response", 1, None),
        "unstarted_list": ("KRT0603", "start_response", 0, None),
        "unstarted_empty": ("KRT0603", "start_response", 1, None),
        "coroutine": ("KRT0607", "coroutine", 0, None),
        "exits": ("KRT0601", "SystemExit: 3", 0, None),
        "interrupts": ("KRT0601", "KeyboardInterrupt", 1, None),
        "generator_exit": ("KRT0601", "GeneratorExit", 0, None),
        "memory": ("KRT0601", "MemoryError", 0, None),
        "recursion": ("KRT0601", "RecursionError", 0, None),
        "nasty": ("KRT0601", "Nasty", 0, None),
        "bad_iter": ("KRT0601", "OSError: no", 1, None),
    }
    for name, (tag, text, closes, status) in cases.items():
        answer = slot.get("/" + name)
        assert (answer.outcome, answer.status) == (FAILED, status), name
        assert answer.log.startswith(tag), (name, answer.log)
        assert text in answer.log, (name, answer.log)
        assert closed(slot) == closes, name


def test_close_raising_is_logged(start):
    worker = start.worker(
        app(
            """
            def bad(environ, start_response):
                start_response("200 OK", [])
                return Closing([b"x"], SystemExit("from close"))
            """
        )
    )
    answer = worker.slots[0].get("/bad", request_id=77)
    assert (answer.body, answer.outcome) == (b"x", COMPLETE)
    assert closed(worker.slots[0]) == 1
    errors = worker.zygote.errors()
    assert "KRT0604" in errors
    assert "SystemExit: from close" in errors
    assert "request 77" in errors


def test_end_does_not_wait_for_close(start):
    slot = start.slot(
        app(
            """
            import threading
            gate = open("gate", "wb+", buffering=0)
            def slow(environ, start_response):
                start_response("200 OK", [])
                class Slow(Closing):
                    def close(self):
                        super().close()
                        import fcntl
                        fcntl.flock(gate, fcntl.LOCK_EX)
                return Slow([b"x"])
            """
        )
    )
    import fcntl

    with open(start.folder / "gate", "wb+") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        answer = slot.get("/slow")
        assert (answer.body, answer.outcome) == (b"x", COMPLETE)
    assert closed(slot) == 1


@pytest.mark.parametrize("path", ["stream", "writes", "waiting"])
def test_client_gone(start, path):
    worker = start.worker(
        app(
            """
            import krait
            seen = []
            def stream(environ, start_response):
                start_response("200 OK", [])
                return Closing(iter(lambda: b"x" * 100_000, 0))
            def writes(environ, start_response):
                write = start_response("200 OK", [])
                try:
                    while True:
                        write(b"x" * 100_000)
                except krait.ClientDisconnected as error:
                    seen.append(error)
                    raise
                finally:
                    closed.append(1)
            def waiting(environ, start_response):
                start_response("200 OK", [])
                def run():
                    yield b"x"
                    environ["wsgi.input"].read()
                return Closing(run())
            """
        )
    )
    slot = worker.slots[0]
    slot.request("/" + path, body=10)
    slot.frame()
    slot.shut_down()
    slot = worker.renew(0)
    assert closed(slot) == 1
    assert "Traceback" not in worker.zygote.errors()
