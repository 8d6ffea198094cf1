"""What a server must not leave behind: processes, shared memory, semaphores, temporary files."""

import os
from pathlib import Path

from . import processes
from .waiting import DeadlinePassed, until

WATCHED_NAMES = ("krait", "mod_krait", ".krait")


class Leftovers(AssertionError):
    """Something was left behind or complained."""


class Watch:
    """Compares the machine with how it was at the start of the run."""

    def __init__(self, root: Path, tmp: Path) -> None:
        self.root = root
        self.tmp = tmp
        self._before = self._things()

    def _things(self) -> set[str]:
        """Named things outside any process."""
        found = {f"/dev/shm/{name}" for name in os.listdir("/dev/shm")}
        for folder in ("/tmp", "/run", "/var/run", "/var/lock"):
            if os.path.isdir(folder):
                # Sockets, pipes and files; folders with such names may be other tests' that run at this time.
                entries = [entry for entry in os.scandir(folder) if entry.name.startswith(WATCHED_NAMES)]
                found |= {entry.path for entry in entries if not entry.is_dir(follow_symlinks=False)}
        for kind in ("shm", "sem", "msg"):
            try:
                lines = Path(f"/proc/sysvipc/{kind}").read_text().splitlines()[1:]
            except OSError:
                continue
            found |= {f"System V {kind} {line.split()[1]}" for line in lines}
        return found

    def complaints(self, live: set[int], patience: float = 5) -> list[str]:
        """What is left although no server in `live` (their parents' process ids) owns it."""

        def strangers():
            found = processes.touching(str(self.root))
            # Looked at after the others, so that nobody who was born in between is a stranger.
            owned = {identity[0] for pid in live for identity in processes.family(pid)}
            return {pid: text for pid, text in found.items() if pid not in owned and processes.pid_alive(pid)}

        found = []
        try:
            until(lambda: not strangers(), patience, "processes of stopped servers end")
        except DeadlinePassed:
            found += [f"process left behind: {text}" for text in strangers().values()]
        if not live:
            found += [f"left behind: {name}" for name in sorted(self._things() - self._before)]
            found += [f"temporary file left behind: {name}" for name in sorted(os.listdir(self.tmp))]
        return found
