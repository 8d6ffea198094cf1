"""`krait serve` as a child process."""

import os
import re
import signal
import subprocess
from pathlib import Path

from . import processes
from .leftovers import Leftovers
from .stage import Stage, become
from .waiting import DeadlinePassed, until


class Serve:
    """One run of `krait serve`; output is collected in a file."""

    def __init__(self, stage: Stage, *words, user=None, cwd="/", env=None) -> None:
        self.folder = stage.folder("serve")
        self._output = self.folder / "output.txt"
        self._relatives: dict[processes.Identity, str] = {}
        command = [str(stage.dist / "krait"), "serve", *map(str, words)]
        own = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TMPDIR": str(stage.tmp), "HOME": "/"}
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**own, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **(become(user) if user else {}),
            )

    def output(self) -> str:
        """What it wrote so far."""
        return self._output.read_text(errors="replace")

    def ready(self, deadline: float = 30) -> str:
        """Waits until it says that it serves; returns the URL that it names, without a slash at its end."""

        def look():
            if self.process.poll() is not None:
                raise AssertionError(f"krait serve ended with {self.process.returncode}:\n{self.output()}")
            return re.search(r"serving .* at (http://\S+)", self.output())

        url = until(look, deadline, f"krait serve is ready:\n{self.output()}")[1].rstrip("/")
        self.note()
        return url

    def note(self) -> None:
        """Remembers every process of it."""
        self._relatives.update(processes.family(self.process.pid))

    def wait(self, deadline: float = 30) -> int:
        """Waits for its end; returns the exit code."""
        try:
            code = self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.note()
            raise DeadlinePassed(f"krait serve did not end within {deadline} s:\n{self.output()}") from None
        return code

    def interrupt(self, number: int = signal.SIGINT, deadline: float = 30) -> int:
        """Ctrl-C; returns the exit code."""
        self.note()
        self.process.send_signal(number)
        return self.wait(deadline)

    def check(self) -> None:
        """Fails if anything of it is left; ends what is."""
        if self.process.poll() is None:
            self.note()
            self.process.kill()
            self.process.wait()
        trouble = []
        try:
            until(self._gone, 10, "everything ends")
        except DeadlinePassed:
            for identity, text in self._relatives.items():
                if processes.alive(identity):
                    trouble.append(f"outlived krait serve: {text}")
                    os.kill(identity[0], signal.SIGKILL)
        if trouble:
            raise Leftovers("\n".join([*trouble, self.output()]))

    def _gone(self) -> bool:
        return not any(processes.alive(identity) for identity in self._relatives)


def once(stage: Stage, *words, cwd="/", deadline: float = 60, **options) -> tuple[int, str]:
    """A run that is expected to end by itself: exit code and output."""
    serve = Serve(stage, *words, cwd=str(Path(cwd)), **options)
    try:
        return serve.wait(deadline), serve.output()
    finally:
        serve.check()
