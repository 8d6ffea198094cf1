"""Bounded load on 127.0.0.1."""

import re
import subprocess
import threading

from .raw import Connection, get


class LightLoad:
    """A few threads that ask one request after the other, each on a new connection, until told to stop."""

    def __init__(self, port: int, path: str, wanted: bytes, threads: int = 2, pause: float = 0.005) -> None:
        self.answered = 0
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._request = (port, get(path, "Connection: close"), wanted, pause)
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def __enter__(self) -> "LightLoad":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self) -> None:
        port, request, wanted, pause = self._request
        while not self._stop.wait(pause):
            try:
                with Connection(port) as connection:
                    connection.send(request)
                    answer = connection.answer()
                trouble = (
                    None
                    if (answer.status, answer.body) == (200, wanted)
                    else f"{answer.status} {answer.body!r}"
                )
            except Exception as error:
                trouble = repr(error)
            with self._lock:
                self.answered += 1
                if trouble:
                    self.failures.append(trouble)


def many(port: int, path: str, count: int, connections: int = 2) -> float:
    """`count` keep-alive requests with ab (it comes with httpd), none may fail; requests per second."""
    command = ["ab", "-q", "-k", "-n", str(count), "-c", str(connections), f"http://127.0.0.1:{port}{path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(rf"Complete requests:\s+{count}\b", done.stdout), done.stdout
    assert re.search(r"Failed requests:\s+0\b", done.stdout), done.stdout
    assert "Non-2xx" not in done.stdout, done.stdout
    return float(re.search(r"Requests per second:\s+([\d.]+)", done.stdout)[1])
