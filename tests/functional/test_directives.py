"""Each directive does what it says."""

import grp
import pwd
import shutil

import psutil
import pytest
from harness import conf
from harness.held import Held
from harness.stage import IS_ROOT, httpd_user
from harness.waiting import until


@pytest.fixture
def facts(stage):
    """The application that tells what it sees."""
    return stage.apps / "facts/app.py"


@pytest.fixture
def slow(stage):
    """Path of the application that holds its requests, and the folder through which it is told to go on."""
    return stage.apps / "slow/app.py", stage.writable_folder("slow")


def test_krait_app_in_all_its_forms(launch, stage, facts):
    package = stage.apps / "package"
    server = launch(
        conf.mount("/path", facts),
        conf.mount("/callable", f"{facts}:other"),
        conf.mount("/dotted", f"{facts}:Other.nested"),
        conf.mount("/module", "greeting.site:application", extra=f'KraitPath "{package}"'),
        conf.mount("/module-dotted", "greeting.site:Sites.main", extra=f'KraitPath "{package}"'),
        conf.mount("/import", "import:greeting.site.application", extra=f'KraitPath "{package}"'),
        conf.mount("/folder", stage.apps / "hello"),
    )
    assert server.get("/path").json()["environ"]["SCRIPT_NAME"] == "/path"
    assert server.get("/callable").text == "other"
    assert server.get("/dotted").text == "nested"
    assert server.get("/folder").text == "Hello, world!\n"
    for url in ("/module", "/module-dotted", "/import"):
        assert server.get(url).text == "greetings from a package"


def test_krait_app_finds_a_callable_named_app(launch, stage):
    folder = stage.folder("named-app")
    source = (stage.apps / "hello/app.py").read_text()
    (folder / "site.py").write_text(source.replace("def application", "def app"))
    server = launch(conf.mount("/", folder / "site.py"))
    assert server.get("/").text == "Hello, world!\n"


def test_krait_python(launch, facts, venv_python):
    server = launch(
        conf.mount("/venv", facts, venv_python),
        conf.mount("/venv-folder", facts, venv_python.parent.parent),
        conf.mount("/system", facts, "/usr/bin/python3"),
    )
    for url in ("/venv", "/venv-folder"):
        assert server.get(url).json()["prefix"] == str(venv_python.parent.parent)
    assert server.get("/system").json()["prefix"] == "/usr"


def test_krait_path_comes_before_the_rest(launch, stage, facts):
    first, second = stage.folder("first"), stage.folder("second")
    server = launch(conf.mount("/", facts, extra=f'KraitPath "{first}" "{second}"'))
    path = server.get("/").json()["path"]
    assert path.index(str(facts.parent)) < path.index(str(first)) < path.index(str(second))
    standard = next(index for index, name in enumerate(path) if name.endswith("lib-dynload"))
    assert path.index(str(second)) < standard


def test_krait_env_is_there_at_import_and_not_in_the_request(launch, facts):
    extra = 'KraitEnv TASTE "very sweet"\nKraitEnv SHAPE=round=ish\nKraitEnv EMPTY ""'
    server = launch(conf.mount("/", facts, extra=extra))
    found = server.get("/").json()
    seen = {name: found["at_import"].get(name) for name in ("TASTE", "SHAPE", "EMPTY")}
    assert seen == {"TASTE": "very sweet", "SHAPE": "round=ish", "EMPTY": ""}
    assert "TASTE" not in found["environ"]


def test_set_env_reaches_the_request(launch, facts):
    server = launch(conf.mount("/", facts, extra="SetEnv PER_REQUEST yes"))
    found = server.get("/").json()
    assert found["environ"]["PER_REQUEST"] == "yes"
    assert "PER_REQUEST" not in found["at_import"]


def test_krait_processes(launch, slow):
    app, folder = slow
    server = launch(conf.mount("/slow", app, extra="KraitProcesses 1 3"))
    held = Held(server, folder)
    for _ in range(5):
        held.ask()
    assert len(set(held.began(3))) == 3
    assert [answer.status_code for answer in held.release()] == [200] * 5
    assert len(set(held.began(5))) == 3, "more processes than the maximum"


def test_krait_processes_min_start_before_the_first_request(launch, facts):
    server = launch(conf.mount("/", facts, extra="KraitProcesses 2 2"))
    server.log.wait_for("KRT0310: ")

    def workers():
        family = psutil.Process(server.pid).children(recursive=True)
        return len([one for one in family if "python" in one.exe()]) >= 2

    until(workers, 15, "two Python processes run")
    assert server.get("/").json()["wsgi"]["wsgi.multiprocess"] is True


def test_krait_processes_one_is_one(launch, facts):
    server = launch(conf.mount("/", facts, extra="KraitProcesses 1 1"))
    found = [server.get("/").json() for _ in range(10)]
    assert len({one["pid"] for one in found}) == 1
    assert found[0]["wsgi"] == {"wsgi.multithread": False, "wsgi.multiprocess": False}


def test_krait_threads(launch, slow, facts):
    app, folder = slow
    extra = "KraitProcesses 1 1\nKraitThreads 4"
    server = launch(conf.mount("/slow", app, extra=extra), conf.mount("/facts", facts, extra=extra))
    held = Held(server, folder)
    for _ in range(5):
        held.ask()
    assert len(set(held.began(4))) == 1, "four at once in one process"
    assert len(held.began(4)) == 4, "a fifth thread"
    assert [answer.status_code for answer in held.release()] == [200] * 5
    assert server.get("/facts").json()["wsgi"]["wsgi.multithread"] is True


@pytest.mark.parametrize("debug", ["On", "Off"])
def test_krait_debug_decides_what_a_visitor_may_read(launch, stage, debug):
    server = launch(conf.mount("/", stage.apps / "raising/app.py", extra=f"KraitDebug {debug}"))
    server.log.expect("ZeroDivisionError: failed before the headers")
    server.log.allow("KRT[0-9]{4}", *conf.TRACEBACK_LINES)
    answer = server.get("/before")
    assert answer.status_code == 500
    assert ("ZeroDivisionError: failed before the headers" in answer.text) == (debug == "On")
    assert ("raising/app.py" in answer.text) == (debug == "On")


@pytest.mark.skipif(not IS_ROOT, reason="only root can switch users")
@pytest.mark.parametrize(
    ("directive", "user", "group"),
    [
        ("", httpd_user(), httpd_user()),
        ("KraitUser server", httpd_user(), httpd_user()),
        ("KraitUser nobody", "nobody", "nogroup"),
        ("KraitUser nobody:daemon", "nobody", "daemon"),
    ],
)
def test_krait_user(launch, facts, directive, user, group):
    server = launch(directive, conf.mount("/", facts))
    found = server.get("/").json()
    assert found["uid"] == pwd.getpwnam(user).pw_uid
    assert found["gid"] == grp.getgrnam(group).gr_gid
    assert 0 not in found["groups"]


def test_krait_manager_off_leaves_applications_unserved(launch, facts, stage):
    gateway = conf.load_gateway(stage.dist).replace(f'KraitManager "{stage.dist}/kraitd"', "KraitManager Off")
    server = launch(conf.mount("/app", facts), gateway=gateway)
    server.log.expect("KRT[0-9]{4}: .*KraitManager")
    answer = server.get("/app")
    assert answer.status_code in (500, 503)
    assert server.get("/static.txt").text == "a static file\n"
    assert server._kraitds() == []


def test_krait_manager_is_found_beside_the_module(launch, facts, stage):
    gateway = conf.load_gateway(stage.dist).replace(f'KraitManager "{stage.dist}/kraitd"', "")
    server = launch(conf.mount("/app", facts), gateway=gateway)
    assert server.get("/app").status_code == 200


def test_a_virtual_environment_beside_the_application_is_found(launch, stage, facts, venv_python):
    folder = stage.folder("with-venv")
    shutil.copy(facts, folder / "app.py")
    (folder / "venv").symlink_to(venv_python.parent.parent)
    server = launch(conf.mount("/", folder / "app.py"))
    assert server.get("/").json()["executable"] == f"{folder}/venv/bin/python"
