"""Graceful and hard restarts: nothing crashes, leaks, grows or fails."""

import time

import pytest
from harness import conf, processes
from harness.load import LightLoad
from harness.waiting import until

# How many graceful restarts; event is the distribution's default and gets the full number.
RESTARTS = {"event": 50, "worker": 20, "prefork": 20}
WARM_UP = 8
THREADS = "StartServers 2\nServerLimit 8\nThreadsPerChild 8\nMaxRequestWorkers 16\nMinSpareThreads 9"
# Exactly so many children, so that the manager has exactly so many control channels.
CHILDREN = {
    "event": (2, THREADS),
    "worker": (2, THREADS),
    "prefork": (4, "StartServers 4\nServerLimit 16\nMaxRequestWorkers 4"),
}


def steady(server):
    """What must be the same after a restart: descriptors of parent and manager."""
    return processes.descriptors(server.pid), processes.descriptors(server.kraitd().pid)


def settled(server):
    """`steady`, once two looks agree."""

    def look():
        now = steady(server)
        time.sleep(0.2)
        return now if now == steady(server) else None

    return until(look, 30, "descriptors settle")


def next_generation(server, load):
    """A graceful restart, until only new children are left and have answered."""
    old = {child.pid for child in server.children()}
    server.graceful()

    def replaced():
        now = {child.pid for child in server.children()}
        return len(now) == CHILDREN[server.mpm][0] and not now & old

    until(replaced, 30, "httpd's children are replaced")
    seen = load.answered
    until(lambda: load.answered >= seen + 4, 30, "the new children answer")


def memory(server):
    """Resident memory of parent and manager."""
    return processes.resident(server.pid), processes.resident(server.kraitd().pid)


def test_graceful_restarts_under_light_load(launch, stage, mpm):
    hello = conf.mount("/hello", stage.apps / "hello/app.py", extra="KraitProcesses 2 2")
    server = launch(hello, mpm=mpm, children=CHILDREN[mpm][1])
    assert server.get("/hello").status_code == 200
    manager = server.kraitd().pid
    # The number of children is fixed at what the load needs.
    server.log.allow("AH00161|AH00287|AH10159")
    with LightLoad(server.port, "/hello", b"Hello, world!\n") as load:
        for _ in range(WARM_UP):
            next_generation(server, load)
        before, small = settled(server), memory(server)
        for _ in range(RESTARTS[mpm] - WARM_UP):
            next_generation(server, load)
        after, large = settled(server), memory(server)
    assert load.failures == []
    assert load.answered > RESTARTS[mpm]
    assert server.kraitd().pid == manager
    assert after == before, "descriptors of parent or manager changed"
    grown = [(now - then) // 1024 for now, then in zip(large, small, strict=True)]
    print(f"{mpm}: {load.answered} requests during the restarts; parent and kraitd grew by {grown} KiB")
    # A few pages of noise, and less than half a page per restart: httpd alone does not grow at all.
    allowed = 32 + 2 * (RESTARTS[mpm] - WARM_UP)
    assert max(grown) < allowed, f"growth of parent and kraitd in KiB: {grown}, allowed {allowed}"


def test_restarts_keep_the_manager_and_serve_on(launch, stage, mpm):
    server = launch(conf.mount("/facts", stage.apps / "facts/app.py"), mpm=mpm)
    manager = server.kraitd().pid
    # The configuration is read twice at every start; the manager is started once.
    assert server.log.count("KRT0300") == 1
    for change in (server.graceful, server.restart, server.graceful, server.restart):
        assert server.get("/facts").status_code == 200
        change()
        assert server.kraitd().pid == manager
    assert server.get("/facts").status_code == 200
    assert server.log.count("KRT0300") == 1


@pytest.mark.parametrize("kind", ["graceful", "restart"])
def test_a_restart_brings_the_new_configuration_into_force(launch, stage, kind):
    facts = stage.apps / "facts/app.py"
    server = launch(conf.mount("/facts", facts, extra="KraitEnv EDITION first"), conf.mount("/gone", facts))
    assert server.get("/facts").json()["at_import"]["EDITION"] == "first"
    old = server.get("/gone").json()["pid"]
    server.configure(conf.mount("/facts", facts, extra="KraitEnv EDITION second"), conf.mount("/new", facts))
    getattr(server, kind)()
    # A child of the old generation may still answer a connection that it took before.
    server.wait_for_answer("/new", 200)
    server.wait_for_answer("/gone", 404)
    until(
        lambda: server.get("/facts").json()["at_import"]["EDITION"] == "second", 15, "the new configuration"
    )
    assert processes.pid_alive(old), "/new has the spec that /gone had, so it keeps its worker"


@pytest.mark.parametrize("extra", ["KraitProcesses 1 1", "KraitIdleTimeout 1s"], ids=["standing", "idle"])
def test_an_application_that_is_no_longer_configured_leaves(launch, stage, extra):
    hello = conf.mount("/hello", stage.apps / "hello/app.py")
    server = launch(conf.mount("/facts", stage.apps / "facts/app.py", extra=extra), hello)
    pid = server.get("/facts").json()["pid"]
    server.configure(hello)
    server.graceful()
    until(lambda: not processes.pid_alive(pid), 20, "the worker of the removed application leaves")
    assert server.get("/hello").status_code == 200


def test_a_broken_configuration_ends_a_restart_without_leftovers(launch, stage):
    # httpd itself ends when it can't read its configuration at a restart.
    server = launch(conf.mount("/hello", stage.apps / "hello/app.py"))
    assert server.get("/hello").status_code == 200
    server.log.allow(r".*")
    server._note_relatives()
    server.configure("KraitProcesses 5 2")
    server.process.send_signal(10)
    until(lambda: not server.running, 30, "httpd ends")
    until(lambda: not server._survivors(), 20, "what it had started ends")
    server.process = None
