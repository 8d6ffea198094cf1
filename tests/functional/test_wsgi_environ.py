"""What an application is called with."""

import os
import pwd

import pytest
from harness import conf, raw
from harness.stage import IS_ROOT, httpd_user


@pytest.fixture(scope="module")
def server(launch_shared, stage, mpm):
    """The facts at /facts and under a longer path."""
    mounts = [conf.mount(url, stage.apps / "facts/app.py") for url in ("/facts/deeper", "/facts")]
    return launch_shared(*mounts[:: conf.MOUNT_ORDER], mpm=mpm)


@pytest.fixture
def facts(server):
    """A function that asks for the facts of a path."""

    def ask(path="/facts", **options):
        answer = server.get(path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


@pytest.mark.parametrize(
    ("path", "script_name", "path_info"),
    [
        ("/facts", "/facts", ""),
        ("/facts/", "/facts", "/"),
        ("/facts/a/b", "/facts", "/a/b"),
        ("/facts/deeper", "/facts/deeper", ""),
        ("/facts/deeper/c", "/facts/deeper", "/c"),
        ("/facts/caf%C3%A9%20x", "/facts", "/caf\u00c3\u00a9 x"),
        ("/facts/%25C3", "/facts", "/%C3"),
        ("/facts/a;b=c", "/facts", "/a;b=c"),
    ],
)
def test_path_is_split_at_the_mount_and_decoded_once(facts, path, script_name, path_info):
    environ = facts(path)["environ"]
    assert environ["SCRIPT_NAME"] == script_name
    assert environ["PATH_INFO"] == path_info


@pytest.mark.parametrize(("sent", "seen"), [("", ""), ("?", ""), ("?a=%20b&c=d+e", "a=%20b&c=d+e")])
def test_query_string_is_raw_and_always_there(facts, sent, seen):
    assert facts(f"/facts{sent}")["environ"]["QUERY_STRING"] == seen


def test_environ_is_a_plain_dict_of_str(facts):
    found = facts("/facts?x=1", headers={"X-Some": "value"})
    assert found["environ_type"] == "dict"
    odd = {name: kind for name, kind in found["types"].items() if "." not in name and kind != "str"}
    assert odd == {}


def test_the_usual_variables(facts, server):
    environ = facts("/facts/x", headers={"X-Some": "value", "Accept": "text/html"})["environ"]
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["SERVER_NAME"]
    assert environ["SERVER_PORT"] == str(server.port)
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["HTTP_HOST"] == f"127.0.0.1:{server.port}"
    assert environ["HTTP_X_SOME"] == "value"
    assert environ["wsgi.url_scheme"] == "http"
    assert environ.get("REMOTE_USER") is None


def test_wsgi_keys(facts):
    found = facts()
    assert found["wsgi_version"] == [1, 0]
    assert found["run_once"] is False
    wanted = {"wsgi.input", "wsgi.errors", "wsgi.file_wrapper", "wsgi.multithread", "wsgi.multiprocess"}
    assert wanted <= set(found["types"])


def test_content_headers_have_no_http_twin(server):
    environ = server.post("/facts", data=b"12345", headers={"Content-Type": "text/x"}).json()["environ"]
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("text/x", "5")
    assert "HTTP_CONTENT_TYPE" not in environ
    assert "HTTP_CONTENT_LENGTH" not in environ


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "INVENTED", "get"])
def test_methods_arrive_unchanged(server, method):
    answer = raw.exchange(server.port, raw.get("/facts", "Connection: close", method=method))
    assert answer.status == 200
    assert f'"REQUEST_METHOD": "{method}"'.encode() in answer.body


def test_header_bytes_arrive_as_latin_1(server):
    answer = raw.exchange(server.port, raw.get("/facts", "X-Raw: caf\u00e9", "Connection: close"))
    assert b'"HTTP_X_RAW": "caf\\u00e9"' in answer.body


def test_proxy_header_and_underscored_names_are_dropped(server):
    request = raw.get("/facts", "Proxy: evil", "X_Forged: 1", "X-Fine: 1", "Connection: close")
    answer = raw.exchange(server.port, request)
    assert b"HTTP_X_FINE" in answer.body
    assert b"HTTP_PROXY" not in answer.body
    assert b"HTTP_X_FORGED" not in answer.body


def test_nothing_leaks_into_the_next_request(facts):
    assert "HTTP_X_ONCE" in facts(headers={"X-Once": "1"})["environ"]
    for _ in range(20):
        assert "HTTP_X_ONCE" not in facts()["environ"]


def test_http_1_0(server):
    answer = raw.exchange(server.port, raw.get("/facts", version="1.0"))
    assert b'"SERVER_PROTOCOL": "HTTP/1.0"' in answer.body


def test_the_application_runs_as_httpd_s_user_with_a_clean_environment(facts):
    found = facts()
    assert found["uid"] == pwd.getpwnam(httpd_user()).pw_uid
    if IS_ROOT:
        assert 0 not in (found["uid"], found["gid"], *found["groups"])
    if conf.PEER == "krait":
        assert "TMPDIR" not in found["at_import"], "httpd's own environment reached the application"
        assert found["at_import"]["PATH"]
        assert found["main_thread"], "with one thread, requests run in the main thread"


def test_the_application_sees_no_descriptors_of_httpd(facts, server):
    if conf.PEER != "krait":
        pytest.skip("about our workers")
    found = facts()
    open_files = {
        number: os.readlink(f"/proc/{found['pid']}/fd/{number}") for number in _numbers(found["pid"])
    }
    strange = [name for name in open_files.values() if "memfd" in name or str(server.root) in name]
    assert strange == [], "scoreboard or log open in a worker"


def _numbers(pid):
    return [int(name) for name in os.listdir(f"/proc/{pid}/fd")]
