"""A Django project with its admin on SQLite: log in, create, list, static files."""

import hashlib
import os
import re
import subprocess

import pytest
import requests
from harness import conf
from harness.stage import become, httpd_user

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def project(stage, venv_python):
    """The project's folder and that of its database and collected static files, both set up."""
    folder = stage.apps / "django_site"
    state = stage.writable_folder("django")
    env = {
        "PATH": os.environ["PATH"],
        "SITE_STATE_DIR": str(state),
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    for words in (
        ["migrate"],
        ["createsuperuser", "--username", "admin", "--email", "a@example.com"],
        ["collectstatic"],
    ):
        command = [str(venv_python), "manage.py", *words, "--no-input"]
        subprocess.run(command, cwd=folder, env=env, capture_output=True, check=True, **become(httpd_user()))
    return folder, state


@pytest.fixture(scope="module")
def server(launch_shared, project, mpm, venv_python):
    """The project at /, with httpd serving the static files."""
    folder, state = project
    static = f'Alias "/static/" "{state}/static/"'
    app = (
        f'<Location "/">\nKraitApp website.wsgi:application\nKraitPath "{folder}"\n'
        f'KraitPython "{venv_python}"\nKraitEnv SITE_STATE_DIR "{state}"\nKraitProcesses 0 2\n</Location>'
    )
    if conf.PEER != "krait":
        app = conf.mount("/", folder / "website/wsgi.py", venv_python, python_path=folder)
    server = launch_shared(static, app, mpm=mpm, start=False)
    if conf.PEER != "krait":
        server.extra_environment["SITE_STATE_DIR"] = str(state)
    return server.start()


def token(page: requests.Response) -> str:
    """The form's CSRF token."""
    return re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]


@pytest.fixture
def visitor(server):
    """A browser, logged in to the admin."""
    with requests.Session() as session:
        session.trust_env = False
        page = session.get(server.url("/admin/login/"), timeout=30)
        assert page.status_code == 200
        answer = session.post(
            server.url("/admin/login/?next=/admin/"),
            data={"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": token(page)},
            timeout=30,
        )
        assert answer.url.endswith("/admin/")
        assert "Log out" in answer.text
        yield session


def test_a_visitor_who_is_not_logged_in_is_sent_to_the_login(server):
    answer = server.get("/admin/")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/admin/login/?next=/admin/"


def test_a_form_without_its_csrf_token_is_refused(server):
    server.log.expect(r"Forbidden \(CSRF cookie not set")
    assert server.post("/admin/login/", data={"username": "admin", "password": PASSWORD}).status_code == 403


def test_create_and_list(server, visitor, mpm):
    page = visitor.get(server.url("/admin/library/book/add/"), timeout=30)
    book = {"title": f"On {mpm} & more", "year": "1984", "csrfmiddlewaretoken": token(page)}
    answer = visitor.post(server.url("/admin/library/book/add/"), data=book, timeout=30)
    assert answer.status_code == 200
    assert answer.history[0].status_code == 302
    assert f"On {mpm} &amp; more" in answer.text
    assert f"<li>On {mpm} &amp; more (1984)</li>" in server.get("/books").text


def test_a_wrong_entry_is_shown_again_with_its_error(server, visitor):
    page = visitor.get(server.url("/admin/library/book/add/"), timeout=30)
    book = {"title": "No year", "year": "soon", "csrfmiddlewaretoken": token(page)}
    answer = visitor.post(server.url("/admin/library/book/add/"), data=book, timeout=30)
    assert "Enter a whole number." in answer.text


def test_static_files_come_from_httpd(server, project):
    wanted = (project[1] / "static/admin/css/base.css").read_bytes()
    answer = server.get("/static/admin/css/base.css")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/css")
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.content == wanted


def test_form_json_upload_cookies_redirect(server):
    assert server.post("/form", data={"a": "ü"}).json() == {"a": "ü"}
    assert server.post("/json", json={"number": 4}).json() == {"doubled": 8}
    assert dict(server.get("/cookies/set").cookies) == {"taste": "sweet", "shape": "round"}
    answer = server.get("/redirect")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/hello")


def test_multipart_upload_of_20_mb(server):
    data = os.urandom(1 << 20) * 20
    answer = server.post("/upload", files={"file": ("big.bin", data)})
    assert answer.json() == {
        "filename": "big.bin",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def test_404_and_500_show_no_traceback(server):
    # Python's logging of last resort writes to stderr: a warning, and an error with its traceback.
    server.log.expect("Not Found: /missing", "Internal Server Error: /boom", "RuntimeError: boom on purpose")
    server.log.allow(*conf.TRACEBACK_LINES)
    assert server.get("/missing").status_code == 404
    answer = server.get("/boom")
    assert answer.status_code == 500
    assert "boom on purpose" not in answer.text
