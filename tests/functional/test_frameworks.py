"""Applications that we did not write answer through a real httpd, under every MPM, at / and under a path."""

import hashlib
import os

import pytest
from harness import conf

SITES = {
    "bare": "bare/app.py",
    "flask": "flask_site/app.py",
    "bottle": "bottle_site/app.py",
    "falcon": "falcon_site/app.py",
}
UPLOAD = os.urandom(1 << 20) * 20


@pytest.fixture(scope="module")
def server(launch_shared, stage, mpm, venv_python):
    """One virtual host per framework, each with the site at / and under /sub."""
    server = launch_shared(mpm=mpm, start=False)
    hosts = []
    for name, script in SITES.items():
        mounts = [conf.mount(url, stage.apps / script, venv_python) for url in ("/sub", "/")]
        # A more specific Location has to come later to win; mod_wsgi's aliases the other way round.
        hosts.append(conf.vhost(f"{name}.test", server.port, "\n".join(mounts[:: conf.MOUNT_ORDER])))
    return server.configure(*hosts).start()


@pytest.fixture(params=SITES)
def site(request):
    """The name of the virtual host."""
    return f"{request.param}.test"


@pytest.fixture(params=["", "/sub"], ids=["at-root", "under-sub"])
def mount(request):
    """Where the site is mounted."""
    return request.param


def test_get(server, site, mount):
    answer = server.get(f"{mount}/hello?name=G%C3%BCnther", host=site)
    assert answer.status_code == 200
    assert answer.content.decode() == "hello Günther"


def test_post_form(server, site, mount):
    answer = server.post(f"{mount}/form", data={"a": "1 & 2", "b": "ü"}, host=site)
    assert answer.status_code == 200
    assert answer.json() == {"a": "1 & 2", "b": "ü"}


def test_multipart_upload_of_20_mb(server, site, mount):
    answer = server.post(f"{mount}/upload", files={"file": ("big.bin", UPLOAD)}, host=site)
    assert answer.status_code == 200
    wanted = {"filename": "big.bin", "size": len(UPLOAD), "sha256": hashlib.sha256(UPLOAD).hexdigest()}
    assert answer.json() == wanted


def test_json(server, site, mount):
    answer = server.post(f"{mount}/json", json={"number": 21}, host=site)
    assert answer.status_code == 200
    assert answer.json() == {"doubled": 42}


def test_cookies(server, site, mount):
    answer = server.get(f"{mount}/cookies/set", host=site)
    assert answer.status_code == 200
    assert dict(answer.cookies) == {"taste": "sweet", "shape": "round"}
    answer = server.get(f"{mount}/cookies/read", cookies=dict(answer.cookies), host=site)
    assert answer.text == "sweet round"


def test_redirect_stays_under_the_mount(server, site, mount):
    answer = server.get(f"{mount}/redirect", host=site)
    assert answer.status_code == 302
    target = answer.headers["Location"].replace(f"http://{site}", "")
    assert target == f"{mount}/hello"
    assert server.get(target, host=site).text == "hello nobody"


def test_404_is_the_application_s_own(server, site, mount):
    answer = server.get(f"{mount}/missing", host=site)
    assert answer.status_code == 404


def test_500_shows_no_traceback(server, site, mount):
    # The frameworks catch the exception and log it; a bare application leaves it to the server.
    server.log.expect("RuntimeError: boom on purpose")
    server.log.allow(*conf.TRACEBACK_LINES)
    answer = server.get(f"{mount}/boom", host=site)
    assert answer.status_code == 500
    assert "boom on purpose" not in answer.text
    assert "Traceback" not in answer.text
