"""Reads the request body in the way that PATH_INFO names."""

import hashlib
import json


def application(environ, start_response):
    """What was read, as JSON."""
    body = environ["wsgi.input"]
    how = environ["PATH_INFO"]
    if how == "/all":
        result = [body.read()]
    elif how == "/sizes":
        result = [body.read(3), body.read(0), body.read(2), body.read()]
    elif how == "/line":
        result = [body.readline(), body.readline(4), body.readline(), body.readline()]
    elif how == "/lines":
        result = body.readlines()
    elif how == "/iterate":
        result = list(body)
    elif how == "/beyond":
        result = [body.read(), body.read(), body.read(10), body.readline()]
    elif how == "/digest":
        digest, size = hashlib.sha256(), 0
        while block := body.read(65536):
            digest.update(block)
            size += len(block)
        result = [digest.hexdigest().encode(), str(size).encode()]
    else:
        result = []
    answer = {
        "read": [part.decode("latin-1") for part in result],
        "types": sorted({type(part).__name__ for part in result}),
        "length": environ.get("CONTENT_LENGTH"),
        "terminated": environ.get("wsgi.input_terminated"),
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
