"""A private httpd in a temporary server root."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil
import requests

from . import conf as configuration
from . import processes
from .errorlog import ErrorLog
from .leftovers import Leftovers
from .stage import APACHE, Stage
from .waiting import DeadlinePassed, until

# httpd's notice when a configuration is in force: event and worker, then prefork.
RUNNING = r"AH00489|AH00163|AH00292|resuming normal operations"


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Httpd:
    """One httpd, on a port of its own; `modules` and `children` (MPM sizes) change what it is made of."""

    def __init__(
        self, stage: Stage, mpm: str = "event", modules=(), children: str = "", gateway=None
    ) -> None:
        self.stage = stage
        self.mpm = mpm
        self.port = free_port()
        self.root = stage.folder(f"httpd-{mpm}")
        for name in ("run", "htdocs"):
            (self.root / name).mkdir()
        self.docroot = self.root / "htdocs"
        self.conf_file = self.root / "httpd.conf"
        self.log = ErrorLog(self.root / "error.log")
        self.process: subprocess.Popen | None = None
        self.extra_environment: dict[str, str] = {}
        self._modules = modules
        self._children = children
        self._gateway = configuration.load_gateway(stage.dist) if gateway is None else gateway
        self._relatives: dict[processes.Identity, str] = {}
        (self.docroot / "static.txt").write_text("a static file\n")

    # Configuration

    def configure(self, *lines: str) -> "Httpd":
        """Writes the configuration file."""
        head = configuration.base(self.root, self.port, self.mpm, self._modules, self._children)
        self.conf_file.write_text("\n".join([head, self._gateway, *lines, ""]))
        return self

    def command(self, *options: str) -> list[str]:
        """The command line of this httpd."""
        return [APACHE, "-f", str(self.conf_file), "-d", str(self.root), *options]

    def environment(self) -> dict[str, str]:
        """What httpd is started with."""
        own = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TMPDIR": str(self.stage.tmp)}
        return {**own, **self.extra_environment}

    def run(self, *options: str) -> tuple[int, str]:
        """Runs httpd with options that make it end by itself (-t, -S); returns exit code and output."""
        done = subprocess.run(
            self.command(*options),
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    # Life

    def start(self, *options: str) -> "Httpd":
        """Starts httpd and waits until it serves."""
        assert self.process is None, "already started"
        console = (self.root / "console.txt").open("wb")
        command = self.command(*(options or ("-DFOREGROUND",)))
        since = self.log.mark()
        with console:
            self.process = subprocess.Popen(
                command, env=self.environment(), stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                cwd="/", start_new_session=True,
            )  # fmt: skip
        # A single process writes no such notice.
        ready = self._accepts if "-X" in options else lambda: self._serving(since)
        until(ready, 30, "httpd serves")
        return self

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _serving(self, since: int) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(
                f"httpd ended with {self.process.returncode}:\n{self.console()}{self.log.text()}"
            )
        return self.log.count(RUNNING, since) > 0

    def console(self) -> str:
        """What httpd wrote to its standard output and error."""
        return (self.root / "console.txt").read_text(errors="replace")

    @property
    def pid(self) -> int:
        """The httpd parent."""
        assert self.process is not None, "not started"
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether the httpd parent lives."""
        return self.process is not None and self.process.poll() is None

    def graceful(self, deadline: float = 30) -> None:
        """A graceful restart, until the new configuration is in force."""
        self._signal_and_wait(signal.SIGUSR1, deadline)

    def restart(self, deadline: float = 30) -> None:
        """A hard restart, until the new configuration is in force."""
        self._signal_and_wait(signal.SIGHUP, deadline)

    def _signal_and_wait(self, number: int, deadline: float) -> None:
        self._note_relatives()
        since = self.log.mark()
        self.process.send_signal(number)
        until(lambda: self._serving(since), deadline, f"httpd restarts after signal {number}")

    def stop(self, number: int = signal.SIGTERM, deadline: float = 30, leave: float = 10) -> None:
        """Ends httpd; fails if it is not gone in time, or anything it started `leave` seconds later."""
        if self.process is None:
            return
        self._note_relatives()
        trouble = []
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(deadline)
            if code != 0:
                trouble.append(f"httpd ended with {code}: {self.console()}")
        except subprocess.TimeoutExpired:
            trouble.append(f"httpd did not end within {deadline} s")
            self.process.kill()
            self.process.wait()
        try:
            until(lambda: not self._survivors(), leave, "everything that httpd started ends")
        except DeadlinePassed:
            trouble += [f"outlived httpd by {leave} s: {text}" for text in self._survivors().values()]
            for pid, _ in self._survivors():
                os.kill(pid, signal.SIGKILL)
        trouble += self.log.audit()
        self.process = None
        if trouble:
            raise Leftovers("\n".join([*trouble, f"(configuration and logs: {self.root})"]))

    def _note_relatives(self) -> None:
        self._relatives.update(processes.family(self.pid))

    def _survivors(self) -> dict[processes.Identity, str]:
        return {identity: text for identity, text in self._relatives.items() if processes.alive(identity)}

    def audit(self) -> list[str]:
        """Complaints after a test while the server goes on running."""
        if not self.running:
            return [] if self.process is None else [f"httpd ended by itself with {self.process.returncode}"]
        self._note_relatives()
        complaints = self.log.audit()
        try:
            until(lambda: not processes.zombies(self.pid), 5, "no zombies")
        except DeadlinePassed:
            complaints += [f"not waited for: {text}" for text in processes.zombies(self.pid)]
        return complaints

    # Who is who

    def kraitd(self) -> psutil.Process:
        """The manager, once it runs."""
        return until(lambda: next(iter(self._kraitds()), None), 10, "kraitd runs")

    def _kraitds(self) -> list[psutil.Process]:
        found = []
        for child in psutil.Process(self.pid).children():
            try:
                if Path(child.exe()).name == "kraitd":
                    found.append(child)
            except psutil.Error:
                continue
        return found

    def children(self) -> list[psutil.Process]:
        """httpd's own children."""
        found = []
        for child in psutil.Process(self.pid).children():
            try:
                if Path(child.exe()).name == Path(APACHE).resolve().name:
                    found.append(child)
            except psutil.Error:
                continue
        return found

    # Requests

    def url(self, path: str = "/") -> str:
        """The full URL of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def request(self, method: str, path: str, **options) -> requests.Response:
        """One request on a connection of its own; redirects are not followed unless asked for."""
        options.setdefault("timeout", 30)
        options.setdefault("allow_redirects", False)
        host = options.pop("host", None)
        if host:
            options["headers"] = {**options.get("headers", {}), "Host": host}
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, self.url(path), **options)

    def get(self, path: str = "/", **options) -> requests.Response:
        """A GET request."""
        return self.request("GET", path, **options)

    def post(self, path: str = "/", **options) -> requests.Response:
        """A POST request."""
        return self.request("POST", path, **options)

    def wait_for_answer(self, path: str, status: int = 200, deadline: float = 20) -> requests.Response:
        """Asks until the status comes."""
        end = time.monotonic() + deadline
        while True:
            answer = self.get(path)
            if answer.status_code == status or time.monotonic() > end:
                assert answer.status_code == status, answer.text
                return answer
            time.sleep(0.05)
