"""Requests that wait inside an application until the test lets them go (see tests/apps/slow)."""

import concurrent.futures
import os

from .waiting import until


class Held:
    """Requests in the background that the slow application holds."""

    def __init__(self, server, folder, path="/slow") -> None:
        self._server, self._folder, self._path = server, folder, path
        self._pool = concurrent.futures.ThreadPoolExecutor(16)
        self.answers = []

    def ask(self, path=None):
        """One more request."""
        url = f"{path or self._path}?{self._folder}"
        self.answers.append(self._pool.submit(self._server.get, url, timeout=60))
        return self.answers[-1]

    def began(self, count, deadline=20) -> list[int]:
        """Waits until so many have begun; their processes."""

        def files():
            names = [name for name in os.listdir(self._folder) if name.startswith("began-")]
            return names if len(names) >= count else None

        return [int(name.split("-")[1]) for name in until(files, deadline, f"{count} requests have begun")]

    def release(self) -> list:
        """Lets all go on; their answers."""
        (self._folder / "go").touch()
        answers = [future.result(60) for future in self.answers]
        self._pool.shutdown()
        return answers
