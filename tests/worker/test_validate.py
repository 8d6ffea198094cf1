"""The standard library's checker of both sides."""

from peer import COMPLETE

APP = """
    from wsgiref.validate import validator

    @validator
    def application(environ, start_response):
        stream, errors = environ["wsgi.input"], environ["wsgi.errors"]
        name = environ["PATH_INFO"]
        errors.write("one\\n")
        errors.writelines(["two\\n"])
        errors.flush()
        headers = [("Content-Type", "text/plain")]
        if name == "/write":
            write = start_response("200 OK", headers)
            write(b"written")
            return [b"more"]
        got = [stream.read(3), stream.readline(), *stream.readlines(), *stream]
        start_response("200 OK", headers)
        if name == "/stream":
            return (block for block in got)
        return got
"""


def test_validator_finds_nothing(start):
    slot = start.slot(APP)
    for path in ("/", "/stream", "/write"):
        for body in ({}, {"body": b"a\nb\nc"}, {"body": 5, "given": b"a\nb\nc"}):
            for method in ("GET", "POST", "PUT"):
                answer = slot.get(path, REQUEST_METHOD=method, **body)
                assert answer.outcome == COMPLETE, answer.log
                assert answer.logs == ["one", "two"]
    assert "Warning" not in start.zygotes[0].errors()
    assert "Error" not in start.zygotes[0].errors()
