"""wsgi.errors."""

from peer import COMPLETE, END, HEAD, LOG

APP = """
    import ast
    def application(environ, start_response):
        errors = environ["wsgi.errors"]
        for call in ast.literal_eval(environ["QUERY_STRING"]):
            name, *args = call
            getattr(errors, name)(*args)
        start_response("200 OK", [])
        return []
"""


def logs(slot, *calls):
    answer = slot.get(QUERY_STRING=ascii(calls))
    assert answer.outcome == COMPLETE, answer.log
    return answer.logs


def test_lines(start):
    slot = start.slot(APP)
    assert logs(slot, ("write", "one\n"), ("write", "two\n")) == ["one", "two"]
    assert logs(slot, ("write", "o"), ("write", "n"), ("write", "e\n")) == ["one"]
    assert logs(slot, ("write", "one\ntwo\nthr"), ("write", "ee\n")) == ["one\ntwo", "three"]
    assert logs(slot, ("writelines", ["a", "b\n", "c"])) == ["ab", "c"]
    assert logs(slot, ("write", "no end")) == ["no end"]
    assert logs(slot, ("write", "flushed"), ("flush",), ("flush",), ("write", "!")) == ["flushed", "!"]
    assert logs(slot, ("write", ""), ("flush",)) == []


def test_any_text_is_taken(start):
    slot = start.slot(
        """
        def application(environ, start_response):
            environ["wsgi.errors"].write("\\u20ac \\U0001f40d \\udcff \\0 \\x1b\\n")
            start_response("200 OK", [])
            return []
        """
    )
    assert slot.get().logs == ["€ 🐍 \\udcff \0 \x1b"]


def test_wrong_types_raise(start):
    slot = start.slot(APP)
    for call in (("write", b"bytes"), ("write", None), ("write", 5)):
        answer = slot.get(QUERY_STRING=repr([call]))
        assert "TypeError: wsgi.errors takes str" in answer.log


def test_long_lines_are_cut_between_characters(start):
    slot = start.slot(APP)
    text = "ä" * 20_000 + "x" * 5
    got = logs(slot, ("write", text), ("write", "\n"))
    assert len(got) > 1
    assert "".join(got) == text
    assert all(len(part.encode()) <= 16 << 10 for part in got)
    lines = [f"line {number}" for number in range(5000)]
    got = logs(slot, ("write", "\n".join(lines) + "\n"))
    assert "\n".join(got).split("\n") == lines
    assert all(len(part.encode()) <= 16 << 10 for part in got)


def test_lines_leave_before_the_application_goes_on(start):
    worker = start.worker(
        """
        import os, signal
        def application(environ, start_response):
            environ["wsgi.errors"].write("last words\\n")
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    worker.slots[0].request()
    assert worker.slots[0].frame() == (LOG, 3, b"last words")
    assert worker.slots[0].frame() is None
    assert worker.status() == 9


def test_order_with_the_answer(start):
    slot = start.slot(
        """
        def application(environ, start_response):
            errors = environ["wsgi.errors"]
            start_response("200 OK", [])
            errors.write("before\\n")
            yield b"x"
            print("after", file=errors)
            errors.write("at the end")
        """
    )
    answer = slot.get()
    assert answer.kinds == [LOG, HEAD, 17, LOG, LOG, END]
    assert answer.logs == ["before", "after", "at the end"]


def test_after_the_request_text_goes_to_stderr(start):
    worker = start.worker(
        """
        kept = []
        def application(environ, start_response):
            for errors in kept:
                errors.write("too late\\n")
            kept.append(environ["wsgi.errors"])
            start_response("200 OK", [])
            return []
        """
    )
    worker.slots[0].get()
    assert worker.slots[0].get().logs == []
    assert worker.zygote.errors() == "too late\n"


def test_logging_and_warnings_work_with_it(start):
    slot = start.slot(
        """
        import logging
        def application(environ, start_response):
            handler = logging.StreamHandler(environ["wsgi.errors"])
            logger = logging.getLogger("x")
            logger.addHandler(handler)
            try:
                raise ValueError("seen")
            except ValueError:
                logger.exception("said")
            logger.removeHandler(handler)
            start_response("200 OK", [])
            return []
        """
    )
    answer = slot.get()
    assert answer.logs[0].startswith("said\nTraceback")
    assert answer.logs[0].endswith("ValueError: seen")
