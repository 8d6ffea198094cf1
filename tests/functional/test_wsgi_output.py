"""Answers: bodies, headers, status lines, files, close()."""

import hashlib
import importlib.util

import pytest
from harness import conf, raw
from harness.waiting import until


@pytest.fixture(scope="module")
def server(launch_shared, stage, mpm):
    """One application per kind of answer."""
    names = ["output", "heads", "files"]
    mounts = [conf.mount(f"/{name}", stage.apps / name / "app.py") for name in names]
    single = conf.mount("/closing", stage.apps / "closing/app.py", extra="KraitProcesses 1 1\nKraitThreads 1")
    return launch_shared(*mounts, single, mpm=mpm)


@pytest.fixture(scope="module")
def output(stage):
    """The output application as a module, for its digests."""
    spec = importlib.util.spec_from_file_location("output_app", stage.apps / "output/app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ask(server, path, *headers, method="GET", version="1.1"):
    """One exchange with a close at the end."""
    return raw.exchange(
        server.port, raw.get(path, "Connection: close", *headers, method=method, version=version)
    )


def test_one_block_gets_its_length(server):
    answer = ask(server, "/output/one")
    assert answer.body == b"one block"
    assert answer.one("Content-Length") == "9"
    assert answer.one("Transfer-Encoding") is None


def test_several_blocks_are_chunked_and_empty_ones_do_no_harm(server):
    answer = ask(server, "/output/blocks")
    assert answer.body == b"onetwo"
    assert answer.complete
    assert answer.one("Content-Length") in (None, "6")


def test_a_declared_length_is_kept(server):
    answer = ask(server, "/output/declared")
    assert (answer.body, answer.one("Content-Length")) == (b"onetwo", "6")


def test_written_data_comes_before_returned(server):
    assert ask(server, "/output/write").body == b"written twice, then returned"


def test_start_response_at_the_first_step(server):
    answer = ask(server, "/output/late")
    assert (answer.status, answer.body) == (200, b"late")


def test_an_empty_answer(server):
    answer = ask(server, "/output/empty")
    assert (answer.status, answer.body, answer.complete) == (200, b"", True)


def test_bytes_are_not_altered(server, output):
    assert ask(server, "/output/binary").body == output.BLOCK


def test_a_large_generated_answer_arrives_whole(server, output):
    answer = ask(server, "/output/large?800")
    assert answer.complete
    assert hashlib.sha256(answer.body).hexdigest() == output.large_digest(800)


def test_http_1_0_gets_no_chunks(server):
    answer = ask(server, "/output/blocks", version="1.0")
    assert (answer.body, answer.one("Transfer-Encoding")) == (b"onetwo", None)


def test_keep_alive_over_many_kinds_of_answer(server):
    paths = ["/output/one", "/output/blocks", "/output/empty", "/heads/no-content", "/heads/not-modified"] * 5
    with raw.Connection(server.port) as connection:
        for path in paths:
            connection.send(raw.get(path))
            assert connection.answer().complete, path


def test_a_client_that_leaves_in_the_middle_of_an_answer_harms_nobody(server):
    server.log.allow(r"KRT\d{4}")
    for _ in range(5):
        with raw.Connection(server.port) as connection:
            connection.send(raw.get("/output/large?800"))
            connection.take(100_000)
    assert ask(server, "/output/one").body == b"one block"


# Status lines and headers


def test_repeated_headers_are_all_sent_in_order(server):
    answer = ask(server, "/heads/cookies")
    assert answer.all("Set-Cookie") == [f"c{number}=v{number}; Path=/" for number in range(3)]
    assert ", ".join(answer.all("Link")) == "<a>, <b>"


def test_head_keeps_the_declared_length_and_has_no_body(server):
    with raw.Connection(server.port) as connection:
        connection.send(raw.get("/heads/declared", method="HEAD"))
        answer = connection.answer("HEAD")
        assert answer.one("Content-Length") == "12345"
        # Whatever came as a body would stand before this answer.
        connection.send(raw.get("/heads/any", "Connection: close"))
        assert connection.answer().body == b"GET"
        assert connection.at_end()


def test_head_without_a_declared_length_gets_no_invented_zero(server):
    answer = ask(server, "/heads/any", method="HEAD")
    assert answer.status == 200
    assert answer.one("Content-Length") in (None, "4")


@pytest.mark.parametrize(("path", "status"), [("no-content", 204), ("not-modified", 304)])
def test_answers_without_a_body(server, path, status):
    with raw.Connection(server.port) as connection:
        connection.send(raw.get(f"/heads/{path}", "Connection: close"))
        answer = connection.answer()
        assert answer.status == status
        assert answer.one("Content-Length") is None
        assert answer.one("Transfer-Encoding") is None
        assert connection.at_end()


def test_an_unusual_status_keeps_its_reason(server):
    answer = ask(server, "/heads/teapot")
    assert (answer.status, answer.reason, answer.body) == (418, "Short and Stout", b"teapot")


def test_latin_1_in_a_header(server):
    assert ask(server, "/heads/latin").one("X-Name") == "caf\u00e9"


# Files


@pytest.fixture(scope="module")
def file(stage):
    """A file of 5 MB of differing bytes."""
    path = stage.folder("files") / "data.bin"
    path.write_bytes(b"".join(number.to_bytes(4, "big") for number in range(1_250_000)))
    return path


@pytest.mark.parametrize("how", ["whole", "sized", "memory", "wrapped"])
def test_a_file_arrives_byte_for_byte(server, file, how):
    answer = ask(server, f"/files/{how}?{file}")
    assert answer.complete
    assert answer.body == file.read_bytes()


def test_a_file_starts_at_its_position(server, file):
    assert ask(server, f"/files/from?{file}").body == file.read_bytes()[1000:]


def test_a_file_ends_at_the_declared_length(server, file):
    with raw.Connection(server.port) as connection:
        connection.send(raw.get(f"/files/part?{file}"))
        answer = connection.answer()
        assert answer.body == file.read_bytes()[1000:6000]
        connection.send(raw.get("/output/one", "Connection: close"))
        assert connection.answer().body == b"one block"


def test_an_empty_file(server, stage):
    path = stage.folder("empty") / "empty.bin"
    path.write_bytes(b"")
    answer = ask(server, f"/files/whole?{path}")
    assert (answer.status, answer.body, answer.complete) == (200, b"", True)


# close()


def counts(server):
    """How many iterables were made and how many closed."""
    return [int(number) for number in server.get("/closing/counts").text.split()]


def test_close_is_called_once_after_a_whole_answer(server):
    made, closed = counts(server)
    assert server.get("/closing/works").text == "first"
    assert counts(server) == [made + 1, closed + 1]


def test_close_is_called_once_after_a_failure_in_the_middle(server):
    server.log.expect("ValueError: the iterable failed")
    server.log.allow(*conf.TRACEBACK_LINES, r"KRT\d{4}")
    made, closed = counts(server)
    answer = ask(server, "/closing/fails")
    # As nothing may have left by then, a proper error page is as good as a visible cut.
    assert answer.status == 500 or not answer.complete, "the client could not tell that the answer was cut"
    until(lambda: counts(server) == [made + 1, closed + 1], 5, "close() was called once")


def test_close_is_called_for_head(server):
    made, closed = counts(server)
    assert server.request("HEAD", "/closing/works").status_code == 200
    assert counts(server) == [made + 1, closed + 1]
