"""A client that sends exact bytes and sees exactly what comes back."""

import socket
from dataclasses import dataclass, field


@dataclass
class Answer:
    """One HTTP/1 answer as it stood on the wire."""

    status: int
    reason: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    # False: the connection ended before the body did.
    complete: bool = True

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def one(self, name: str):
        """The value of a header that occurs at most once."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} occurs {len(values)} times"
        return values[0] if values else None


class Ended(Exception):
    """The server closed the connection."""


class Connection:
    """A TCP connection to 127.0.0.1."""

    def __init__(self, port: int, timeout: float = 30) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._have = b""

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Sends bytes."""
        self.socket.sendall(data)

    def _more(self) -> None:
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Ended
        self._have += data

    def line(self) -> bytes:
        """The next line without its end."""
        while b"\r\n" not in self._have:
            self._more()
        line, self._have = self._have.split(b"\r\n", 1)
        return line

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        parts, missing = [], count
        while missing > len(self._have):
            parts.append(self._have)
            missing -= len(self._have)
            self._have = b""
            self._more()
        parts.append(self._have[:missing])
        self._have = self._have[missing:]
        return b"".join(parts)

    def at_end(self) -> bool:
        """Whether the server closes the connection without another byte."""
        if self._have:
            return False
        try:
            self._more()
        except Ended:
            return True
        return False

    def head(self) -> Answer:
        """The status line and headers of the next answer."""
        version, status, reason = (self.line().decode("latin-1") + "  ").split(" ", 2)
        assert version.startswith("HTTP/1."), version
        answer = Answer(int(status), reason.strip())
        while line := self.line():
            name, _, value = line.decode("latin-1").partition(":")
            answer.headers.append((name, value.strip()))
        return answer

    def chunk(self) -> bytes:
        """One chunk of a chunked body; empty at its end."""
        size = int(self.line().split(b";")[0], 16)
        data = self.take(size)
        self.line()
        return data

    def answer(self, method: str = "GET") -> Answer:
        """A whole answer."""
        answer = self.head()
        if method == "HEAD" or answer.status in (204, 304) or answer.status < 200:
            return answer
        parts = []
        try:
            if (answer.one("Transfer-Encoding") or "").lower() == "chunked":
                while data := self.chunk():
                    parts.append(data)
            elif answer.one("Content-Length") is not None:
                missing = int(answer.one("Content-Length"))
                while missing:
                    if not self._have:
                        self._more()
                    parts.append(self.take(min(missing, len(self._have))))
                    missing -= len(parts[-1])
            else:
                while True:
                    parts.append(self._have)
                    self._have = b""
                    self._more()
        except Ended:
            answer.complete = answer.one("Transfer-Encoding") is None and answer.one("Content-Length") is None
        answer.body = b"".join(parts)
        return answer


def exchange(port: int, request: bytes, timeout: float = 30) -> Answer:
    """Sends one request on its own connection and reads the answer."""
    with Connection(port, timeout) as connection:
        connection.send(request)
        return connection.answer(request.split(b" ", 1)[0].decode("latin-1"))


def get(path: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    """The bytes of a request without a body."""
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")
