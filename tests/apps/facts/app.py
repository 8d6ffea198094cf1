"""Tells what the application sees: environ, process, interpreter."""

import json
import os
import sys
import threading

AT_IMPORT = dict(os.environ)


def application(environ, start_response):
    """The facts as JSON."""
    facts = {
        "environ": {name: value for name, value in environ.items() if isinstance(value, str)},
        "types": {name: type(value).__name__ for name, value in environ.items()},
        "environ_type": type(environ).__name__,
        "wsgi": {name: environ[name] for name in environ if name.startswith("wsgi.multi")},
        "wsgi_version": list(environ["wsgi.version"]),
        "run_once": environ["wsgi.run_once"],
        "pid": os.getpid(),
        "uid": os.getuid(),
        "gid": os.getgid(),
        "groups": os.getgroups(),
        "cwd": os.getcwd(),
        "main_thread": threading.current_thread() is threading.main_thread(),
        "at_import": AT_IMPORT,
        "version": sys.version,
        "version_info": list(sys.version_info[:3]),
        "executable": sys.executable,
        "prefix": sys.prefix,
        "path": sys.path,
        "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd")),
    }
    body = json.dumps(facts).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


class Other:
    """Other names for the callable, one of them reached through a dot."""

    @staticmethod
    def nested(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"nested"]


def other(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"other"]
