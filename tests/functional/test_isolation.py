"""httpd never contains Python, and a hot request costs few system calls."""

import re
import subprocess

import pytest
from harness import conf, processes, raw
from harness.stage import IS_ROOT
from harness.waiting import until

REQUESTS = 200


def test_the_module_links_no_python(stage):
    libraries = subprocess.run(
        ["ldd", stage.dist / "mod_krait.so"], capture_output=True, text=True, check=True
    )
    assert "libc.so" in libraries.stdout
    assert "python" not in libraries.stdout.lower()


def test_no_httpd_process_maps_python_while_serving(launch, stage, mpm):
    server = launch(conf.mount("/facts", stage.apps / "facts/app.py"), mpm=mpm)
    found = [server.get("/facts").json() for _ in range(20)]
    assert "_krait.abi3" in processes.mapped_files(found[0]["pid"]), (
        "this test would not see Python where it is"
    )
    assert server.children()
    for pid in [server.pid, server.kraitd().pid, *(child.pid for child in server.children())]:
        maps = processes.mapped_files(pid)
        assert "libpython" not in maps
        assert "_krait.abi3" not in maps
        assert not re.search(r"bin/python", maps)


def traced(pid: int, report, work) -> list[str]:
    """The system calls of all threads of a process while `work` runs, descriptors spelled out."""
    # Into a file: whoever is traced waits for strace, and strace for the reader of a pipe.
    command = ["strace", "-f", "-yy", "-q", "-s", "8", "-o", str(report), "-p", str(pid)]
    with subprocess.Popen(command) as strace:
        try:
            until(lambda: _tracer(pid) == strace.pid, 10, "strace is attached")
            work()
        finally:
            # strace detaches and ends on its own at this.
            strace.terminate()
    return report.read_text().splitlines()


def _tracer(pid: int) -> int:
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"TracerPid:\s+(\d+)", file.read())[1])


def on_slot(lines: list[str]) -> int:
    """How many calls name a connected stream socket of the Unix kind: only slots are that."""
    calls = [line for line in lines if re.search(r"<UNIX-STREAM:\[", line)]
    return len([line for line in calls if "resumed>" not in line])


@pytest.mark.skipif(not IS_ROOT, reason="needs root: tracing processes of another user")
@pytest.mark.parametrize("who", ["httpd child", "worker"])
def test_a_hot_request_costs_two_calls_on_the_slot_on_either_side(launch, stage, who):
    hello = conf.mount("/hello", stage.apps / "hello/app.py", extra="KraitProcesses 1 1")
    one_child = "StartServers 1\nServerLimit 1\nThreadsPerChild 4\nMaxRequestWorkers 4\nMinSpareThreads 1"
    server = launch(hello, mpm="worker", children=one_child)
    with raw.Connection(server.port) as connection:

        def ask(count):
            for _ in range(count):
                connection.send(raw.get("/hello"))
                assert connection.answer().body == b"Hello, world!\n"

        ask(20)
        workers = [one.pid for one in server.kraitd().children(recursive=True) if "python" in one.exe()]
        # The zygote is quiet; the worker is younger.
        pid = server.children()[0].pid if who == "httpd child" else max(workers)
        lines = traced(pid, stage.folder("strace") / "report.txt", lambda: ask(REQUESTS))
    calls = on_slot(lines)
    print(f"{who}, per request: {calls / REQUESTS} calls on the slot, {len(lines) / REQUESTS} in all")
    assert calls >= REQUESTS, f"the slot was not seen:\n{chr(10).join(lines[:40])}"
    assert calls <= 2 * REQUESTS + 4, f"{calls / REQUESTS:.2f} calls on the slot per request"
