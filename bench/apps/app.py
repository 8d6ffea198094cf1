"""The application that every peer of the benchmark runs.

/         hello
/gen      100 MB, generated in blocks of 64 KiB
/file     100 MB from file.bin beside this file, through wsgi.file_wrapper where the server has one
/upload   reads the whole body in blocks of 64 KiB and answers with its length
"""

import os

BLOCK = bytes(range(256)) * 256
BLOCKS = 1526  # 100,007,936 bytes
HELLO = b"Hello, world!\n"
FILE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "file.bin")


def generate():
    """The large answer, one block at a time."""
    for _ in range(BLOCKS):
        yield BLOCK


def read_blocks(source):
    """What stands in where a server has no wsgi.file_wrapper."""
    with source:
        while block := source.read(65536):
            yield block


def application(environ, start_response):
    """The WSGI application."""
    path = environ.get("PATH_INFO", "")
    if path == "/gen":
        start_response(
            "200 OK",
            [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(BLOCK) * BLOCKS))],
        )
        return generate()
    if path == "/file":
        source = open(FILE, "rb")  # noqa: SIM115 - the server closes it
        start_response(
            "200 OK",
            [("Content-Type", "application/octet-stream"), ("Content-Length", str(os.path.getsize(FILE)))],
        )
        return environ.get("wsgi.file_wrapper", read_blocks)(source)
    if path == "/upload":
        length = 0
        while block := environ["wsgi.input"].read(65536):
            length += len(block)
        body = b"%d\n" % length
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(HELLO)))])
    return [HELLO]
