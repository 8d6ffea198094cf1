"""wsgi.file_wrapper."""

import pytest
from peer import COMPLETE, DATA, END, FAILED, FILE, HEAD

DATA_BYTES = bytes(range(256)) * 1000

APP = """
    import gzip, io, os, tempfile
    closed = []

    class Opaque:
        def __init__(self, data):
            self.file = io.BytesIO(data)
        def read(self, size):
            return self.file.read(size)

    class Closing(io.BytesIO):
        def close(self):
            closed.append(1)
            super().close()

    class Liar(io.BytesIO):
        def fileno(self):
            return 0

    def pipe(data):
        ours, theirs = os.pipe()
        os.write(theirs, data[:50_000])
        os.close(theirs)
        return open(ours, "rb")

    def raw(file):
        assert file.seek(0) == 0
        return file

    def temporary(kind, data):
        file = kind()
        file.write(data)
        file.seek(0)
        return file

    def opened(mode, **options):
        file = open("data", mode, **options)
        return file

    with open("data", "rb") as file:
        WHOLE = file.read()
    with gzip.open("data.gz", "wb") as file:
        file.write(WHOLE)
    KINDS = {
        "buffered": lambda: opened("rb"),
        "raw": lambda: opened("rb", buffering=0),
        "random": lambda: opened("rb+"),
        "temporary": lambda: temporary(tempfile.NamedTemporaryFile, WHOLE),
        "anonymous": lambda: temporary(tempfile.TemporaryFile, WHOLE),
        "bytes": lambda: Closing(WHOLE),
        "gzip": lambda: gzip.open("data.gz"),
        "wrapped_gzip": lambda: io.BufferedReader(gzip.open("data.gz")),
        "pipe": lambda: pipe(WHOLE),
        "opaque": lambda: Opaque(WHOLE),
        "liar": lambda: Liar(WHOLE),
        "spooled": lambda: temporary(tempfile.SpooledTemporaryFile, WHOLE),
        "text": lambda: opened("r", encoding="latin-1"),
        "proc": lambda: open("/proc/self/status", "rb"),
        "writer": lambda: open("writer", "wb"),
    }

    def application(environ, start_response):
        name = environ["PATH_INFO"][1:]
        if name == "closed":
            start_response("200 OK", [])
            answer = str(len(closed)).encode()
            closed.clear()
            return [answer]
        file = KINDS[name]()
        if environ.get("HTTP_X_SKIP"):
            assert len(file.read(int(environ["HTTP_X_SKIP"])))
        headers = []
        if environ.get("HTTP_X_LENGTH"):
            headers.append(("Content-Length", environ["HTTP_X_LENGTH"]))
        write = start_response(environ.get("HTTP_X_STATUS", "200 OK"), headers)
        wrapper = environ["wsgi.file_wrapper"](file, *map(int, environ["QUERY_STRING"].split()))
        if environ.get("HTTP_X_WRAP"):
            return (block for block in wrapper)
        if environ.get("HTTP_X_CLOSES"):
            close = file.close
            def mine():
                closed.append(1)
                close()
            file.close = mine
        if environ.get("HTTP_X_WRITE"):
            write(b"written")
        return wrapper
"""


@pytest.fixture
def slot(start):
    (start.folder / "data").write_bytes(DATA_BYTES)
    return start.slot(APP)


SENT = ["buffered", "raw", "random", "temporary", "anonymous"]
READ = ["bytes", "gzip", "wrapped_gzip", "opaque", "liar", "spooled"]


@pytest.mark.parametrize("kind", SENT)
def test_the_descriptor_is_sent(slot, kind):
    answer = slot.get("/" + kind)
    assert answer.kinds == [HEAD, FILE, END]
    assert (answer.file, answer.receives) == ((0, len(DATA_BYTES)), 1)
    assert answer.header("Content-Length") == str(len(DATA_BYTES))
    assert answer.body == DATA_BYTES
    answer = slot.get("/" + kind, HTTP_X_SKIP="1000")
    assert answer.file == (1000, len(DATA_BYTES) - 1000)
    answer = slot.get("/" + kind, HTTP_X_SKIP="1000", HTTP_X_LENGTH="50", HTTP_X_STATUS="206 Partial Content")
    assert (answer.file, answer.outcome, answer.logs) == ((1000, 50), COMPLETE, [])


@pytest.mark.parametrize("kind", READ)
def test_what_cannot_be_sent_is_read(slot, kind):
    answer = slot.get("/" + kind)
    assert FILE not in answer.kinds
    assert (answer.body, answer.outcome) == (DATA_BYTES, COMPLETE)
    assert answer.header("Content-Length") is None
    answer = slot.get("/" + kind, HTTP_X_LENGTH="100")
    assert (answer.body, answer.outcome) == (DATA_BYTES[:100], COMPLETE)


def test_odd_files(slot):
    assert slot.get("/pipe").body == DATA_BYTES[:50_000]
    assert b"VmRSS" in slot.get("/proc").body
    answer = slot.get("/text")
    assert (answer.outcome, answer.status) == (FAILED, None)
    assert "KRT0605" in answer.log
    assert slot.get("/writer").outcome == FAILED


def test_wrapped_by_middleware_it_is_an_iterable(slot):
    answer = slot.get("/buffered", HTTP_X_WRAP="1", QUERY_STRING="100000")
    assert FILE not in answer.kinds
    assert (answer.body, answer.kinds.count(DATA)) == (DATA_BYTES, 3)


def test_head_request_sends_no_file(slot):
    answer = slot.get("/buffered", REQUEST_METHOD="HEAD")
    assert answer.kinds == [HEAD, END]
    answer = slot.get("/buffered", HTTP_X_STATUS="304 Not Modified")
    assert answer.kinds == [HEAD, END]


def test_file_shorter_than_declared(slot):
    answer = slot.get("/buffered", HTTP_X_LENGTH=str(len(DATA_BYTES) + 1))
    assert (answer.body, answer.outcome) == (DATA_BYTES, FAILED)
    assert "KRT0611" in answer.log


def test_after_write_it_is_read(slot):
    answer = slot.get("/buffered", HTTP_X_WRITE="1")
    assert FILE not in answer.kinds
    assert answer.body == b"written" + DATA_BYTES


def test_close_is_passed_on(slot):
    slot.get("/bytes")
    assert slot.get("/closed").body == b"1"
    slot.get("/buffered", HTTP_X_CLOSES="1")
    assert slot.get("/closed").body == b"1"
    slot.get("/opaque")
    assert slot.get("/closed").body == b"0"


def test_no_descriptor_stays_open(start):
    (start.folder / "data").write_bytes(DATA_BYTES)
    worker = start.worker(APP)
    import os

    def descriptors():
        return sorted(os.listdir(f"/proc/{worker.pid}/fd"))

    worker.slots[0].get("/bytes")
    before = descriptors()
    for kind in SENT + READ:
        worker.slots[0].get("/" + kind)
    worker.slots[0].get("/closed")
    assert descriptors() == before
