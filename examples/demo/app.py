"""The demo: one page that shows what a WSGI application gets to see. Needs nothing but Python.

/            the page
/facts       the same as JSON
/echo        the request's body, sent back as it came
/blocks?n=N  N blocks of 64 KiB, produced one by one
/file        this file, through wsgi.file_wrapper
"""

import html
import json
import os
import pwd
import sys
import threading
import time
from urllib.parse import parse_qs

STARTED = time.time()
BLOCK = bytes(range(256)) * 256

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>mod_krait demo</title>
<style>
  :root {{ color-scheme: light dark; }}
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }}
  h2 {{ font-size: 1.1rem; margin-top: 2rem; }}
  table {{ border-collapse: collapse; width: 100%; }}
  th, td {{ text-align: left; vertical-align: top; padding: .2rem .5rem; border-top: 1px solid #8884; }}
  th {{ font-weight: 500; white-space: nowrap; }}
  td {{ font-family: ui-monospace, monospace; font-size: .85rem; overflow-wrap: anywhere; }}
</style>
<h1>It works.</h1>
<p>This page was made by Python {version}, in process {pid} of user {user}, under {server}. Edit
<code>{file}</code>, reload, and see it change; break it, and the old version keeps serving.</p>
{tables}
</html>
"""


def user_name():
    """Who this process runs as."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def facts(environ):
    """All there is to show, in three groups."""
    return {
        "Process": {
            "pid": os.getpid(),
            "user": user_name(),
            "uid": os.getuid(),
            "python": sys.version.split()[0],
            "executable": sys.executable,
            "folder": os.getcwd(),
            "threads": threading.active_count(),
            "imported": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(STARTED)),
        },
        "WSGI": {name: plain(environ[name]) for name in sorted(environ) if name.startswith("wsgi.")},
        "Request": {name: environ[name] for name in sorted(environ) if isinstance(environ[name], str)},
    }


def plain(value):
    """A value that JSON can carry."""
    return value if isinstance(value, (str, int, list, tuple)) else repr(value)


def table(title, rows):
    """One group as HTML."""
    cells = "\n".join(
        f"<tr><th>{html.escape(name)}<td>{html.escape(str(value))}" for name, value in rows.items()
    )
    return f"<h2>{title}</h2>\n<table>\n{cells}\n</table>"


def home(environ, start_response):
    """The page."""
    groups = facts(environ)
    body = PAGE.format(
        version=groups["Process"]["python"],
        pid=os.getpid(),
        user=html.escape(user_name()),
        server=html.escape(environ.get("SERVER_SOFTWARE", "an unknown server")),
        file=html.escape(__file__),
        tables="\n".join(table(title, rows) for title, rows in groups.items()),
    ).encode()
    return answer(start_response, "text/html; charset=utf-8", body)


def as_json(environ, start_response):
    """The facts for programs."""
    return answer(start_response, "application/json", json.dumps(facts(environ), indent=2).encode())


def echo(environ, start_response):
    """The body of the request, block by block, without ever holding all of it."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return iter(lambda: environ["wsgi.input"].read(65536), b"")


def blocks(environ, start_response):
    """A large answer."""
    count = int(parse_qs(environ.get("QUERY_STRING", "")).get("n", ["1"])[0])
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return (BLOCK for _ in range(count))


def this_file(environ, start_response):
    """A file that the server can send by itself."""
    source = open(__file__, "rb")  # noqa: SIM115 - the server closes it
    start_response(
        "200 OK", [("Content-Type", "text/x-python"), ("Content-Length", str(os.path.getsize(__file__)))]
    )
    return environ.get("wsgi.file_wrapper", iter_file)(source)


def iter_file(source):
    """What stands in for wsgi.file_wrapper where a server has none."""
    with source:
        yield from iter(lambda: source.read(65536), b"")


def answer(start_response, kind, body, status="200 OK"):
    """A small answer."""
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


PATHS = {"": home, "/": home, "/facts": as_json, "/echo": echo, "/blocks": blocks, "/file": this_file}


def application(environ, start_response):
    """The WSGI application."""
    page = PATHS.get(environ.get("PATH_INFO", ""))
    if page is None:
        return answer(
            start_response, "text/plain; charset=utf-8", b"There is no such page.\n", "404 Not Found"
        )
    return page(environ, start_response)


if __name__ == "__main__":
    from wsgiref.simple_server import make_server

    make_server("127.0.0.1", 8000, application).serve_forever()
