"""Every way an application can fail to start: a plain 5xx for the visitor, and a log that names object, cause
and next step; everything else on the server is served on."""

import os
import re
import shutil

import pytest
from harness import conf
from harness.interpreters import found, made_reachable
from harness.stage import IS_ROOT

# name: (script, step, what the log must say besides the script's name)
BROKEN = {
    "import-error": ("import_error.py", "import", ["ModuleNotFoundError", "a_module_that_nobody_has"]),
    "syntax-error": ("syntax_error.py", "import", ["SyntaxError", "line 1"]),
    "raises": ("raises_at_import.py", "import", ["RuntimeError", "the database is not there"]),
    "no-callable": ("no_callable.py", "import", ["application"]),
    "not-callable": ("not_callable.py", "import", ["application", "callable"]),
    "named-callable-missing": ("no_callable.py:create_site", "import", ["create_site"]),
    "exits": ("exits_at_import.py", "import", ["7"]),
    "sys-exits": ("sys_exits_at_import.py", "import", ["SystemExit|exit", "9"]),
    "killed": ("killed_at_import.py", "import", ["SIGKILL|signal 9|killed"]),
    "killed-after-fork": ("killed_after_fork.py", "fork|ready", ["SIGKILL|signal 9|killed"]),
    "missing-file": ("no_such_file.py", "import|validate", ["No such file|not found|does not exist"]),
}


@pytest.fixture(scope="module")
def server(launch_shared, stage, mpm):
    """All broken applications beside a good one."""
    broken = stage.apps / "broken"
    (broken / "unreadable.py").chmod(0)
    mounts = [conf.mount(f"/{name}", broken / case[0]) for name, case in BROKEN.items()]
    hanging = conf.mount("/hangs", broken / "hangs_at_import.py", extra="KraitStartTimeout 1s")
    unreadable = conf.mount("/unreadable", broken / "unreadable.py")
    missing_module = conf.mount("/module", "no_such_package.module:application")
    good = conf.mount("/good", stage.apps / "hello/app.py")
    server = launch_shared(*mounts, hanging, unreadable, missing_module, good, mpm=mpm)
    yield server
    (broken / "unreadable.py").chmod(0o644)


def check(server, path, name, step, words):
    """The visitor's two answers, the log's story, and that the neighbour is served."""
    server.log.expect(f"KRT0311: .*{re.escape(name)}.*could not be started: step ({step}):")
    # The detail lines, and one line per request that got no answer.
    server.log.allow(r"KRT\d{4}: ")
    since = server.log.mark()
    first = server.get(path)
    assert first.status_code == 500
    second = server.get(path)
    assert second.status_code == 503
    assert int(second.headers["Retry-After"]) >= 1
    for answer in (first, second):
        assert "Traceback" not in answer.text
        assert name not in answer.text
        assert str(server.stage.root) not in answer.text
    assert server.get("/good").text == "Hello, world!\n"
    server.log.wait_for("KRT0311", since)
    story = "\n".join(line for line in server.log.text(since).splitlines() if " KRT031" in line)
    for word in words:
        assert re.search(word, story), f"{word!r} is missing:\n{story}"
    # Not more than one start was tried: the second request came while backing off.
    assert story.count(" KRT0311: ") == 1


@pytest.mark.parametrize("case", BROKEN)
def test_an_application_that_fails_to_start(server, case):
    script, step, words = BROKEN[case]
    check(server, f"/{case}", script.split(":")[0], step, words)


def test_an_application_that_never_finishes_importing(server):
    check(server, "/hangs", "hangs_at_import.py", "import", ["1 ?s|second", "KraitStartTimeout"])


@pytest.mark.skipif(not IS_ROOT, reason="who owns a file can always read it; needs another user's file")
def test_an_unreadable_application(server):
    check(server, "/unreadable", "unreadable.py", "import|validate", ["[Pp]ermission denied|not readable"])


def test_a_module_that_is_not_there(server):
    words = ["ModuleNotFoundError|[Nn]o module", "KraitPath|sys.path"]
    check(server, "/module", "no_such_package.module", "import", words)


def test_a_broken_application_is_tried_again_after_its_backoff(launch, stage):
    folder = stage.folder("mended")
    script = folder / "app.py"
    script.write_text("raise RuntimeError('not yet')\n")
    script.chmod(0o644)
    server = launch(conf.mount("/", script))
    server.log.expect("KRT0311: .*step import")
    server.log.allow(r"KRT\d{4}: ")
    assert server.get("/").status_code == 500
    script.write_text((stage.apps / "hello/app.py").read_text())
    assert server.wait_for_answer("/", 200, deadline=15).text == "Hello, world!\n"


# Interpreters


def check_interpreter(launch, stage, python, words, step="interpreter"):
    """An application with a wrong interpreter beside one with the right one."""
    good = conf.mount("/good", stage.apps / "hello/app.py")
    server = launch(conf.mount("/wrong", stage.apps / "hello/app.py", python), good)
    check(server, "/wrong", "app.py", step, words)


def test_python_that_is_not_there(launch, stage):
    check_interpreter(
        launch,
        stage,
        "/no/such/python",
        ["/no/such/python", "No such file|not found|does not exist", "KraitPython"],
    )


def test_python_that_is_not_executable(launch, stage):
    python = stage.folder("not-executable") / "python"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o644)
    check_interpreter(
        launch, stage, python, [str(python), "[Pp]ermission denied|not executable|make it executable"]
    )


def test_python_that_is_no_python(launch, stage):
    check_interpreter(launch, stage, "/bin/false", ["/bin/false"], "interpreter|boot")


def test_a_virtual_environment_whose_python_was_removed(launch, stage):
    folder = stage.folder("removed-python")
    (folder / "venv/bin").mkdir(parents=True)
    (folder / "venv/bin/python").symlink_to(folder / "gone/bin/python3")
    (folder / "venv/pyvenv.cfg").write_text(f"home = {folder}/gone/bin\nversion = 3.11.2\n")
    words = [f"{folder}/venv/bin/python", "removed|gone|does not exist|No such file|dangling"]
    check_interpreter(launch, stage, folder / "venv/bin/python", words)


def test_a_virtual_environment_beside_the_application_whose_python_was_removed(launch, stage):
    folder = stage.folder("beside")
    shutil.copy(stage.apps / "hello/app.py", folder / "app.py")
    (folder / "venv/bin").mkdir(parents=True)
    (folder / "venv/bin/python").symlink_to("/no/such/python3")
    (folder / "venv/pyvenv.cfg").write_text("home = /no/such\n")
    server = launch(conf.mount("/wrong", folder / "app.py"), conf.mount("/good", stage.apps / "hello/app.py"))
    check(server, "/wrong", "app.py", "interpreter", [f"{folder}/venv"])


TOO_OLD = [one for one in found() if not one.supported]


@pytest.mark.skipif(not TOO_OLD, reason="no Python older than 3.9 on this machine")
@pytest.mark.parametrize("interpreter", TOO_OLD, ids=[one.name for one in TOO_OLD])
def test_python_that_is_too_old(launch, stage, interpreter):
    version = ".".join(map(str, interpreter.version[:2]))
    words = [version.replace(".", r"\."), r"3\.9", "KraitPython"]
    check_interpreter(launch, stage, made_reachable(stage, interpreter), words, "interpreter|boot")


# The manager's program


@pytest.mark.parametrize("case", ["missing", "not-executable", "folder"])
def test_a_manager_that_cannot_be_started(launch, stage, case):
    path = stage.folder("manager") / "kraitd"
    if case == "not-executable":
        shutil.copy(stage.dist / "kraitd", path)
        path.chmod(0o644)
    elif case == "folder":
        path.mkdir()
    gateway = conf.load_gateway(stage.dist).replace(f"{stage.dist}/kraitd", str(path))
    server = launch(conf.mount("/app", stage.apps / "hello/app.py"), gateway=gateway, start=False)
    code, said = server.run("-t")
    if code != 0:
        assert str(path) in said
        assert "KraitManager" in said
        return
    server.start()
    server.log.expect(rf"KRT\d{{4}}: .*{re.escape(str(path))}")
    server.log.allow(r"KRT\d{4}: ")
    answer = server.get("/app")
    assert answer.status_code in (500, 503)
    assert str(path) not in answer.text
    assert server.get("/static.txt").text == "a static file\n"


def test_krait_spawn_missing(launch, stage):
    folder = stage.folder("half-installed") / "dist"
    shutil.copytree(stage.dist, folder, symlinks=True)
    os.remove(folder / "krait-spawn")
    server = launch(
        conf.mount("/app", stage.apps / "hello/app.py"), gateway=conf.load_gateway(folder), start=False
    )
    server.start()
    server.log.expect(r"KRT\d{4}: .*krait-spawn")
    server.log.allow(r"KRT\d{4}: ")
    assert server.get("/app").status_code in (500, 503)
    assert server.get("/static.txt").text == "a static file\n"
