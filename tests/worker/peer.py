"""Plays the manager and the httpd child towards a real zygote and its workers."""

import array
import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import postcard

ROOT = Path(__file__).resolve().parents[2]
STUB = (ROOT / "src/worker/python/krait/_stub.py").read_text()
DEADLINE = 20.0
# The interpreter that zygotes run; these tests themselves may run with any other.
PYTHON = os.environ.get("KRAIT_TEST_PYTHON", sys.executable)

REQUEST, BODY, BODY_END = 1, 2, 3
HEAD, DATA, END, READ, LOG, FILE = 16, 17, 18, 19, 20, 21
COMPLETE, FAILED = 0, 1
HTTPS = 1

BASE = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/",
    "QUERY_STRING": "",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_HOST": "localhost",
}


def _names() -> list[str]:
    source = (ROOT / "src/protocol/src/names.rs").read_text()
    table = source.split("NAMES: &[&str] = &[")[1].split("];")[0]
    return [line.strip().strip('",') for line in table.strip().splitlines()]


CODES = {name: code for code, name in enumerate(_names()) if name}


def frame(kind: int, payload: bytes = b"", code: int = 0) -> bytes:
    return struct.pack("<IBBH", len(payload), kind, code, 0) + payload


def request_frame(variables, body=None, request_id=1, flags=0) -> bytes:
    """``body``: None, bytes (inline), an int (known length, pulled) or "unknown"."""
    if body is None:
        mode, length, inline = 0, 0, b""
    elif isinstance(body, bytes):
        mode, length, inline = 1, len(body), body
    elif isinstance(body, int):
        mode, length, inline = 2, body, b""
    else:
        mode, length, inline = 3, 0, b""
    out = [struct.pack("<QQBBH", request_id, length, mode, flags, len(variables))]
    for name, value in variables.items():
        code = CODES.get(name, 0)
        out.append(bytes([code]))
        if not code:
            raw = name.encode("latin-1")
            out.append(struct.pack("<H", len(raw)) + raw)
        raw = value if isinstance(value, bytes) else value.encode("latin-1")
        out.append(struct.pack("<I", len(raw)) + raw)
    return frame(REQUEST, b"".join(out) + inline)


@dataclass
class Answer:
    status: "int | None" = None
    reason: str = ""
    headers: list = field(default_factory=list)
    body: bytes = b""
    logs: list = field(default_factory=list)
    outcome: "int | None" = None
    kinds: list = field(default_factory=list)
    receives: int = 0
    file: "tuple | None" = None

    @property
    def log(self) -> str:
        return "\n".join(self.logs)

    def header(self, name: str):
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return found[0] if found else None


class Slot:
    """The httpd child's end of a slot."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        end.settimeout(DEADLINE)
        self.buffer = b""
        self.files: list[int] = []
        self.receives = 0

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def request(self, path="/", body=None, flags=0, request_id=1, **variables) -> None:
        self.send(request_frame({**BASE, "PATH_INFO": path, **variables}, body, request_id, flags))

    def _more(self) -> bool:
        data, control, _, _ = self.socket.recvmsg(1 << 20, socket.CMSG_SPACE(16))
        for _, _, raw in control:
            descriptors = array.array("i")
            descriptors.frombytes(raw[: len(raw) - len(raw) % 4])
            self.files += descriptors
        self.receives += 1
        self.buffer += data
        return bool(data)

    def frame(self):
        """The next frame's kind, code and payload; None at the end."""
        while len(self.buffer) < 8 or len(self.buffer) < 8 + struct.unpack_from("<I", self.buffer)[0]:
            if not self._more():
                assert not self.buffer, "a frame was cut"
                return None
        length, kind, code, zero = struct.unpack_from("<IBBH", self.buffer)
        assert zero == 0
        payload, self.buffer = self.buffer[8 : 8 + length], self.buffer[8 + length :]
        return kind, code, payload

    def answer(self, body=b"", end=0) -> Answer:
        """Receives until END, giving ``body`` (bytes, or an iterator of blocks) to whoever reads."""
        blocks = iter([body] if isinstance(body, bytes) and body else body)
        answer = Answer()
        self.receives = 0
        rest = b""
        while True:
            got = self.frame()
            assert got is not None, f"the slot ended early: {answer}"
            kind, code, payload = got
            answer.kinds.append(kind)
            if kind == HEAD:
                assert answer.status is None
                self._head(answer, payload)
            elif kind == DATA:
                answer.body += payload
            elif kind == LOG:
                answer.logs.append(payload.decode())
            elif kind == FILE:
                offset, length = struct.unpack("<QQ", payload)
                descriptor = self.files.pop(0)
                answer.file = (offset, length)
                answer.body += os.pread(descriptor, length, offset)
                os.close(descriptor)
            elif kind == READ:
                (wanted,) = struct.unpack("<I", payload)
                rest = rest or next(blocks, b"")
                if rest:
                    part, rest = rest[:wanted], rest[wanted:]
                    self.send(frame(BODY, part))
                else:
                    self.send(frame(BODY_END, code=end))
            elif kind == END:
                answer.outcome = code
                answer.receives = self.receives
                return answer
            else:
                raise AssertionError(f"frame of kind {kind}")

    @staticmethod
    def _head(answer: Answer, payload: bytes) -> None:
        answer.status, length = struct.unpack_from("<HH", payload)
        at = 4 + length
        answer.reason = payload[4:at].decode("latin-1")
        (count,) = struct.unpack_from("<H", payload, at)
        at += 2
        for _ in range(count):
            (length,) = struct.unpack_from("<H", payload, at)
            name = payload[at + 2 : at + 2 + length].decode("latin-1")
            at += 2 + length
            (length,) = struct.unpack_from("<I", payload, at)
            answer.headers.append((name, payload[at + 4 : at + 4 + length].decode("latin-1")))
            at += 4 + length
        assert at == len(payload)

    def get(self, path="/", body=None, given=b"", end=0, **variables) -> Answer:
        self.request(path, body, **variables)
        return self.answer(given, end)

    def shut_down(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.socket.close()
        for descriptor in self.files:
            os.close(descriptor)


def packets():
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def streams():
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)


def receive(channel: socket.socket):
    data = channel.recv(1 << 18)
    return data or None


class Worker:
    def __init__(self, zygote: "Zygote", number: int, slots: int) -> None:
        self.zygote = zygote
        self.number = number
        self.control, theirs = packets()
        self.control.settimeout(DEADLINE)
        pairs = [streams() for _ in range(slots)]
        self.slots = [Slot(ours) for ours, _ in pairs]
        ends = [theirs, *(end for _, end in pairs)]
        socket.send_fds(zygote.control, [postcard.fork(number)], [end.fileno() for end in ends])
        for end in ends:
            end.close()
        kind, value = zygote.message()
        assert kind == "forked", (kind, value)
        assert value[0] == number
        self.pid = value[1]

    def message(self):
        data = receive(self.control)
        return data and postcard.from_worker(data)

    def renew(self, index: int) -> Slot:
        """Gives a broken slot a new pair."""
        ours, theirs = streams()
        socket.send_fds(self.control, [postcard.slot(index)], [theirs.fileno()])
        theirs.close()
        self.slots[index] = Slot(ours)
        return self.slots[index]

    def stop(self) -> int:
        """Stops it as the manager does; its wait status."""
        self.control.send(postcard.WORKER_STOP)
        for slot in self.slots:
            slot.shut_down()
        return self.status()

    def status(self) -> int:
        """Waits for its end."""
        kind, value = self.zygote.message()
        assert (kind, value[0]) == ("exited", self.number), (kind, value)
        return value[1]

    def close(self) -> None:
        self.control.close()
        for slot in self.slots:
            slot.close()


class Zygote:
    def __init__(
        self, package: Path, folder: Path, python: str = PYTHON, env=None, cwd=None, user=None
    ) -> None:
        self.control, theirs = packets()
        self.control.settimeout(DEADLINE)
        self.errors_path = folder / "stderr"
        self.number = 0
        self.workers: list[Worker] = []
        end = theirs.fileno()

        def place() -> None:
            os.dup2(end, 3)
            if end == 3:
                os.set_inheritable(3, True)

        with open(self.errors_path, "ab") as errors:
            self.process = subprocess.Popen(
                [python, "-c", STUB, str(package)],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                pass_fds=(3,),
                preexec_fn=place,
                cwd=cwd or folder,
                env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **(env or {})},
                start_new_session=True,
                **({} if user is None else {"user": user, "group": user, "extra_groups": []}),
            )
        theirs.close()

    def boot(self, **fields) -> None:
        self.control.send(postcard.boot(**fields))

    def message(self):
        data = receive(self.control)
        return data and postcard.from_zygote(data)

    def outcome(self):
        """The first message that is no step, and the steps before it."""
        steps = []
        while True:
            message = self.message()
            if message is None or message[0] != "step":
                return message, steps
            steps.append(message[1])

    def fork(self, slots: int = 1) -> Worker:
        self.number += 1
        worker = Worker(self, self.number, slots)
        self.workers.append(worker)
        return worker

    def errors(self) -> str:
        return self.errors_path.read_text(errors="replace")

    def end(self) -> None:
        """Ends everything that may be left of it."""
        for worker in self.workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
            worker.close()
        self.process.kill()
        self.process.wait(DEADLINE)
        self.control.close()
