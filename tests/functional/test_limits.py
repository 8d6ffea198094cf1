"""Queue, deadlines, idle and grace times."""

import time

import pytest
from harness import conf, processes, raw
from harness.held import Held
from harness.waiting import until


@pytest.fixture
def facts(stage):
    """The application that tells what it sees."""
    return stage.apps / "facts/app.py"


@pytest.fixture
def slow(stage):
    """Path of the application that holds its requests, and the folder through which it is told to go on."""
    return stage.apps / "slow/app.py", stage.writable_folder("slow")


def test_krait_queue_full_is_503_at_once(launch, slow):
    app, folder = slow
    server = launch(conf.mount("/slow", app, extra="KraitProcesses 1 1\nKraitQueue 1"))
    server.log.expect("KRT[0-9]{4}: .*queue")
    held = Held(server, folder)
    held.ask()
    held.began(1)
    for _ in range(4):
        held.ask()
    refused = until(lambda: [one for one in held.answers if one.done()] or None, 10, "some are refused")
    answer = refused[0].result()
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    until(
        lambda: sum(one.done() for one in held.answers) == 3,
        10,
        "all but the held and the queued are refused",
    )
    statuses = sorted(answer.status_code for answer in held.release())
    assert statuses == [200, 200, 503, 503, 503]


def test_krait_queue_timeout_is_503(launch, slow):
    app, folder = slow
    server = launch(conf.mount("/slow", app, extra="KraitProcesses 1 1\nKraitQueueTimeout 500ms"))
    server.log.expect("KRT[0-9]{4}: .*KraitQueueTimeout")
    held = Held(server, folder)
    held.ask()
    held.began(1)
    began = time.monotonic()
    answer = server.get(f"/slow?{folder}")
    assert answer.status_code == 503
    assert 0.4 < time.monotonic() - began < 5
    assert int(answer.headers["Retry-After"]) >= 1
    assert [answer.status_code for answer in held.release()] == [200]


def test_krait_request_timeout_is_504_and_the_worker_is_replaced(launch, slow, facts):
    app, folder = slow
    extra = "KraitProcesses 1 1\nKraitRequestTimeout 1s\nKraitGraceTimeout 1s"
    server = launch(conf.mount("/slow", app, extra=extra), conf.mount("/facts", facts))
    server.log.expect("KRT[0-9]{4}: .*(time|deadline)")
    server.log.allow("KRT[0-9]{4}", *conf.TRACEBACK_LINES)
    held = Held(server, folder)
    answer = held.ask("/slow/ignore").result(30)
    assert answer.status_code == 504
    assert "Traceback" not in answer.text
    assert server.get("/facts").status_code == 200
    stuck = held.began(1)[0]
    until(lambda: not processes.pid_alive(stuck), 20, "the stuck worker is gone")
    (folder / "go").touch()
    assert server.wait_for_answer(f"/slow?{folder}").text == "went on"


def test_krait_start_timeout(launch, stage, facts):
    extra = "KraitStartTimeout 1s"
    hanging = conf.mount("/hanging", stage.apps / "broken/hangs_at_import.py", extra=extra)
    server = launch(hanging, conf.mount("/facts", facts))
    server.log.expect("KRT0311: .*step import")
    server.log.allow("KRT[0-9]{4}")
    began = time.monotonic()
    assert server.get("/hanging").status_code == 500
    assert 0.9 < time.monotonic() - began < 10
    assert server.get("/facts").status_code == 200


def test_krait_idle_timeout(launch, facts):
    server = launch(conf.mount("/", facts, extra="KraitIdleTimeout 1s"))
    pid = server.get("/").json()["pid"]

    def pythons():
        return [one for one in server.kraitd().children(recursive=True) if "python" in one.exe()]

    until(lambda: not processes.pid_alive(pid), 15, "the idle worker leaves")
    until(lambda: not pythons(), 15, "the zygote of an idle application leaves")
    found = server.get("/")
    assert found.status_code == 200
    assert found.json()["pid"] != pid


def test_krait_grace_timeout_bounds_the_stop(launch, slow):
    app, folder = slow
    server = launch(conf.mount("/slow", app, extra="KraitGraceTimeout 1s"))
    server.log.allow("AH00045|AH00046|KRT[0-9]{4}")
    with raw.Connection(server.port) as connection:
        connection.send(raw.get(f"/slow/ignore?{folder}"))
        Held(server, folder).began(1)
        # The harness fails if anything outlives this.
        server.stop(deadline=20, leave=5)
