"""The configuration of the private httpd, and the lines that put an application into it.

KRAIT_TEST_PEER=mod_wsgi runs the same applications under Debian's mod_wsgi: it shows whether a failing test
is wrong or we are. Only what goes through `mount` can be run that way.
"""

import functools
import os
import subprocess
from pathlib import Path

from .stage import IS_ROOT, httpd_user

PEER = os.environ.get("KRAIT_TEST_PEER", "krait")
# What else a logged traceback consists of, when each of its lines is a line of the log.
TRACEBACK_LINES = (
    r"Traceback \(most recent",
    r'File ".*, line \d+, in ',
    r"\](?: KRT\d{4}:.*)?\s{3,}\S",
    r"\](?: KRT\d{4}:)?\s*$",
    r"KRT\d{4}: the application raised",
    r"ERROR in app: Exception on",
    r"mod_wsgi \(pid=\d+\): Exception",
)
# The order in which the longer of two paths wins: a later Location, but an earlier WSGIScriptAlias.
MOUNT_ORDER = 1 if PEER == "mod_wsgi" else -1
MPMS = tuple(os.environ.get("KRAIT_TEST_MPMS", "event worker prefork").split())
MODULES = ("authz_core", "authz_host", "alias", "dir", "mime", "env", "setenvif", "headers", "rewrite")

_CHILDREN = {
    "event": "StartServers 2\nServerLimit 16\nThreadsPerChild 25\nMaxRequestWorkers 100",
    "worker": "StartServers 2\nServerLimit 16\nThreadsPerChild 25\nMaxRequestWorkers 100",
    "prefork": "StartServers 4\nServerLimit 64\nMaxRequestWorkers 64",
}


@functools.cache
def libexecdir() -> Path:
    """Where the distribution keeps httpd's modules."""
    answer = subprocess.run(["apxs", "-q", "LIBEXECDIR"], capture_output=True, text=True, check=True)
    return Path(answer.stdout.strip())


@functools.cache
def built_in() -> str:
    """What is compiled into httpd."""
    from .stage import APACHE

    return subprocess.run([APACHE, "-l"], capture_output=True, text=True, check=False).stdout


def load_modules(names) -> str:
    """LoadModule lines for httpd's own modules."""
    wanted = [name for name in names if f"mod_{name}.c" not in built_in()]
    return "\n".join(f"LoadModule {name}_module {libexecdir()}/mod_{name}.so" for name in wanted)


def base(root: Path, port: int, mpm: str, modules=(), children: str = "") -> str:
    """Everything a private httpd needs before the test's own lines."""
    user = f"User {httpd_user()}\nGroup {httpd_user()}" if IS_ROOT else ""
    return f"""\
ServerRoot "{root}"
ServerName localhost
DefaultRuntimeDir "{root}/run"
PidFile "{root}/run/httpd.pid"
ErrorLog "{root}/error.log"
{load_modules([f"mpm_{mpm}", *MODULES, *modules])}
{user}
LogLevel notice
Listen 127.0.0.1:{port}
{children or _CHILDREN[mpm]}
MaxConnectionsPerChild 0
MaxKeepAliveRequests 0
KeepAliveTimeout 15
Timeout 60
TypesConfig /etc/mime.types
DocumentRoot "{root}/htdocs"
"""


def load_gateway(dist: Path) -> str:
    """The LoadModule line of the module under test."""
    if PEER == "mod_wsgi":
        return f"LoadModule wsgi_module {libexecdir()}/mod_wsgi.so"
    lines = [f'LoadModule krait_module "{dist}/mod_krait.so"', f'KraitManager "{dist}/kraitd"']
    return "\n".join([*lines, "LogLevel notice krait:info"])


def mount(url: str, app, python=None, extra: str = "", python_path="") -> str:
    """Configuration lines that mount an application at a URL path."""
    if PEER == "mod_wsgi":
        group = f"g{abs(hash((url, str(app)))):x}"
        home = f" python-home={Path(python).parent.parent}" if python else ""
        home += f" python-path={python_path}" if python_path else ""
        return (
            f"WSGIDaemonProcess {group} processes=1 threads=4 display-name=%{{GROUP}}{home}\n"
            f'WSGIScriptAlias "{url}" "{app}" process-group={group} application-group=%{{GLOBAL}}\n'
        )
    named = f'KraitPython "{python}"\n' if python else ""
    return f'<Location "{url}">\nSetHandler krait\nKraitApp "{app}"\n{named}{extra}\n</Location>\n'


def vhost(name: str, port: int, body: str) -> str:
    """A virtual host chosen by the Host header."""
    return f"<VirtualHost 127.0.0.1:{port}>\nServerName {name}\n{body}\n</VirtualHost>\n"
