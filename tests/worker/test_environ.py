"""What the application is called with."""

import ast

from peer import BASE, HTTPS, frame, request_frame

DUMP = """
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        shown = {k: v for k, v in environ.items() if isinstance(v, (str, int, tuple, bool))}
        return [repr(shown).encode("utf-8", "surrogatepass")]
"""


def environ(slot, **variables):
    return ast.literal_eval(slot.get(**variables).body.decode())


def test_variables_arrive_as_they_are(start):
    slot = start.slot(DUMP)
    got = environ(slot, QUERY_STRING="a=%20b", HTTP_X_ODD="1", REQUEST_METHOD="propFind")
    assert {
        **BASE,
        "QUERY_STRING": "a=%20b",
        "HTTP_X_ODD": "1",
        "REQUEST_METHOD": "propFind",
    }.items() <= got.items()
    assert "CONTENT_LENGTH" not in got
    assert "REMOTE_USER" not in got


def test_wsgi_keys(start):
    got = environ(start.slot(DUMP))
    assert got["wsgi.version"] == (1, 0)
    assert got["wsgi.url_scheme"] == "http"
    assert got["wsgi.multithread"] is False
    assert got["wsgi.multiprocess"] is False
    assert got["wsgi.run_once"] is False
    assert got["wsgi.input_terminated"] is True
    assert got["mod_krait.version"]
    assert got["mod_krait.request_id"] == 1


def test_threads_and_processes_are_told(start):
    got = environ(start.worker(DUMP, slots=2, multiprocess=True).slots[0])
    assert (got["wsgi.multithread"], got["wsgi.multiprocess"]) == (True, True)


def test_https_flag(start):
    slot = start.slot(DUMP)
    assert environ(slot, flags=HTTPS)["wsgi.url_scheme"] == "https"
    assert environ(slot)["wsgi.url_scheme"] == "http"


def test_bytes_become_latin_1(start):
    slot = start.slot(
        """
        def application(environ, start_response):
            start_response("200 OK", [])
            return [environ["PATH_INFO"].encode("latin-1"), b"|", environ["HTTP_X_RAW"].encode("latin-1")]
        """
    )
    path = bytes(range(1, 256))
    assert slot.get(path, HTTP_X_RAW=b"\xff\xc3\xa9").body == path + b"|\xff\xc3\xa9"


def test_environ_is_a_fresh_dict_of_exact_str(start):
    slot = start.slot(
        """
        import sys
        def application(environ, start_response, *rest, **named):
            assert type(environ) is dict and not rest and not named
            assert all(type(k) is str for k in environ)
            assert all(type(v) is str for k, v in environ.items() if "." not in k)
            assert "left" not in environ
            environ["left"] = 1
            environ["wsgi.url_scheme"] = environ["REQUEST_METHOD"] = "changed"
            environ.pop("SERVER_NAME")
            start_response("200 OK", [])
            return [b"fine"]
        """
    )
    for _ in range(3):
        assert slot.get().body == b"fine"


def test_cached_values_follow_the_request(start):
    slot = start.slot(DUMP)
    for value in ("a", "b", "b", "a" * 300, "c", ""):
        got = environ(slot, HTTP_USER_AGENT=value, REMOTE_ADDR=value, HTTP_COOKIE=value)
        assert (got["HTTP_USER_AGENT"], got["REMOTE_ADDR"], got["HTTP_COOKIE"]) == (value,) * 3
    assert "HTTP_USER_AGENT" not in environ(slot)


def test_many_and_large_variables(start):
    slot = start.slot(DUMP)
    many = {f"HTTP_X_{number}": "v" * number for number in range(1000)}
    assert many.items() <= environ(slot, **many).items()
    large = {"HTTP_X_LARGE": "v" * (6 << 20)}
    assert environ(slot, **large)["HTTP_X_LARGE"] == large["HTTP_X_LARGE"]
    assert "HTTP_X_LARGE" not in environ(slot)


def test_every_kind_of_callable(start):
    start.write(
        """
        import functools
        def app(environ, start_response):
            start_response("200 OK", [])
            return [b"fine"]
        class Class:
            def __init__(self, environ, start_response):
                start_response("200 OK", [])
            def __iter__(self):
                yield b"fine"
        class Instance:
            def __call__(self, environ, start_response):
                return app(environ, start_response)
            def method(self, environ, start_response):
                return app(environ, start_response)
            @staticmethod
            def static(environ, start_response):
                return app(environ, start_response)
        instance = Instance()
        method = instance.method
        partial = functools.partial(app)
        lam = lambda e, s: app(e, s)
        class Opaque:
            def __getattribute__(self, name):
                raise RuntimeError("looked at " + name)
            def __call__(self, environ, start_response):
                return app(environ, start_response)
        opaque = Opaque()
        """
    )
    for name in ("app", "Class", "instance", "method", "partial", "lam", "instance.static", "opaque"):
        worker = start.ready(callable=name).fork()
        assert worker.message() == ("ready", None)
        assert worker.slots[0].get().body == b"fine", name


def test_broken_requests_end_the_slot_not_the_worker(start):
    worker = start.worker(DUMP)
    good = request_frame(BASE)
    for bad in (b"\xff" * 64, frame(2, b"x"), good[:4] + b"\x63" + good[5:], good + b"x", frame(1, b"short")):
        worker.slots[0].send(bad)
        assert worker.slots[0].frame() is None, bad
        slot = worker.renew(0)
        assert slot.get().status == 200
