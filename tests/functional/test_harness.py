"""The checks after every test see what they are there to see."""

import os
import subprocess
import sys

import psutil
import pytest
from harness.errorlog import ErrorLog
from harness.leftovers import Leftovers, Watch

STAMP = "[Sat Nov 21 03:04:00.968366 2026]"


@pytest.fixture
def log(stage):
    """A log to write by hand, and a function that adds a line."""
    path = stage.folder("log") / "error.log"

    def add(*lines):
        with path.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    add(f"{STAMP} [core:notice] [pid 1:tid 2] AH00094: Command line: 'apache2'")
    return ErrorLog(path), add


@pytest.mark.parametrize(
    "line",
    [
        f"{STAMP} [core:error] [pid 1:tid 2] (13)Permission denied: AH00035: access denied",
        f"{STAMP} [krait:warn] [pid 1] KRT0123: something odd",
        f"{STAMP} [krait:info] [pid 1] a line without a tag",
        f"{STAMP} [core:notice] [pid 1:tid 2] AH00052: child pid 7 exit signal Segmentation fault (11)",
        "thread 'main' panicked at src/lib.rs:1:1",
        "whatever somebody wrote past the log",
    ],
)
def test_an_undeclared_line_is_a_complaint(log, line):
    errorlog, add = log
    assert errorlog.audit() == []
    add(line)
    assert len(errorlog.audit()) == 1
    assert errorlog.audit() == [], "each line is judged once"
    errorlog.allow(".")
    add(line)
    assert errorlog.audit() == []


def test_an_expected_line_must_come_and_brings_its_tag_along(log):
    errorlog, add = log
    errorlog.expect("KRT0311: .*import")
    ours = f"{STAMP} [krait:error] [pid 1] KRT0311:"
    add(f"{ours} step import", f"{ours} and more")
    assert errorlog.audit() == []
    errorlog.expect("KRT0311: .*import")
    assert len(errorlog.audit(patience=0.1)) == 1


def test_a_process_that_outlives_httpd_is_found(launch):
    server = launch(gateway="")
    program = server.root / "sleeper"
    program.symlink_to(sys.executable)
    # Like a child of httpd that made itself independent.
    with subprocess.Popen([program, "-c", "import time; time.sleep(60)"], start_new_session=True) as process:
        server._relatives[(process.pid, _start(process.pid))] = "the sleeper"
        with pytest.raises(Leftovers, match="the sleeper"):
            server.stop(leave=0.3)
        assert process.wait(10) == -9


def _start(pid):
    return psutil.Process(pid).create_time()


def test_strangers_shared_memory_and_temporary_files_are_found(stage):
    watch = Watch(stage.root, stage.tmp)
    assert watch.complaints(set()) == []
    shared, temporary = "/dev/shm/krait-harness-check", stage.tmp / "forgotten"
    for path in (shared, temporary):
        with open(path, "w", encoding="ascii") as file:
            file.write("x")
    try:
        found = "\n".join(watch.complaints(set(), 0.2))
    finally:
        os.remove(shared)
        os.remove(temporary)
    assert shared in found
    assert "forgotten" in found
    command = [sys.executable, "-c", "import time; time.sleep(60)", str(stage.root)]
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            assert any(str(process.pid) in text for text in watch.complaints(set(), 0.2))
        finally:
            process.terminate()
