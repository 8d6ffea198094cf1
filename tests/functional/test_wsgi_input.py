"""Request bodies."""

import hashlib
import os

import pytest
from harness import conf, raw

TEXT = b"first line\nsecond\n\nlast without end"


@pytest.fixture(scope="module")
def server(launch_shared, stage, mpm):
    """The reading application at /in."""
    return launch_shared(conf.mount("/in", stage.apps / "input/app.py"), mpm=mpm)


@pytest.mark.parametrize(
    ("how", "parts"),
    [
        ("all", [TEXT]),
        ("sizes", [b"fir", b"", b"st", TEXT[5:]]),
        ("line", [b"first line\n", b"seco", b"nd\n", b"\n"]),
        ("lines", [b"first line\n", b"second\n", b"\n", b"last without end"]),
        ("iterate", [b"first line\n", b"second\n", b"\n", b"last without end"]),
        ("beyond", [TEXT, b"", b"", b""]),
    ],
)
def test_every_way_to_read(server, how, parts):
    answer = server.post(f"/in/{how}", data=TEXT).json()
    assert answer["read"] == [part.decode("latin-1") for part in parts]
    assert answer["types"] == ["bytes"]
    assert answer["length"] == str(len(TEXT))


@pytest.mark.parametrize("how", ["all", "beyond", "lines"])
def test_no_body_is_the_end_at_once(server, how):
    assert "".join(server.get(f"/in/{how}").json()["read"]) == ""


@pytest.mark.parametrize("size", [1, 65535, 65536, 65537, 1 << 20, 5_000_001])
def test_sizes_around_the_inline_limit_arrive_whole(server, size):
    data = os.urandom(size)
    answer = server.post("/in/digest", data=data).json()
    assert answer["read"] == [hashlib.sha256(data).hexdigest(), str(size)]


def chunked(*blocks: bytes) -> bytes:
    """Blocks in chunked coding."""
    return b"".join(b"%x\r\n%s\r\n" % (len(block), block) for block in [*blocks, b""])


def test_a_chunked_body_is_decoded_and_its_end_is_known(server):
    head = raw.get("/in/all", "Transfer-Encoding: chunked", "Connection: close", method="POST")
    answer = raw.exchange(server.port, head + chunked(b"one ", b"two ", b"x" * 70000))
    assert answer.status == 200
    assert ("one two " + "x" * 70000).encode() in answer.body
    assert b'"terminated": true' in answer.body or b'"length": "70008"' in answer.body


def test_an_unread_body_does_not_disturb_the_next_request(server):
    with raw.Connection(server.port) as connection:
        for size in (10, 100_000):
            head = raw.get("/in/nothing", f"Content-Length: {size}", method="POST")
            connection.send(head + b"GET / HTTP" * (size // 10))
            assert connection.answer().status == 200
        connection.send(raw.get("/in/all", "Content-Length: 2", method="POST") + b"ok")
        assert b'"read": ["ok"]' in connection.answer().body


def test_expect_100_continue_is_answered_when_the_application_reads(server):
    head = raw.get("/in/all", "Content-Length: 5", "Expect: 100-continue", "Connection: close", method="POST")
    with raw.Connection(server.port) as connection:
        connection.send(head)
        assert connection.head().status == 100
        connection.send(b"12345")
        answer = connection.answer()
    assert answer.status == 200
    assert b'"read": ["12345"]' in answer.body


def test_a_client_that_leaves_in_the_middle_of_its_body_harms_nobody(server):
    # However the application sees it (an exception, by the rules), a line of the log may tell.
    server.log.allow(r"KRT\d{4}", *conf.TRACEBACK_LINES)
    for _ in range(5):
        with raw.Connection(server.port) as connection:
            connection.send(raw.get("/in/all", "Content-Length: 1000", method="POST") + b"half")
    for _ in range(10):
        assert server.post("/in/all", data=b"whole").json()["read"] == ["whole"]
