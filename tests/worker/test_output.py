"""start_response, write(), the iterable and its close()."""

from closing import app, closed
from peer import COMPLETE, DATA, END, FAILED, HEAD, LOG


def test_head_and_reason(start):
    slot = start.slot(
        app(
            """
            def plain(environ, start_response):
                start_response("404 Nicht gefunden \\xe4", [
                    ("Set-Cookie", "a=1"), ("X-A", "tab\\there \\xff"), ("set-cookie", "b=2"),
                    ("Via", "x"), ("Via", "y"),
                ])
                return [b"one", b"", b"two"]
            """
        )
    )
    answer = slot.get("/plain")
    assert (answer.status, answer.reason) == (404, "Nicht gefunden ä")
    assert answer.headers == [
        ("Set-Cookie", "a=1"), ("X-A", "tab\there ÿ"), ("set-cookie", "b=2"), ("Via", "x"), ("Via", "y"),
    ]  # fmt: skip
    assert (answer.body, answer.outcome, answer.receives) == (b"onetwo", COMPLETE, 1)


REFUSED = {
    'start_response("200", [])': "ValueError",
    'start_response("200 ", [])': "ValueError",
    'start_response("200  OK", [])': "ValueError",
    'start_response("200 OK ", [])': "ValueError",
    'start_response("20 OK", [])': "ValueError",
    'start_response("2000 OK", [])': "ValueError",
    'start_response("200 O\\nK", [])': "ValueError",
    'start_response("100 Continue", [])': "ValueError",
    'start_response("600 Odd", [])': "ValueError",
    'start_response("200 \\u20ac", [])': "UnicodeEncodeError",
    'start_response(b"200 OK", [])': "TypeError",
    "start_response(200, [])": "TypeError",
    'start_response(S("200 OK"), [])': "TypeError",
    'start_response("200 OK", ())': "TypeError",
    'start_response("200 OK", {})': "TypeError",
    'start_response("200 OK", None)': "TypeError",
    'start_response("200 OK", [("a", "b", "c")])': "TypeError",
    'start_response("200 OK", [["a", "b"]])': "TypeError",
    'start_response("200 OK", ["ab"])': "TypeError",
    'start_response("200 OK", [(b"a", "b")])': "TypeError",
    'start_response("200 OK", [("a", 5)])': "TypeError",
    'start_response("200 OK", [(S("a"), "b")])': "TypeError",
    'start_response("200 OK", [("a", "\\u20ac")])': "UnicodeEncodeError",
    'start_response("200 OK", [("", "b")])': "ValueError",
    'start_response("200 OK", [("a b", "b")])': "ValueError",
    'start_response("200 OK", [("a:", "b")])': "ValueError",
    'start_response("200 OK", [("a", "b\\r\\nc: d")])': "ValueError",
    'start_response("200 OK", [("a", "b\\0")])': "ValueError",
    'start_response("200 OK", [("Connection", "close")])': "AssertionError",
    'start_response("200 OK", [("transfer-encoding", "chunked")])': "AssertionError",
    'start_response("200 OK", [("Content-Length", "-1")])': "ValueError",
    'start_response("200 OK", [("Content-Length", "")])': "ValueError",
    'start_response("200 OK", [("Content-Length", "1"), ("content-length", "2")])': "ValueError",
    'start_response("200 OK", [("a", "b")] * 1024)': "ValueError",
    'start_response("200 OK", [("a", "b" * (5 << 20))])': "ValueError",
    "start_response()": "TypeError",
}


def test_bad_calls_raise_in_the_application(start):
    slot = start.slot(
        app(
            """
            class S(str):
                pass
            def call(environ, start_response):
                try:
                    eval(environ["HTTP_X_CALL"])
                except Exception as error:
                    seen = type(error).__name__
                    start_response("200 OK", [], sys.exc_info())
                    return [seen.encode()]
                return [b"taken"]
            """
        )
    )
    for call, error in REFUSED.items():
        assert slot.get("/call", HTTP_X_CALL=call).body.decode() == error, call
    slot.get("/call", HTTP_X_CALL='start_response("200 OK", [("Content-Length", " 5 ")])')


def test_second_call_needs_exc_info(start):
    slot = start.slot(
        app(
            """
            def twice(environ, start_response):
                start_response("200 OK", [("X-First", "1")])
                try:
                    start_response("201 Created", [])
                except AssertionError:
                    return [b"refused"]
            def after_a_bad_one(environ, start_response):
                try:
                    start_response("bad", [])
                except ValueError:
                    pass
                start_response("200 OK", [])
                return []
            def replaced(environ, start_response):
                start_response("200 OK", [("X-First", "1"), ("Content-Length", "700")])
                try:
                    raise KeyError
                except KeyError:
                    start_response("500 Oops", [("X-Second", "2")], sys.exc_info())
                return [b"replaced"]
            def not_given(environ, start_response):
                start_response("200 OK", [], None)
                return []
            """
        )
    )
    answer = slot.get("/twice")
    assert (answer.status, answer.body) == (200, b"refused")
    answer = slot.get("/after_a_bad_one")
    assert answer.outcome == FAILED
    assert "AssertionError" in answer.log
    answer = slot.get("/replaced")
    assert (answer.status, answer.headers) == (500, [("X-Second", "2"), ("Content-Length", "8")])
    assert slot.get("/not_given").outcome == COMPLETE


def test_exc_info_after_the_head_reraises_and_leaves_no_reference(start):
    slot = start.slot(
        app(
            """
            import gc, weakref
            class Odd(Exception):
                pass
            refs = []
            def late(environ, start_response):
                write = start_response("200 OK", [])
                write(b"out")
                try:
                    error = Odd("this one")
                    refs.append(weakref.ref(error))
                    raise error
                except Odd:
                    del error
                    start_response("500 Oops", [], sys.exc_info())
                return []
            def left(environ, start_response):
                start_response("200 OK", [])
                return [str([ref() for ref in refs]).encode()]
            """
        )
    )
    answer = slot.get("/late")
    assert (answer.status, answer.body, answer.outcome) == (200, b"out", FAILED)
    assert "Odd: this one" in answer.log
    assert "raise error" in answer.log
    assert slot.get("/left").body == b"[None]"


def test_head_waits_for_the_first_block(start):
    slot = start.slot(
        app(
            """
            import threading
            go = threading.Event()
            def late_start(environ, start_response):
                def run():
                    start_response("200 OK", [("X", "1")])
                    yield b""
                    environ["wsgi.errors"].write("before\\n")
                    yield b"first"
                return run()
            def replaced(environ, start_response):
                start_response("200 OK", [])
                def run():
                    yield b""
                    try:
                        raise ValueError
                    except ValueError:
                        start_response("503 Later", [], sys.exc_info())
                    yield b"sorry"
                return run()
            """
        )
    )
    answer = slot.get("/late_start")
    assert answer.kinds == [LOG, HEAD, DATA, END]
    answer = slot.get("/replaced")
    assert (answer.status, answer.body) == (503, b"sorry")


def test_blocks_leave_at_once(start):
    slot = start.slot(
        app(
            """
            def stream(environ, start_response):
                start_response("200 OK", [])
                yield b"1"
                assert environ["wsgi.input"].read(1) == b"a"
                yield b"2"
                assert environ["wsgi.input"].read(1) == b"b"
            """
        )
    )
    # The application goes on only when it is given input, which happens only after its block has come.
    slot.request("/stream", body="unknown")
    kinds = [slot.frame()[0] for _ in range(3)]
    assert kinds == [HEAD, DATA, 19]
    slot.send(b"\1\0\0\0\2\0\0\0a")
    assert [slot.frame()[0] for _ in range(2)] == [DATA, 19]
    slot.send(b"\1\0\0\0\2\0\0\0b")
    assert slot.frame()[0] == END


def test_write(start):
    slot = start.slot(
        app(
            """
            def both(environ, start_response):
                write = start_response("200 OK", [])
                write(b"")
                write(b"a")
                write(b"b" * 100_000)
                return Closing([b"c", b"d"])
            def single(environ, start_response):
                write = start_response("200 OK", [])
                write(b"a")
                return [b"b"]
            def text(environ, start_response):
                start_response("200 OK", [])("text")
            def kept(environ, start_response):
                global late
                late = start_response("200 OK", [])
                return []
            def use_kept(environ, start_response):
                start_response("200 OK", [])
                try:
                    late(b"x")
                except ValueError as error:
                    return [str(error).encode()]
            def after_bad(environ, start_response):
                write = start_response("200 OK", [])
                try:
                    start_response("bad", [], (ValueError, ValueError(), None))
                except ValueError:
                    write(b"x")
                return []
            """
        )
    )
    answer = slot.get("/both")
    assert answer.body == b"a" + b"b" * 100_000 + b"cd"
    assert closed(slot) == 1
    answer = slot.get("/single")
    assert (answer.body, answer.header("Content-Length")) == (b"ab", None)
    answer = slot.get("/text")
    assert (answer.outcome, answer.status) == (FAILED, None)
    assert "TypeError: write() takes bytes, not str" in answer.log
    slot.get("/kept")
    assert slot.get("/use_kept").body == b"the request is over"
    assert slot.get("/after_bad").outcome == FAILED


def test_content_length_is_added_only_where_it_is_known(start):
    slot = start.slot(
        app(
            """
            def one(environ, start_response):
                start_response("200 OK", [])
                return (b"12345",)
            def empty(environ, start_response):
                start_response("200 OK", [])
                return [b""]
            def none(environ, start_response):
                start_response("200 OK", [])
                return []
            def two(environ, start_response):
                start_response("200 OK", [])
                return [b"1", b"2"]
            def liar(environ, start_response):
                start_response("200 OK", [])
                class Liar(Closing):
                    def __len__(self):
                        return 1
                return Liar([b"1", b"2"])
            def given(environ, start_response):
                start_response("200 OK", [("content-length", "2")])
                return [b"12"]
            def no_content(environ, start_response):
                start_response("204 No Content", [])
                return [b"never sent"]
            def not_modified(environ, start_response):
                start_response("304 Not Modified", [("Content-Length", "77")])
                return Closing([b"never sent"])
            """
        )
    )

    def got(path, **variables):
        answer = slot.get(path, **variables)
        assert answer.outcome == COMPLETE, answer.log
        return answer.header("Content-Length"), answer.body

    assert got("/one") == ("5", b"12345")
    assert got("/empty") == ("0", b"")
    assert got("/none") == (None, b"")
    assert got("/two") == (None, b"12")
    assert got("/liar") == (None, b"12")
    assert got("/given") == ("2", b"12")
    assert got("/no_content") == (None, b"")
    assert got("/not_modified") == ("77", b"")
    closed(slot)
    assert got("/one", REQUEST_METHOD="HEAD") == ("5", b"")
    assert got("/empty", REQUEST_METHOD="HEAD") == (None, b"")
    assert got("/none", REQUEST_METHOD="HEAD") == (None, b"")
    assert got("/given", REQUEST_METHOD="HEAD") == ("2", b"")
    assert got("/liar", REQUEST_METHOD="HEAD") == (None, b"")
    assert closed(slot) == 1


def test_declared_length_is_kept(start):
    slot = start.slot(
        app(
            """
            ran = []
            def head(start_response, length=5):
                return start_response("200 OK", [("Content-Length", str(length))])
            def long_list(environ, start_response):
                head(start_response)
                return [b"1234567"]
            def long_stream(environ, start_response):
                head(start_response)
                def run():
                    while True:
                        yield b"123"
                return run()
            def long_write(environ, start_response):
                write = head(start_response)
                write(b"12345")
                write(b"")
                try:
                    write(b"6")
                except ValueError as error:
                    ran.append(str(error))
                return Closing([])
            def exact(environ, start_response):
                head(start_response)
                yield b"12345"
                ran.append("end")
            def short(environ, start_response):
                head(start_response)
                return Closing([b"123"])
            def short_list(environ, start_response):
                head(start_response)
                return [b"123"]
            def zero(environ, start_response):
                head(start_response, 0)
                return Closing([])
            def did(environ, start_response):
                start_response("200 OK", [])
                seen = repr(ran).encode()
                ran.clear()
                return [seen]
            """
        )
    )
    answer = slot.get("/long_list")
    assert (answer.body, answer.outcome, len(answer.logs)) == (b"12345", COMPLETE, 1)
    assert "KRT0612" in answer.log
    answer = slot.get("/long_stream")
    assert (answer.body, answer.outcome, len(answer.logs)) == (b"12312", COMPLETE, 1)
    answer = slot.get("/long_write")
    assert (answer.body, answer.outcome) == (b"12345", COMPLETE)
    assert b"longer than its declared Content-Length" in slot.get("/did").body
    answer = slot.get("/exact")
    assert (answer.body, answer.outcome, answer.receives) == (b"12345", COMPLETE, 1)
    assert slot.get("/did").body == b"['end']"
    closed(slot)
    for path in ("/short", "/short_list"):
        answer = slot.get(path)
        assert (answer.body, answer.outcome) == (b"123", FAILED)
        assert "KRT0611" in answer.log
    assert closed(slot) == 1
    assert slot.get("/zero").outcome == COMPLETE


def test_head_requests(start):
    slot = start.slot(
        app(
            """
            pulled = []
            def stream(environ, start_response):
                start_response("200 OK", [("Content-Length", "1000")])
                return Closing(iter(lambda: pulled.append(1) or b"x", 0))
            def late(environ, start_response):
                def run():
                    start_response("200 OK", [("X", "1")])
                    yield b"x"
                    pulled.append(1)
                    yield b"y"
                return Closing(run())
            def written(environ, start_response):
                write = start_response("200 OK", [])
                write(b"xyz")
                return [b"more"]
            def did(environ, start_response):
                start_response("200 OK", [])
                return [str(len(pulled)).encode()]
            """
        )
    )
    answer = slot.get("/stream", REQUEST_METHOD="HEAD")
    assert (answer.kinds, answer.header("Content-Length"), answer.outcome) == ([HEAD, END], "1000", COMPLETE)
    answer = slot.get("/late", REQUEST_METHOD="HEAD")
    assert (answer.kinds, answer.header("X")) == ([HEAD, END], "1")
    assert closed(slot) == 2
    answer = slot.get("/written", REQUEST_METHOD="HEAD")
    assert (answer.kinds, answer.headers) == ([HEAD, END], [])
    assert slot.get("/did").body == b"0"


def test_large_blocks(start):
    slot = start.slot(
        app(
            """
            DATA = bytes(range(256)) * 20_000
            def one(environ, start_response):
                start_response("200 OK", [])
                return [DATA]
            def stream(environ, start_response):
                start_response("200 OK", [])
                yield DATA[:4096]
                yield DATA[:4097]
                yield DATA
            def many(environ, start_response):
                start_response("200 OK", [])
                return [DATA[:100]] * 2000
            """
        )
    )
    data = bytes(range(256)) * 20_000
    answer = slot.get("/one")
    assert (answer.body, answer.header("Content-Length")) == (data, str(len(data)))
    assert slot.get("/stream").body == data[:4096] + data[:4097] + data
    answer = slot.get("/many")
    assert (answer.body, answer.outcome) == (data[:100] * 2000, COMPLETE)


def test_used_from_another_thread(start):
    slot = start.slot(
        app(
            """
            import threading
            def elsewhere(environ, start_response):
                def run():
                    write = start_response("200 OK", [])
                    write(b"from a thread, ")
                    environ["wsgi.errors"].write("logged\\n")
                thread = threading.Thread(target=run)
                thread.start()
                thread.join()
                return [b"end"]
            """
        )
    )
    answer = slot.get("/elsewhere")
    assert (answer.body, answer.logs) == (b"from a thread, end", ["logged"])


def test_references_are_dropped_at_once(start):
    slot = start.slot(
        app(
            """
            import gc, weakref
            gc.disable()
            refs = []
            class Marked:
                pass
            def leave(environ, start_response):
                start_response("200 OK", [])
                mark = environ["mark"] = Marked()
                refs.append(weakref.ref(mark))
                answer = Closing([b"x"])
                answer.mark = mark
                return answer
            def leave_raising(environ, start_response):
                mark = environ["mark"] = Marked()
                refs.append(weakref.ref(mark))
                raise ValueError
            def left(environ, start_response):
                start_response("200 OK", [])
                return [str(sum(ref() is not None for ref in refs)).encode()]
            """
        )
    )
    slot.get("/leave")
    slot.get("/leave_raising")
    assert slot.get("/left").body == b"0"
