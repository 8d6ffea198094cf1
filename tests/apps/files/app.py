"""Answers through wsgi.file_wrapper; the query string names the file."""

import io
import os


class Plain:
    """Middleware that hides the wrapper, so the server must iterate."""

    def __init__(self, inner):
        self._inner = inner

    def __iter__(self):
        return iter(self._inner)

    def close(self):
        self._inner.close()


def application(environ, start_response):
    name, how = environ["QUERY_STRING"], environ["PATH_INFO"]
    wrapper = environ["wsgi.file_wrapper"]
    headers = [("Content-Type", "application/octet-stream")]
    if how == "/memory":
        with open(name, "rb") as file:
            result = wrapper(io.BytesIO(file.read()), 4096)
    else:
        file = open(name, "rb")  # noqa: SIM115 - the wrapper closes it
        if how == "/from":
            file.seek(1000)
        if how == "/part":
            file.seek(1000)
            headers.append(("Content-Length", "5000"))
        if how == "/sized":
            headers.append(("Content-Length", str(os.path.getsize(name))))
        result = wrapper(file)
    start_response("200 OK", headers)
    return Plain(result) if how == "/wrapped" else result
