"""wsgi.input."""

import hashlib

import pytest
from peer import BODY, BODY_END, COMPLETE, DATA, END, FAILED, HEAD, READ, frame

RUN = """
    import ast
    def application(environ, start_response):
        stream = environ["wsgi.input"]
        out = []
        for call in ast.literal_eval(environ["QUERY_STRING"]):
            name, *args = call
            out.append(getattr(stream, name)(*args))
        start_response("200 OK", [])
        return [repr(out).encode()]
"""


def run(slot, calls, body=None, given=b""):
    import ast

    answer = slot.get(body=body, given=given, QUERY_STRING=repr(calls))
    assert answer.outcome == COMPLETE, answer.log
    return ast.literal_eval(answer.body.decode())


BODIES = {
    "inline": lambda data: {"body": data},
    "known": lambda data: {"body": len(data), "given": data},
    "unknown": lambda data: {"body": "unknown", "given": data},
    "trickled": lambda data: {"body": len(data), "given": [bytes([byte]) for byte in data]},
}


@pytest.mark.parametrize("how", BODIES)
def test_reads(start, how):
    slot = start.slot(RUN)

    def got(data, *calls):
        return run(slot, calls, **BODIES[how](data))

    data = b"one\ntwo\n\nlast"
    assert got(data, ("read",)) == [data]
    assert got(data, ("read", -1), ("read",), ("read", 5), ("readline",)) == [data, b"", b"", b""]
    assert got(data, ("read", None)) == [data]
    assert got(data, ("read", 0), ("read", 5), ("read", 100), ("read", 1)) == [b"", data[:5], data[5:], b""]
    lines = [b"one\n", b"two\n", b"\n", b"last"]
    assert got(data, *[("readline",)] * 5) == [*lines, b""]
    assert got(data, ("readline", 0), ("readline", 1), ("readline", 2), ("readline", 9)) == [
        b"",
        b"o",
        b"ne",
        b"\n",
    ]
    assert got(data, ("readlines",), ("readlines",)) == [lines, []]
    assert got(data, ("readlines", 5)) == [lines[:2]]
    assert got(data, ("readline", -1), ("read", 2), ("readlines", None)) == [
        lines[0],
        b"tw",
        [b"o\n", *lines[2:]],
    ]
    assert got(data, ("readable",), ("writable",), ("seekable",), ("close",), ("read", 3)) == [
        True, False, False, None, b"one",
    ]  # fmt: skip


def test_no_body(start):
    slot = start.slot(RUN)
    assert run(slot, [("read",), ("read", 10), ("readline",), ("readlines",)]) == [b"", b"", b"", []]
    assert run(slot, [("read",)], body=0) == [b""]
    assert run(slot, [("read",)], body="unknown") == [b""]


def test_iteration_and_buffered_reader(start):
    slot = start.slot(
        """
        import io
        def application(environ, start_response):
            start_response("200 OK", [])
            if environ["PATH_INFO"] == "/iterate":
                return [repr(list(environ["wsgi.input"])).encode()]
            return [io.TextIOWrapper(io.BufferedReader(environ["wsgi.input"]), "utf-8").read().encode()]
        """
    )
    assert slot.get("/iterate", b"a\nb").body == repr([b"a\n", b"b"]).encode()
    text = "äöü\n" * 20_000
    assert slot.get("/wrapped", "unknown", text.encode()).body == text.encode()


@pytest.mark.parametrize("piece", [100, 8192, 65536, 1 << 20, 5 << 20, -1])
@pytest.mark.parametrize("kind", ["known", "unknown"])
def test_large_bodies_in_pieces(start, piece, kind):
    slot = start.slot(
        f"""
        import hashlib
        def application(environ, start_response):
            digest, stream, count = hashlib.sha1(), environ["wsgi.input"], 0
            while block := stream.read({piece}):
                count += len(block)
                digest.update(block)
            start_response("200 OK", [])
            return [f"{{count}} {{digest.hexdigest()}}".encode()]
        """
    )
    size = 300_000 if piece == 100 else 7_000_001
    data = hashlib.sha256(b"x").digest() * (size // 32) + b"end"
    answer = slot.get(body=len(data) if kind == "known" else "unknown", given=data)
    assert answer.body.decode() == f"{len(data)} {hashlib.sha1(data).hexdigest()}"
    assert slot.get(body=b"").outcome == COMPLETE


def test_nothing_is_asked_before_the_application_reads(start):
    slot = start.slot(
        """
        def application(environ, start_response):
            write = start_response("200 OK", [])
            write(b"first")
            return [environ["wsgi.input"].read(4), environ["wsgi.input"].read(4)]
        """
    )
    slot.request(body=8)
    kinds = [slot.frame()[0] for _ in range(3)]
    assert kinds == [HEAD, DATA, READ]
    slot.send(frame(BODY, b"12345678"))
    answer = slot.answer()
    assert answer.body == b"12345678"
    assert READ not in answer.kinds


def test_unread_body_is_not_asked_for(start):
    slot = start.slot(RUN)
    for body in (b"inline", 1 << 30, "unknown"):
        assert READ not in slot.get(body=body, QUERY_STRING="[]").kinds
    assert run(slot, [("read",)], body=b"next") == [b"next"]


def test_half_read_frames_do_not_reach_the_next_request(start):
    slot = start.slot(RUN)
    data = b"x" * (1 << 20)
    for count in (1, 20_000, 100_000):
        # Over 16 KiB bytes go straight to the application and the rest waits in the socket.
        slot.get(body=len(data), given=data, QUERY_STRING=repr([("read", count)]))
        assert run(slot, [("read",)], body=b"next") == [b"next"]


def test_full_duplex(start):
    slot = start.slot(
        """
        def application(environ, start_response):
            start_response("200 OK", [])
            for block in iter(lambda: environ["wsgi.input"].read(100_000), b""):
                yield block.upper()
        """
    )
    data = b"abcdefgh" * 100_000
    answer = slot.get(body="unknown", given=[data[at : at + 99_000] for at in range(0, len(data), 99_000)])
    assert answer.body == data.upper()


def test_answer_larger_than_the_socket_while_body_is_on_its_way(start):
    # The child blocks sending a body frame while the application blocks sending its answer.
    slot = start.slot(
        """
        def application(environ, start_response):
            write = start_response("200 OK", [])
            first = environ["wsgi.input"].read(20_000)
            write(b"y" * (4 << 20))
            return [first, environ["wsgi.input"].read()]
        """
    )
    data = bytes(range(256)) * 4096
    answer = slot.get(body=len(data), given=data)
    assert answer.body == b"y" * (4 << 20) + data


CATCH = """
    import krait
    def application(environ, start_response):
        start_response("200 OK", [])
        seen = []
        for _ in range(2):
            try:
                seen.append(environ["wsgi.input"].read(100_000))
            except OSError as error:
                kind = type(error)
                seen.append((kind.__module__, kind.__name__, issubclass(kind, ConnectionError)))
        return [repr(seen).encode()]
"""


@pytest.mark.parametrize("body", [200_000, "unknown"])
def test_a_body_that_breaks_off_raises(start, body):
    slot = start.slot(CATCH)
    gone = ("krait", "ClientDisconnected", True)
    assert slot.get(body=body, given=b"part", end=1).body == repr([gone, gone]).encode()
    large = ("krait", "RequestTooLarge", False)
    assert slot.get(body=body, given=b"part", end=2).body == repr([large, large]).encode()


def test_less_than_announced_is_not_complete(start):
    slot = start.slot(CATCH)
    gone = ("krait", "ClientDisconnected", True)
    assert slot.get(body=200_000, given=b"part", end=0).body == repr([gone, gone]).encode()


def test_unhandled_disconnect_is_no_traceback(start):
    slot = start.slot(RUN)
    answer = slot.get(body=100, given=b"part", end=1, QUERY_STRING=repr([("read",)]))
    assert (answer.outcome, answer.logs, answer.status) == (FAILED, [], None)
    answer = slot.get(body=100, given=b"part", end=2, QUERY_STRING=repr([("read",)]))
    assert answer.outcome == FAILED
    assert "RequestTooLarge" in answer.log


def test_slot_breaking_under_a_read(start):
    worker = start.worker(CATCH)
    worker.slots[0].request(body=100)
    assert worker.slots[0].frame()[0] == READ
    worker.slots[0].shut_down()
    assert worker.renew(0).get(body=b"well").body == repr([b"well", b""]).encode()


@pytest.mark.parametrize(
    "bad",
    [frame(BODY), frame(BODY, b"x" * 101), frame(BODY_END, b"x"), frame(BODY_END, code=9), frame(DATA, b"x")],
)
def test_broken_body_frames_end_the_slot(start, bad):
    worker = start.worker(CATCH)
    worker.slots[0].request(body=100)
    assert worker.slots[0].frame()[0] == READ
    worker.slots[0].send(bad)
    assert worker.slots[0].frame() is None
    assert worker.renew(0).get(body=b"well").outcome == COMPLETE
    assert "KRT0620" in worker.zygote.errors()


def test_input_after_its_request(start):
    slot = start.slot(
        """
        kept = []
        def application(environ, start_response):
            start_response("200 OK", [])
            seen = []
            for stream in kept:
                for call in (stream.read, stream.readline, stream.readlines, stream.__next__):
                    try:
                        call()
                    except ValueError as error:
                        seen.append(str(error))
            kept.append(environ["wsgi.input"])
            return [repr(seen).encode(), environ["wsgi.input"].read()]
        """
    )
    assert slot.get(body=b"1").body == b"[]1"
    answer = slot.get(body=b"2").body
    assert answer.count(b"I/O operation on a finished request") == 4
    assert answer.endswith(b"2")


def test_reading_in_one_thread_and_writing_in_another(start):
    slot = start.slot(
        """
        import threading
        def application(environ, start_response):
            write = start_response("200 OK", [])
            got = []
            def read():
                while block := environ["wsgi.input"].read(50_000):
                    got.append(len(block))
            reader = threading.Thread(target=read)
            reader.start()
            for _ in range(40):
                write(b"x" * 100_000)
            reader.join()
            return [str(sum(got)).encode()]
        """
    )
    data = b"z" * 3_000_000
    answer = slot.get(body=len(data), given=data)
    assert answer.body == b"x" * 4_000_000 + b"3000000"


def test_a_blocked_reader_does_not_stop_a_writer(start):
    slot = start.slot(
        """
        import threading
        def application(environ, start_response):
            write = start_response("200 OK", [])
            got = []
            reader = threading.Thread(target=lambda: got.append(environ["wsgi.input"].read()))
            reader.start()
            for _ in range(3):
                write(b"tick")
            environ["wsgi.errors"].write("still here\\n")
            reader.join()
            return got
        """
    )
    slot.request(body=3)
    body, logs, asked = b"", 0, False
    while body != b"tick" * 3 or not logs or not asked:
        kind, _, payload = slot.frame()
        body += payload if kind == DATA else b""
        logs += kind == 20
        asked |= kind == READ
    slot.send(frame(BODY, b"end"))
    answer = slot.answer()
    assert (answer.body, answer.kinds[-1]) == (b"end", END)
