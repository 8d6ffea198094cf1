"""The manager is watched, and not in the path of requests."""

import concurrent.futures
import contextlib
import os
import signal

import psutil
from harness import conf, processes
from harness.held import Held
from harness.load import LightLoad
from harness.waiting import until


def test_a_killed_manager_is_replaced_and_no_request_fails(launch, stage, mpm):
    hello = conf.mount("/hello", stage.apps / "hello/app.py", extra="KraitProcesses 2 2")
    server = launch(hello, mpm=mpm)
    server.log.expect(r"KRT\d{4}: .*(manager|kraitd)")
    server.log.allow(r"KRT\d{4}: ")
    assert server.get("/hello").status_code == 200
    first = server.kraitd().pid
    with LightLoad(server.port, "/hello", b"Hello, world!\n") as load:
        until(lambda: load.answered > 20, 20, "load runs")
        os.kill(first, signal.SIGKILL)
        until(lambda: server.kraitd().pid != first, 20, "httpd starts a new manager")
        seen = load.answered
        until(lambda: load.answered > seen + 50, 20, "load goes on")
    assert load.failures == []
    server.log.wait_for("KRT0300.*(.|\\n)*KRT0300")


def test_children_that_know_no_worker_yet_wait_for_the_new_manager(launch, stage):
    server = launch(
        conf.mount("/hello", stage.apps / "hello/app.py", extra="KraitProcesses 1 1"), mpm="prefork"
    )
    server.log.expect(r"KRT\d{4}: .*(manager|kraitd)")
    server.log.allow(r"KRT\d{4}: ")
    # One of httpd's children has the worker's slot; the others would have to ask the manager for it.
    assert server.get("/hello").status_code == 200
    os.kill(server.kraitd().pid, signal.SIGKILL)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.get("/hello"), range(24)))
    assert {answer.status_code for answer in answers} == {200}


def test_a_killed_httpd_child_takes_no_slot_with_it(launch, stage):
    facts = conf.mount("/facts", stage.apps / "facts/app.py", extra="KraitProcesses 1 1")
    folder = stage.writable_folder("slow")
    slow = conf.mount("/slow", stage.apps / "slow/app.py", extra="KraitProcesses 1 1\nKraitQueueTimeout 20s")
    server = launch(facts, slow, mpm="prefork")
    server.log.allow("AH00052|exit signal", r"KRT\d{4}: ")
    held = Held(server, folder)
    held.ask()
    held.began(1)
    killed = [child.pid for child in server.children()]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    # One that has not died yet may still take a connection, and then resets it.
    until(lambda: not any(processes.pid_alive(pid) for pid in killed), 20, "the children are gone")
    (folder / "go").touch()
    assert held.answers[0].exception(20) is not None, "its connection died with the child"
    assert server.wait_for_answer(f"/slow?{folder}").text == "went on"
    assert server.get("/facts").status_code == 200


def test_an_httpd_that_is_killed_leaves_nothing(launch, stage):
    server = launch(conf.mount("/facts", stage.apps / "facts/app.py"), mpm="event")
    assert server.get("/facts").status_code == 200
    server._note_relatives()
    children = server.children()
    theirs = {server.pid, *(child.pid for child in children)}
    ours = {one for one in server._relatives if one[0] not in theirs}
    server.log.allow(r".*")
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait()
    # httpd's own children do not notice the death of their parent; the rest has to.
    until(lambda: not any(processes.alive(one) for one in ours), 10, "manager, zygote and workers end")
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    until(lambda: not server._survivors(), 10, "nothing is left")
    server.process = None
