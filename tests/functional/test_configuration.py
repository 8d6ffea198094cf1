"""Configuration errors stop `httpd -t` with a message that names directive, value, file and line."""

import re

import pytest
from harness import conf, raw
from harness.stage import IS_ROOT


def refusal(launch, *lines):
    """What `httpd -t` says about lines that it must refuse, on the server and in a Location."""
    server = launch(*lines, start=False)
    code, said = server.run("-t")
    assert code != 0, f"accepted: {lines}"
    assert "Traceback" not in said
    assert "panicked" not in said
    assert re.search(r"line \d+ of .*httpd\.conf|AH\d{5}|KRT\d{4}", said), said
    return said


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("KraitProcesses 5 2", ["KraitProcesses", "5", "2"]),
        ("KraitProcesses 1 2 3", ["KraitProcesses"]),
        ("KraitProcesses many", ["KraitProcesses", "many"]),
        ("KraitProcesses -1", ["KraitProcesses", "-1"]),
        ("KraitProcesses 0 0", ["KraitProcesses", "0"]),
        ("KraitProcesses 1 99999999999999999999", ["KraitProcesses", "99999999999999999999"]),
        ("KraitThreads 0", ["KraitThreads", "0"]),
        ("KraitThreads 2.5", ["KraitThreads", "2.5"]),
        ("KraitThreads 100000", ["KraitThreads", "100000"]),
        ("KraitQueue -1", ["KraitQueue", "-1"]),
        ("KraitQueue", ["KraitQueue"]),
        ("KraitStartTimeout soon", ["KraitStartTimeout", "soon"]),
        ("KraitRequestTimeout 10parsecs", ["KraitRequestTimeout", "10parsecs"]),
        ("KraitQueueTimeout -5", ["KraitQueueTimeout", "-5"]),
        ('KraitIdleTimeout ""', ["KraitIdleTimeout"]),
        ("KraitGraceTimeout 1s 2s", ["KraitGraceTimeout"]),
        ("KraitDebug perhaps", ["KraitDebug"]),
        ("KraitEnv", ["KraitEnv"]),
        ('KraitEnv "NO NAME" x', ["KraitEnv", "NO NAME"]),
        ("KraitEnv =x", ["KraitEnv"]),
        ("KraitPath", ["KraitPath"]),
        ("KraitPython", ["KraitPython"]),
        ("KraitApp", ["KraitApp"]),
        ('KraitApp ""', ["KraitApp"]),
        ("KraitApp /srv/app.py:not-a-name", ["KraitApp", "not-a-name"]),
        ("KraitApp /srv/app.py:", ["KraitApp", "/srv/app.py:"]),
        ("KraitApp package.module:1callable", ["KraitApp", "1callable"]),
        ("KraitApp package..module:application", ["KraitApp", "package..module"]),
        ("KraitNonsense 1", ["KraitNonsense"]),
    ],
)
def test_a_wrong_value_is_refused(launch, line, words):
    said = refusal(launch, f'<Location "/x">\n{line}\n</Location>')
    for word in words:
        assert word in said, f"{word!r} is missing: {said}"


@pytest.mark.parametrize("user", ["no-such-user-at-all", "nobody:no-such-group-at-all"])
def test_an_unknown_user_is_refused(launch, user):
    said = refusal(launch, f"KraitUser {user}")
    assert "KraitUser" in said
    assert "no-such" in said


@pytest.mark.skipif(not IS_ROOT, reason="only a root httpd could run an application as root")
def test_an_application_never_runs_as_root(launch):
    said = refusal(launch, "KraitUser root")
    assert "KraitUser" in said
    assert "root" in said


@pytest.mark.parametrize("section", ['Location "/x"', 'Directory "/srv"', 'Files "x"', "VirtualHost *:80"])
def test_the_manager_can_be_named_only_for_the_whole_server(launch, section):
    said = refusal(launch, f"<{section}>\nKraitManager Off\n</{section.split()[0]}>")
    assert re.search("KraitManager (not allowed|cannot occur)", said), said


@pytest.mark.parametrize("directive", ["KraitManager Off", "KraitUser server"])
def test_a_server_directive_in_htaccess_fails_only_that_folder(launch, stage, directive):
    server = launch(start=False)
    for name in ("wrong", "right"):
        (server.docroot / name).mkdir()
        (server.docroot / name / "page.txt").write_text("a page\n")
    (server.docroot / "wrong/.htaccess").write_text(f"{directive}\n")
    hello = conf.mount("/hello", stage.apps / "hello/app.py")
    server.configure(f'<Directory "{server.docroot}">\nAllowOverride FileInfo\n</Directory>', hello).start()
    server.log.expect(rf"\.htaccess: {directive.split()[0]} not allowed here")
    assert server.get("/wrong/page.txt").status_code == 500
    assert server.get("/right/page.txt").text == "a page\n"
    assert server.get("/hello").text == "Hello, world!\n"


def test_a_wrong_value_in_htaccess_fails_only_that_folder(launch, stage):
    server = launch(start=False)
    (server.docroot / "wrong").mkdir()
    (server.docroot / "wrong/.htaccess").write_text("KraitApp app.py\nKraitProcesses 5 2\n")
    hello = conf.mount("/hello", stage.apps / "hello/app.py")
    server.configure(f'<Directory "{server.docroot}">\nAllowOverride FileInfo\n</Directory>', hello).start()
    server.log.expect("wrong/.htaccess: .*KraitProcesses|wrong/.htaccess.*5.*2")
    answer = server.get("/wrong/x")
    assert answer.status_code == 500
    assert "KraitProcesses" not in answer.text
    assert server.get("/hello").text == "Hello, world!\n"


def test_directives_in_htaccess_need_the_override(launch):
    server = launch(start=False)
    (server.docroot / "tenant").mkdir()
    (server.docroot / "tenant/.htaccess").write_text("KraitApp app.py\n")
    server.configure(f'<Directory "{server.docroot}">\nAllowOverride AuthConfig\n</Directory>').start()
    server.log.expect("KraitApp not allowed here")
    assert server.get("/tenant/x").status_code == 500


def test_right_configurations_are_accepted(launch, mpm):
    everywhere = [
        "KraitUser server",
        "KraitApp package.module:name.other",
        "KraitPython /usr/bin/python3",
        "KraitPath /srv/one /srv/two",
        "KraitEnv NAME value",
        "KraitEnv OTHER=value",
        "KraitProcesses 0 4",
        "KraitProcesses 2",
        "KraitThreads 8",
        "KraitQueue 5",
        "KraitStartTimeout 30",
        "KraitRequestTimeout 30s",
        "KraitQueueTimeout 500ms",
        "KraitIdleTimeout 2m",
        "KraitIdleTimeout Off",
        "KraitGraceTimeout 5s",
        "KraitDebug On",
    ]
    body = "\n".join(everywhere)
    server = launch(mpm=mpm, start=False)
    server.configure(
        body,
        conf.vhost("one.test", server.port, f'{body}\n<Directory "/srv">\n{body}\n</Directory>'),
        f'<Location "/x">\n{body}\n</Location>\n<LocationMatch "^/y">\n{body}\n</LocationMatch>',
        f'<Files "*.wsgi">\n{body}\n</Files>\n<If "true">\n{body}\n</If>',
    )
    code, said = server.run("-t")
    assert (code, said.strip()) == (0, "Syntax OK")


def test_listing_virtual_hosts_starts_nothing(launch, mpm, stage):
    server = launch(mpm=mpm, start=False)
    server.configure("KraitProcesses 2", conf.vhost("one.test", server.port, ""))
    code, said = server.run("-S")
    assert code == 0
    assert "one.test" in said
    assert not server.log.text()


def test_single_process_mode_serves(launch, mpm, stage):
    server = launch(conf.mount("/", stage.apps / "hello/app.py"), mpm=mpm, start=False)
    server.log.allow(r"AH\d{5}")
    server.start("-X")
    assert server.get("/").text == "Hello, world!\n"
    server.stop()


def test_the_nearer_section_wins_and_the_rest_is_inherited(launch, stage):
    facts = stage.apps / "facts/app.py"
    server = launch(start=False)
    inner = f'KraitThreads 2\n<Location "/near">\nKraitApp "{facts}"\nKraitThreads 3\n</Location>'
    server.configure(
        "KraitThreads 1\nKraitProcesses 1 1",
        conf.vhost("near.test", server.port, f'{inner}\n<Location "/far">\nKraitApp "{facts}"\n</Location>'),
        conf.vhost("other.test", server.port, f'<Location "/">\nKraitApp "{facts}"\n</Location>'),
    ).start()

    def seen(host, path):
        found = server.get(path, host=host).json()["wsgi"]
        return found["wsgi.multithread"], found["wsgi.multiprocess"]

    assert seen("other.test", "/") == (False, False)
    assert seen("near.test", "/far") == (True, False)
    assert seen("near.test", "/near") == (True, False)


def test_http_1_1_pipelining_of_two_applications(launch, stage):
    names = ["hello", "heads"]
    server = launch(*(conf.mount(f"/{name}", stage.apps / name / "app.py") for name in names))
    with raw.Connection(server.port) as connection:
        connection.send(raw.get("/hello") + raw.get("/heads/x") + raw.get("/hello", "Connection: close"))
        bodies = [connection.answer().body for _ in range(3)]
    assert bodies == [b"Hello, world!\n", b"GET", b"Hello, world!\n"]
