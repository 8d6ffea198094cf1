"""What an application logs, and what happens when it fails."""

import pytest
from harness import conf, raw


@pytest.fixture(scope="module")
def server(launch_shared, stage, mpm):
    """The application that logs, and the one that fails."""
    names = ["errors", "raising", "hello"]
    return launch_shared(*(conf.mount(f"/{name}", stage.apps / name / "app.py") for name in names), mpm=mpm)


def exchange(server, path):
    """The answer and whether the server went on answering afterwards."""
    answer = raw.exchange(server.port, raw.get(path, "Connection: close"))
    assert server.get("/hello").text == "Hello, world!\n"
    return answer


# The application's lines


def test_a_line_of_wsgi_errors_reaches_the_log_with_its_client(server):
    server.log.expect(r"\[client 127\.0\.0\.1:\d+\] KRT\d{4}: .*a-line-of-errors caf")
    assert server.get("/errors/?a-line-of-errors").status_code == 200


def test_lines_stay_whole_and_in_order(server):
    server.log.expect("ordered one", "ordered two")
    since = server.log.mark()
    assert server.get("/errors/lines?ordered").status_code == 200
    server.log.wait_for("ordered two", since)
    lines = [line for line in server.log.text(since).splitlines() if "ordered" in line]
    assert len(lines) == 2
    assert "ordered one" in lines[0]
    assert "ordered two" in lines[1]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_is_printed_reaches_the_log(server, stream):
    server.log.expect(f"printed-to-{stream}")
    assert server.get(f"/errors/{stream}?printed-to-{stream}").status_code == 200


# Failures


def check_page(answer, status):
    """A complete error page that tells a visitor nothing."""
    assert answer.status == status
    assert answer.complete
    for word in (b"Traceback", b"raising/app.py", b"Error:", b'headers"', b"failed before"):
        assert word not in answer.body


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("before", "ZeroDivisionError: failed before the headers"),
        ("exit", "SystemExit"),
        ("not-started", "start_response"),
        ("bad-status", "status"),
        ("bad-header", "X-Evil|header"),
        ("text", "str|bytes"),
        ("none", "None"),
    ],
)
def test_a_failure_before_the_headers_is_a_500_and_a_line_in_the_log(server, path, logged):
    server.log.expect(logged)
    server.log.allow(*conf.TRACEBACK_LINES)
    answer = exchange(server, f"/raising/{path}")
    check_page(answer, 500)
    assert answer.all("Set-Cookie") == []


def test_a_traceback_names_file_and_line(server):
    server.log.expect(r"raising/app\.py.*line \d+", "ZeroDivisionError: failed before the headers")
    server.log.allow(*conf.TRACEBACK_LINES)
    assert exchange(server, "/raising/before").status == 500


def test_a_failure_after_the_headers_aborts_the_connection_visibly(server):
    server.log.expect("LookupError: failed after the headers")
    server.log.allow(*conf.TRACEBACK_LINES, r"KRT\d{4}")
    answer = exchange(server, "/raising/after")
    if answer.status == 200:
        assert not answer.complete, "the client could not tell that the answer was cut"
    else:
        # Nothing had reached the client yet, so a proper page is better still.
        check_page(answer, 500)


def test_an_error_seen_in_time_replaces_status_and_headers(server):
    answer = exchange(server, "/raising/replaced")
    assert (answer.status, answer.body) == (503, b"recovered")
    assert answer.all("X-First") == []


@pytest.mark.parametrize("path", ["killed", "gone"])
def test_a_worker_that_dies_before_the_headers_is_a_502(server, path):
    if conf.PEER != "krait":
        pytest.skip("about our status codes")
    server.log.expect(r"KRT\d{4}: .*(worker|process)")
    server.log.allow(r"KRT\d{4}")
    check_page(exchange(server, f"/raising/{path}"), 502)
    assert server.wait_for_answer("/raising/fine").text == "fine"


def test_the_application_goes_on_after_its_failures(server):
    assert server.get("/raising/fine").text == "fine"
