"""Zygote and workers from fork to end."""

import contextlib
import os
import select
import signal
import time
from pathlib import Path

import postcard
import pytest
from peer import COMPLETE, DEADLINE, READ

# As deep as what tests put before it.
HELLO = """
        def application(environ, start_response):
            start_response("200 OK", [])
            return [b"hello"]
"""


def until(condition, what=""):
    """Looks again and again until it holds; fails at the deadline."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, what
        select.select([], [], [], 0.005)


def gone(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    return True


def waits(pid: int) -> bool:
    """Whether the main thread sleeps in recvfrom(2): a worker between two requests."""
    number = {"x86_64": "45", "aarch64": "207"}[os.uname().machine]
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/syscall").read_text().split()[0] == number
    return False


def test_workers_share_the_import(start):
    start.write(
        """
        import os
        imported_by = os.getpid()
        def application(environ, start_response):
            start_response("200 OK", [])
            return [f"{imported_by} {os.getpid()} {os.getppid()}".encode()]
        """
    )
    zygote = start.ready()
    workers = [zygote.fork() for _ in range(3)]
    for worker in workers:
        assert worker.message() == ("ready", None)
        pid = zygote.process.pid
        assert worker.slots[0].get().body.decode() == f"{pid} {worker.pid} {pid}"


def test_descriptors(start):
    start.write(
        """
        import os, subprocess, sys
        def application(environ, start_response):
            start_response("200 OK", [])
            child = subprocess.run(["ls", "-l", "/proc/self/fd"], close_fds=False, stdout=subprocess.PIPE)
            return [child.stdout]
        """
    )
    zygote = start.ready(threads=2)
    workers = [zygote.fork(2) for _ in range(2)]
    for worker in workers:
        assert worker.message() == ("ready", None)
        names = set(os.listdir(f"/proc/{worker.pid}/fd"))
        assert len(names) == 6, names
        assert {"0", "1", "2", "3"} < names
        # Of those none but the standard ones reach a program that the application runs.
        inherited = worker.slots[0].get().body.decode()
        assert "socket" not in inherited
        assert inherited.count("->") == 4, inherited
    # The zygote keeps nothing of its workers: 0, 1, 2, control, and its wake-up pipe.
    assert len(os.listdir(f"/proc/{zygote.process.pid}/fd")) == 6


def test_stop(start):
    start.write(
        """
        import atexit
        atexit.register(lambda: open("ended", "a").write("x"))
        """
        + HELLO
    )
    zygote = start.ready()
    worker = zygote.fork()
    worker.message()
    assert worker.slots[0].get().outcome == COMPLETE
    assert worker.stop() == 0
    assert (start.folder / "ended").read_text() == "x"
    other = zygote.fork()
    assert other.message() == ("ready", None)
    zygote.control.send(postcard.ZYGOTE_STOP)
    assert zygote.message() is None
    assert zygote.process.wait(DEADLINE) == 0
    # The zygote's end is not the application's: its handlers do not run, and workers go on.
    assert (start.folder / "ended").read_text() == "x"
    assert other.slots[0].get().body == b"hello"


@pytest.mark.parametrize("slots", [1, 3])
def test_stop_lets_a_request_finish(start, slots):
    worker = start.worker(
        """
        def application(environ, start_response):
            start_response("200 OK", [])
            yield environ["wsgi.input"].read()
        """,
        slots=slots,
    )
    slot = worker.slots[0]
    slot.request(body=5)
    assert slot.frame()[0] == 19
    worker.control.send(postcard.WORKER_STOP)
    for other in worker.slots[1:]:
        other.shut_down()
    slot.send(b"\5\0\0\0\2\0\0\0hello")
    assert slot.answer().body == b"hello"
    slot.shut_down()
    assert worker.status() == 0


def test_exit_does_not_wait_long_for_threads(start):
    worker = start.worker(
        """
        import atexit, threading
        def application(environ, start_response):
            threading.Thread(target=threading.Event().wait).start()
            start_response("200 OK", [])
            return []
        """
    )
    worker.slots[0].get()
    began = time.monotonic()
    assert worker.stop() == 0
    assert 1 < time.monotonic() - began < 12
    assert "KRT0630" in worker.zygote.errors()


def test_exit_waits_for_threads_that_finish(start):
    worker = start.worker(
        """
        import concurrent.futures, threading, time
        pool = concurrent.futures.ThreadPoolExecutor(2)
        def work():
            open("done", "w").write("x")
        def application(environ, start_response):
            pool.submit(work)
            pool.submit(work)
            start_response("200 OK", [])
            return []
        """
    )
    worker.slots[0].get()
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < 4
    assert (start.folder / "done").read_text() == "x"
    assert "KRT" not in worker.zygote.errors()


@pytest.mark.parametrize("slots", [1, 3])
def test_a_broken_slot_gets_a_new_pair(start, slots):
    worker = start.worker(HELLO, slots=slots)
    for index in range(slots):
        for _ in range(3):
            assert worker.slots[index].get().body == b"hello"
            worker.slots[index].shut_down()
            worker.slots[index].close()
            assert worker.renew(index).get().body == b"hello"
    assert worker.stop() == 0
    assert worker.zygote.errors() == ""


@pytest.mark.parametrize("slots", [1, 3])
def test_without_a_manager_workers_serve_their_slots(start, slots):
    worker = start.worker(HELLO, slots=slots)
    worker.control.close()
    worker.zygote.control.close()
    until(lambda: gone(worker.zygote.process.pid), "the zygote stays")
    for _ in range(3):
        for slot in worker.slots:
            assert slot.get().body == b"hello"
    assert not gone(worker.pid)
    for slot in worker.slots:
        slot.shut_down()
    until(lambda: gone(worker.pid), "the worker stays")


def test_one_of_several_slots_ends_without_a_manager(start):
    worker = start.worker(HELLO, slots=2)
    worker.control.close()
    worker.slots[0].shut_down()
    assert worker.slots[1].get().body == b"hello"
    worker.slots[1].shut_down()
    assert worker.status() == 0


@pytest.mark.parametrize("slots", [1, 2])
def test_sigterm_ends_a_worker_wherever_it_is(start, slots):
    source = """
        import time
        def application(environ, start_response):
            start_response("200 OK", [])
            environ["wsgi.errors"].write("here\\n")
            if environ["PATH_INFO"] == "/loop":
                while True:
                    pass
            if environ["PATH_INFO"] == "/sleep":
                time.sleep(1000)
            if environ["PATH_INFO"] == "/write":
                return [b"x" * (16 << 20)]
            return [environ["wsgi.input"].read()]
    """
    for path in (None, "/loop", "/sleep", "/read", "/write"):
        worker = start.worker(source, slots=slots)
        if path:
            worker.slots[0].request(path, body=10)
            assert worker.slots[0].frame()[0] == 20
        os.kill(worker.pid, signal.SIGTERM)
        assert worker.status() == signal.SIGTERM, path


def test_an_applications_own_sigterm_handler(start):
    worker = start.worker(
        """
        import atexit, signal, sys
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
        signal.signal(signal.SIGUSR1, lambda *_: open("seen", "a").write("x"))
        atexit.register(lambda: open("ended", "w").write("x"))
        """
        + HELLO
    )
    until(lambda: waits(worker.pid), "the worker does not wait")
    os.kill(worker.pid, signal.SIGUSR1)
    until(lambda: (start.folder / "seen").exists(), "the handler does not run")
    assert worker.slots[0].get().body == b"hello"
    until(lambda: waits(worker.pid), "the worker does not wait")
    os.kill(worker.pid, signal.SIGTERM)
    assert worker.status() == 5 << 8
    assert (start.folder / "ended").exists()


def test_zygote_reports_every_end(start):
    start.write(HELLO)
    zygote = start.ready()
    workers = {worker.number: worker for worker in (zygote.fork() for _ in range(8))}
    for worker in workers.values():
        worker.message()
        os.kill(worker.pid, signal.SIGKILL)
    ended = [zygote.message() for _ in workers]
    assert sorted(ended) == [("exited", (number, 9)) for number in workers]
    assert zygote.fork().message() == ("ready", None)


def test_stacks_are_told_on_sigabrt(start):
    worker = start.worker(
        """
        def sleeper(environ):
            environ["wsgi.input"].read()
        def application(environ, start_response):
            sleeper(environ)
        """
    )
    worker.slots[0].request(body=1)
    assert worker.slots[0].frame()[0] == READ
    os.kill(worker.pid, signal.SIGABRT)
    assert worker.status() & 0x7F == signal.SIGABRT
    assert "in sleeper" in worker.zygote.errors()


def test_prints_are_seen_at_once(start):
    worker = start.worker(
        """
        def application(environ, start_response):
            print("printed \\udcff")
            start_response("200 OK", [])
            return []
        """
    )
    assert worker.slots[0].get().outcome == COMPLETE
    assert worker.zygote.errors() == "printed \\udcff\n"


def test_an_idle_process_does_not_wake_up(start):
    worker = start.worker(HELLO, slots=3)
    pids = (worker.pid, worker.zygote.process.pid)

    def switches():
        found = 0
        for pid in pids:
            for task in Path(f"/proc/{pid}/task").iterdir():
                text = (task / "status").read_text()
                found += sum(int(line.split()[1]) for line in text.splitlines() if "ctxt_switches" in line)
        return found

    assert worker.slots[0].get().outcome == COMPLETE
    seen = [switches()]

    def settled():
        seen.append(switches())
        return len(seen) > 3 and len(set(seen[-3:])) == 1

    until(settled)
    before = switches()
    select.select([], [], [], 1.5)
    assert switches() == before


def test_forking_fails(start):
    start.write(
        """
        import errno, os
        def fork():
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        os.fork = fork
        """
        + HELLO
    )
    zygote = start.ready()
    import socket

    from peer import packets, streams

    ends = [*packets(), *streams()]
    socket.send_fds(zygote.control, [postcard.fork(1)], [ends[1].fileno(), ends[3].fileno()])
    kind, failure = zygote.message()
    assert (kind, failure["step"]) == ("failed", "fork")
    assert "Resource temporarily unavailable" in failure["summary"]
    assert zygote.process.wait(DEADLINE) == 1
    for end in ends:
        end.close()


def test_fork_hooks_and_children_of_the_application(start):
    start.write(
        """
        import os, subprocess
        hooks = []
        os.register_at_fork(after_in_child=lambda: hooks.append(os.getpid()))
        def application(environ, start_response):
            start_response("200 OK", [])
            child = subprocess.run(["true"])
            pid = os.fork()
            if not pid:
                os._exit(4)
            return [f"{hooks} {child.returncode} {os.waitpid(pid, 0)[1]}".encode()]
        """
    )
    worker = start.ready().fork()
    worker.message()
    assert worker.slots[0].get().body.decode() == f"[{worker.pid}] 0 {4 << 8}"


def test_many_threads_serve_at_once(start):
    worker = start.worker(
        """
        import threading
        barrier = threading.Barrier(8)
        def application(environ, start_response):
            barrier.wait(20)
            start_response("200 OK", [])
            return [environ["PATH_INFO"].encode(), threading.current_thread().name.encode()]
        """,
        slots=8,
    )
    for turn in range(5):
        for index, slot in enumerate(worker.slots):
            slot.request(f"/{turn}-{index}-")
        for index, slot in enumerate(worker.slots):
            assert slot.answer().body.decode() == f"/{turn}-{index}-krait-{index}"
    assert worker.stop() == 0


def resident(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS"))


def test_requests_leave_no_memory_behind(start):
    slot = start.slot(
        """
        class Closing:
            def __init__(self, blocks):
                self.blocks = iter(blocks)
            def __iter__(self):
                return self.blocks
            def close(self):
                pass
        def application(environ, start_response):
            if environ["PATH_INFO"] == "/raise":
                raise ValueError
            start_response("200 OK", [("X-A", "b" * 100)])
            environ["wsgi.errors"].write("line\\n")
            environ["self"] = environ
            data = environ["wsgi.input"].read()
            return Closing([data, b"y" * 10_000]) if environ["PATH_INFO"] == "/stream" else [data]
        """
    )
    pid = start.zygotes[0].workers[0].pid

    def round_of(count):
        for _ in range(count):
            for path in ("/", "/stream", "/raise"):
                slot.get(path, body=b"x" * 1000, HTTP_X_ODD="odd")
                slot.get(path, body=30_000, given=b"x" * 30_000)

    round_of(300)
    before = resident(pid)
    round_of(700)
    assert resident(pid) - before < 300
