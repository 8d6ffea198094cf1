"""The peers: each a private httpd of the distribution with the same settings, and what stands behind it."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from http.client import HTTPConnection
from pathlib import Path

from children import Child

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent
HTTPD = "/usr/sbin/apache2"
USER = "www-data"
PROCESSES = 4

# The distribution's own MPM settings (mods-available/mpm_event.conf), and keepalive without an end.
COMMON = """\
ServerRoot "{root}"
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
DefaultRuntimeDir "{root}"
PidFile "{root}/httpd.pid"
ErrorLog "{root}/error.log"
LogLevel warn
{modules}
{user}
StartServers 2
MinSpareThreads 25
MaxSpareThreads 75
ThreadLimit 64
ThreadsPerChild 25
MaxRequestWorkers 150
MaxConnectionsPerChild 0
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 30
Timeout 60
EnableSendfile On
EnableMMAP On
"""


class PeerError(Exception):
    """A peer that can't be measured, and why."""


def free_port():
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def module_folder():
    """Where the distribution keeps httpd's modules."""
    return Path(
        subprocess.run(
            ["apxs", "-q", "LIBEXECDIR"], capture_output=True, text=True, check=True
        ).stdout.strip()
    )


class Peer:
    """One peer. Subclasses say which modules, which lines, and what runs behind."""

    name = ""
    title = ""
    modules = ()
    # What it takes part in.
    works = ("hello", "gen", "file", "upload")

    def __init__(self, stage):
        self.stage = stage
        self.root = stage / self.name
        self.app = stage / "apps" / "app.py"
        self.venv = CHECKOUT / ".cache" / "bench-venv" / "bin"
        self.port = free_port()
        self.running = []
        self.paths = {"hello": "/", "gen": "/gen", "file": "/file", "upload": "/upload"}

    def lines(self):
        """Configuration lines of this peer."""
        raise NotImplementedError

    def start_backend(self):
        """Starts what stands behind httpd, if anything does."""

    def settings(self):
        """What the report says about its settings."""
        return self.lines()

    def version(self):
        """What the report says about its version."""
        raise NotImplementedError

    def start(self):
        """Starts it, and returns when it answers."""
        self.root.mkdir()
        if os.geteuid() == 0:
            account = pwd.getpwnam(USER)
            os.chown(self.root, account.pw_uid, account.pw_gid)
        self.start_backend()
        folder = module_folder()
        built_in = subprocess.run([HTTPD, "-l"], capture_output=True, text=True, check=True).stdout
        names = [n for n in ("mpm_event", "authz_core", *self.modules) if f"mod_{n}.c" not in built_in]
        configuration = COMMON.format(
            root=self.root,
            port=self.port,
            modules="\n".join(f"LoadModule {name}_module {folder}/mod_{name}.so" for name in names),
            user=f"User {USER}\nGroup {USER}" if os.geteuid() == 0 else "",
        )
        conf = self.root / "httpd.conf"
        conf.write_text(configuration + self.lines())
        self.run([HTTPD, "-DFOREGROUND", "-f", conf])
        self.wait_until_it_answers()

    def run(self, command, **options):
        """Starts one of its processes."""
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self.root)}
        self.running.append(
            Child(command, self.root / "console.log", cwd=self.root, env=environment, **options)
        )

    def wait_until_it_answers(self, limit=30):
        """Returns when / answers 200."""
        deadline = time.monotonic() + limit
        last = "no answer"
        while time.monotonic() < deadline:
            for child in self.running:
                if child.ended():
                    raise PeerError(f"{child.name} ended at its start\n{self.last_words()}")
            try:
                connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", self.paths.get("hello", "/"))
                last = connection.getresponse().status
                connection.close()
                if last == 200:
                    return
            except OSError as error:
                last = error
            time.sleep(0.1)
        raise PeerError(f"not ready within {limit} s, last: {last}\n{self.last_words()}")

    def last_words(self):
        """The end of its logs."""
        text = []
        for log in (self.root / "console.log", self.root / "error.log"):
            if log.exists():
                text += log.read_text(errors="replace").splitlines()[-15:]
        return "\n".join(text)

    def stop(self):
        """Stops all of it, httpd first; returns complaints."""
        complaints = [child.stop() for child in reversed(self.running)]
        return [f"{self.name}: {text}" for text in complaints if text]


class DoNothing(Peer):
    """A C handler that answers at once, and httpd's own static file."""

    name = "do-nothing"
    title = "httpd itself (do-nothing handler; static file)"
    works = ("hello", "file")

    def __init__(self, stage):
        super().__init__(stage)
        self.paths["file"] = "/file.bin"

    def start_backend(self):
        build = self.stage / "mod_donothing"
        shutil.copytree(HERE / "mod_donothing", build)
        done = subprocess.run(
            ["apxs", "-Wc,-O2", "-c", "mod_donothing.c"],
            cwd=build,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise PeerError(f"mod_donothing does not build\n{done.stdout}{done.stderr}")
        self.module = build / ".libs" / "mod_donothing.so"

    def lines(self):
        return (
            f"LoadModule donothing_module {self.module}\n"
            f'DocumentRoot "{self.stage}/apps"\n'
            '<LocationMatch "^/$">\n    SetHandler donothing\n</LocationMatch>\n'
        )

    def version(self):
        done = subprocess.run([HTTPD, "-v"], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()[0].split(":")[1].strip()


class Krait(Peer):
    """Us."""

    name = "krait"
    title = "mod_krait"

    def start_backend(self):
        source = CHECKOUT / "dist"
        if not (source / "mod_krait.so").exists():
            raise PeerError("no dist/mod_krait.so: run make build first")
        # A copy: readable for httpd's user wherever the checkout lies, and no build disturbs it.
        shutil.copytree(source, self.stage / "dist")
        subprocess.run(["chmod", "-R", "go+rX", self.stage / "dist"], check=True)

    def lines(self):
        return (
            f"LoadModule krait_module {self.stage}/dist/mod_krait.so\n"
            f'KraitManager "{self.stage}/dist/kraitd"\n'
            "<Location />\n"
            "    SetHandler krait\n"
            f'    KraitApp "{self.app}"\n'
            f"    KraitProcesses {PROCESSES} {PROCESSES}\n"
            "    KraitThreads 1\n"
            "</Location>\n"
        )

    def version(self):
        done = subprocess.run(
            [self.stage / "dist" / "krait", "--version"], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() or "unknown"


class ModWsgi(Peer):
    """mod_wsgi's daemon mode, as the distribution packages it."""

    name = "mod_wsgi"
    title = "mod_wsgi daemon mode"
    modules = ("wsgi",)

    def lines(self):
        user = f" user={USER} group={USER}" if os.geteuid() == 0 else ""
        return (
            f'WSGISocketPrefix "{self.root}/wsgi"\n'
            f"WSGIDaemonProcess bench processes={PROCESSES} threads=1{user}\n"
            f'WSGIScriptAlias / "{self.app}" process-group=bench application-group=%{{GLOBAL}}\n'
            "WSGIEnableSendfile On\n"
            f'<Directory "{self.stage}/apps">\n    Require all granted\n</Directory>\n'
        )

    def version(self):
        done = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", "libapache2-mod-wsgi-py3"],
            capture_output=True,
            text=True,
            check=False,
        )
        return f"mod_wsgi {done.stdout.strip() or 'not installed'}"


class Uwsgi(Peer):
    """uWSGI behind mod_proxy_uwsgi, over a unix socket."""

    name = "uwsgi"
    title = "mod_proxy_uwsgi + uWSGI"
    modules = ("proxy", "proxy_uwsgi")

    def command(self):
        """How uWSGI is started."""
        account = [f"--uid={USER}", f"--gid={USER}"] if os.geteuid() == 0 else []
        return [
            self.venv / "uwsgi",
            f"--socket={self.root}/uwsgi.sock",
            "--chmod-socket=666",
            f"--wsgi-file={self.app}",
            "--master",
            f"--processes={PROCESSES}",
            "--listen=128",
            "--disable-logging",
            "--need-app",
            "--die-on-term",
            "--no-orphans",
            *account,
        ]

    def start_backend(self):
        if not (self.venv / "uwsgi").exists():
            raise PeerError("uWSGI is not installed: run make bench, or scripts/setup.sh --bench")
        self.run(self.command())

    def lines(self):
        return (
            "ProxyIOBufferSize 65536\n"
            f'ProxyPass "/" "unix:{self.root}/uwsgi.sock|uwsgi://bench/" enablereuse=on max=25\n'
        )

    def settings(self):
        return self.lines() + show(self.command())

    def version(self):
        done = subprocess.run([self.venv / "uwsgi", "--version"], capture_output=True, text=True, check=False)
        return f"uWSGI {done.stdout.strip()}"


class Granian(Peer):
    """Granian behind mod_proxy_http."""

    name = "granian"
    title = "mod_proxy_http + granian"
    modules = ("proxy", "proxy_http")

    def __init__(self, stage):
        super().__init__(stage)
        self.backend = free_port()

    def command(self):
        """How granian is started."""
        return [
            self.venv / "granian",
            "--interface=wsgi",
            "--host=127.0.0.1",
            f"--port={self.backend}",
            f"--workers={PROCESSES}",
            "--blocking-threads=1",
            "--http=1",
            "--no-ws",
            "--log-level=warning",
            "app:application",
        ]

    def start_backend(self):
        if not (self.venv / "granian").exists():
            raise PeerError("granian is not installed: run make bench, or scripts/setup.sh --bench")
        account = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
        # It imports the application from the folder it runs in.
        (self.root / "app.py").symlink_to(self.app)
        self.run(self.command(), **account)

    def lines(self):
        return (
            "ProxyIOBufferSize 65536\n"
            f'ProxyPass "/" "http://127.0.0.1:{self.backend}/" enablereuse=on keepalive=on max=25\n'
        )

    def settings(self):
        return self.lines() + show(self.command())

    def version(self):
        done = subprocess.run(
            [self.venv / "granian", "--version"], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()


def show(command):
    """A command line for the report."""
    return " ".join([Path(command[0]).name, *map(str, command[1:])]) + "\n"


ALL = (DoNothing, Krait, ModWsgi, Uwsgi, Granian)
