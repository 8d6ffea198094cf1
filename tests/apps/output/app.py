"""Every way to give an answer; PATH_INFO names it."""

import hashlib

BLOCK = bytes(range(256)) * 256


def large(count):
    """`count` blocks that differ."""
    for number in range(count):
        yield number.to_bytes(8, "big") + BLOCK[8:]


def large_digest(count):
    """What the client must get for `large(count)`."""
    digest = hashlib.sha256()
    for block in large(count):
        digest.update(block)
    return digest.hexdigest()


class Late:
    """Calls start_response at the first step."""

    def __init__(self, start_response):
        self._start_response = start_response

    def __iter__(self):
        self._start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"late"


def application(environ, start_response):
    how = environ["PATH_INFO"]
    if how == "/late":
        return Late(start_response)
    headers = [("Content-Type", "application/octet-stream")]
    if how == "/declared":
        headers.append(("Content-Length", "6"))
    write = start_response("200 OK", headers)
    if how == "/write":
        write(b"written ")
        write(b"twice, ")
        return [b"then returned"]
    if how == "/blocks":
        return iter([b"", b"one", b"", b"two"])
    if how == "/declared":
        return iter([b"one", b"two"])
    if how == "/empty":
        return []
    if how == "/binary":
        return [BLOCK]
    if how == "/large":
        return large(int(environ["QUERY_STRING"]))
    return [b"one block"]
