"""`krait serve`: a private httpd in the foreground."""

import contextlib
import os
import shutil
import signal
import socket
import threading

import pytest
import requests
from harness import conf, processes
from harness.held import Held
from harness.httpd import free_port
from harness.serve import Serve, once
from harness.stage import IS_ROOT
from harness.waiting import until


@pytest.fixture
def serve(leftovers, stage):
    """Starts `krait serve` on a free port."""
    mine = []

    def start(*words, **options) -> Serve:
        mine.append(Serve(stage, *words, "--listen", f"127.0.0.1:{free_port()}", **options))
        leftovers.others.add(mine[-1].process.pid)
        return mine[-1]

    yield start
    for one in mine:
        leftovers.others.discard(one.process.pid)
        one.check()


def get(url):
    """A GET request."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=30)


def test_it_serves_and_stops_cleanly(serve, stage):
    server = serve(stage.apps / "hello/app.py")
    assert get(server.ready()).text == "Hello, world!\n"
    assert server.interrupt() == 0
    assert "Traceback" not in server.output()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_request_that_runs_is_finished_before_it_stops(serve, stage, number):
    folder = stage.folder("drain")
    folder.chmod(0o777)
    server = serve(stage.apps / "slow/app.py")
    url = server.ready()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(get(f"{url}/?{folder}")))
    thread.start()
    Held(None, folder).began(1)
    server.note()
    server.process.send_signal(number)
    until(lambda: not accepts(url), 10, "no new connections")
    (folder / "go").touch()
    thread.join(30)
    assert answers
    assert answers[0].text == "went on"
    assert server.wait() == 0


def accepts(url) -> bool:
    """Whether anybody listens."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", int(url.split(":")[2].split("/")[0]))) == 0


def test_a_second_interrupt_stops_at_once(serve, stage):
    folder = stage.folder("impatient")
    folder.chmod(0o777)
    server = serve(stage.apps / "slow/app.py")
    url = server.ready()

    def ask():
        with contextlib.suppress(requests.RequestException):
            get(f"{url}/?{folder}")

    thread = threading.Thread(target=ask)
    thread.start()
    Held(None, folder).began(1)
    server.note()
    server.process.send_signal(signal.SIGINT)
    until(lambda: not accepts(url), 10, "no new connections")
    server.process.send_signal(signal.SIGINT)
    server.wait(14)
    thread.join(30)


def test_a_killed_krait_leaves_nothing_running(serve, stage):
    server = serve(stage.apps / "hello/app.py")
    server.ready()
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    # Nobody was left to remove its folder.
    until(lambda: server._gone(), 15, "httpd and the rest end")
    for path in stage.tmp.iterdir():
        shutil.rmtree(path)


def test_the_port_is_taken(stage):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = once(stage, stage.apps / "hello/app.py", "--listen", f"127.0.0.1:{port}")
    assert code == 1
    assert str(port) in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("import_error.py", ["ModuleNotFoundError", "a_module_that_nobody_has"]),
        ("raises_at_import.py", ["RuntimeError: the database is not there"]),
        ("no_callable.py", ["application"]),
        ("exits_at_import.py", ["7"]),
    ],
)
def test_an_application_that_cannot_be_imported_ends_it(stage, script, words):
    code, said = once(stage, stage.apps / "broken" / script, "--listen", f"127.0.0.1:{free_port()}")
    assert code == 1, said
    for word in words:
        assert word in said
    assert said.count("Traceback") <= 1
    assert said.count("could not be started") == 1


def test_the_traceback_is_shown_once(stage):
    script = stage.apps / "broken/raises_at_import.py"
    code, said = once(stage, script, "--listen", f"127.0.0.1:{free_port()}")
    assert code == 1
    assert said.count("Traceback (most recent call last)") == 1
    assert said.count(f'File "{script}", line 1') == 1


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["no_such_file.py"],
        ["app.py", "--processes", "5-2"],
        ["app.py", "--threads", "0"],
        ["app.py", "--listen", "nonsense:port"],
        ["app.py", "--mount", "shop"],
        ["app.py", "--env", "NOVALUE"],
        ["app.py", "--mpm", "quick"],
        ["app.py", "--request-timeout", "soon"],
        ["app.py", "--no-such-option"],
    ],
    ids=lambda words: " ".join(words) or "nothing",
)
def test_wrong_use_is_2(stage, words):
    code, said = once(stage, *words, cwd=stage.apps / "hello")
    assert code == 2, said
    assert said.strip()


def test_print_config_starts_nothing_and_is_a_configuration(stage, launch):
    code, said = once(stage, stage.apps / "hello/app.py", "--listen", "127.0.0.1:8123", "--print-config")
    assert code == 0
    assert "Listen 127.0.0.1:8123" in said
    assert f'KraitApp "{stage.apps}/hello/app.py"' in said
    server = launch(start=False)
    server.conf_file.write_text(said.replace("/proc/self/fd/2", f"{server.root}/error.log"))
    assert server.run("-t") == (0, "Syntax OK\n")
    assert os.listdir(stage.tmp) == []


def test_options_reach_the_application(serve, stage, venv_python):
    extra, folder = stage.folder("extra"), stage.apps / "facts"
    words = ["--processes", "1-2", "--threads", "3", "--env", "A=1", "--env", "B=x y", "--path", extra]
    server = serve("app:application", "--chdir", folder, "--python", venv_python, "--mount", "/shop", *words)
    url = server.ready()
    assert url.endswith("/shop")
    found = get(f"{url}/item?q=1").json()
    environ = found["environ"]
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/shop", "/item")
    assert found["wsgi"] == {"wsgi.multithread": True, "wsgi.multiprocess": True}
    assert (found["at_import"]["A"], found["at_import"]["B"]) == ("1", "x y")
    assert found["prefix"] == str(venv_python.parent.parent)
    assert str(extra) in found["path"]
    assert found["cwd"] == str(folder)
    assert get(url.removesuffix("/shop") + "/elsewhere").status_code == 404
    assert server.interrupt() == 0


@pytest.mark.parametrize(
    "app",
    ["app.py", "app.py:application", "app:application", "import:app.application", "."],
)
def test_forms_of_app(serve, stage, app):
    server = serve(app, cwd=stage.apps / "hello")
    assert get(server.ready()).text == "Hello, world!\n"
    assert server.interrupt() == 0


@pytest.mark.parametrize("kind", conf.MPMS)
def test_mpm(serve, stage, kind):
    server = serve(stage.apps / "hello/app.py", "--mpm", kind, "--verbose")
    assert get(server.ready()).text == "Hello, world!\n"
    assert f"[mpm_{kind}:notice]" in server.output()
    assert server.interrupt() == 0


def test_include_and_state_dir(serve, stage):
    state, public = stage.folder("state") / "inside", stage.folder("public")
    (public / "page.txt").write_text("a page\n")
    include = public / "extra.conf"
    include.write_text(f'Alias /files "{public}"\n')
    server = serve(stage.apps / "hello/app.py", "--include", include, "--state-dir", state)
    url = server.ready()
    assert get(f"{url}/files/page.txt").text == "a page\n"
    assert get(f"{url}/other").text == "Hello, world!\n"
    assert (state / "httpd.conf").exists()
    assert server.interrupt() == 0
    assert not (state / "httpd.conf").exists()
    assert not (state / "httpd.pid").exists()


def test_request_timeout(serve, stage):
    folder = stage.folder("late")
    folder.chmod(0o777)
    server = serve(stage.apps / "slow/app.py", "--request-timeout", "500ms")
    assert get(f"{server.ready()}/?{folder}").status_code == 504
    assert server.interrupt() == 0


def test_what_the_application_logs_is_on_the_terminal(serve, stage):
    server = serve(stage.apps / "errors/app.py")
    assert get(f"{server.ready()}/?on-the-terminal").status_code == 200
    until(lambda: "on-the-terminal" in server.output(), 10, "the line is shown")
    assert server.interrupt() == 0


@pytest.mark.skipif(
    not IS_ROOT, reason="needs root to become somebody else; without root every test here shows it"
)
def test_it_needs_no_root(serve, stage):
    server = serve(stage.apps / "facts/app.py", user="nobody")
    url = server.ready()
    assert get(url).json()["uid"] == 65534
    server.note()
    owners = {text.split("(")[1].split(",")[0] for text in server._relatives.values()}
    assert owners == {"nobody"}
    assert server.interrupt() == 0


@pytest.mark.skipif(not IS_ROOT, reason="only root's krait could run an application as root")
def test_started_by_root_the_application_is_not_root(serve, stage):
    server = serve(stage.apps / "facts/app.py")
    assert get(server.ready()).json()["uid"] != 0
    assert server.interrupt() == 0


def test_sighup_restarts_gracefully(serve, stage):
    server = serve(stage.apps / "facts/app.py")
    url = server.ready()
    before = get(url).json()["pid"]
    httpd = processes.family(server.process.pid)
    server.process.send_signal(signal.SIGHUP)
    # The first generation of httpd's children leaves.
    until(lambda: any(not processes.alive(one) for one in httpd), 20, "httpd restarts")
    assert get(url).status_code == 200
    assert before
    assert server.interrupt() == 0
