"""Fails in the way that PATH_INFO names."""

import os
import signal
import sys


def late():
    """Fails after the headers are out."""
    yield b"x" * 100
    raise LookupError("failed after the headers")


def application(environ, start_response):
    how = environ["PATH_INFO"]
    if how == "/before":
        raise ZeroDivisionError("failed before the headers")
    if how == "/exit":
        sys.exit(3)
    if how == "/killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "/gone":
        os._exit(7)
    if how == "/not-started":
        return [b"start_response was never called"]
    if how == "/bad-status":
        start_response("200", [])
        return [b""]
    if how == "/bad-header":
        start_response("200 OK", [("X-Evil", "a\r\nSet-Cookie: stolen=1")])
        return [b""]
    if how == "/replaced":
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-First", "1")])
        try:
            raise KeyError("recovered")
        except KeyError:
            start_response("503 Later", [("Content-Type", "text/plain")], sys.exc_info())
        return [b"recovered"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    if how == "/text":
        return ["not bytes"]
    if how == "/none":
        return None
    if how == "/after":
        return late()
    return [b"fine"]
