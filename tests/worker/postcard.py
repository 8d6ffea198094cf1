"""The control messages of src/protocol, as far as a manager in a test needs them."""

STEPS = ("validate", "spawn", "privileges", "interpreter", "boot", "import", "fork", "ready")


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def text(value: str) -> bytes:
    data = value.encode()
    return varint(len(data)) + data


def option(value) -> bytes:
    return b"\0" if value is None else b"\1" + text(value)


def plan(*, name, kind, target, callable, directory, path, threads, multiprocess, preload) -> bytes:
    return b"".join(
        [
            text(name),
            varint(("path", "module").index(kind)),
            text(target),
            option(callable),
            text(directory),
            varint(len(path)),
            *map(text, path),
            varint(threads),
            bytes([multiprocess, preload]),
        ]
    )


def boot(**fields) -> bytes:
    return varint(0) + plan(**fields)


def fork(worker: int) -> bytes:
    return varint(1) + varint(worker)


ZYGOTE_STOP = varint(2)
WORKER_STOP = varint(1)


def slot(index: int) -> bytes:
    return varint(0) + varint(index)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def signed(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def text(self) -> str:
        length = self.varint()
        self.at += length
        return self.data[self.at - length : self.at].decode()

    def failure(self) -> dict:
        step = STEPS[self.varint()]
        return {"step": step, "summary": self.text(), "advice": self.text(), "detail": self.text()}


def from_zygote(data: bytes):
    """A message's name and its fields."""
    if data.startswith(b"!"):
        step, summary, advice, detail = data[1:].decode().split("\0")
        return "failed", {"step": step, "summary": summary, "advice": advice, "detail": detail}
    read = _Reader(data)
    code = read.varint()
    message = (
        lambda: ("step", STEPS[read.varint()]),
        lambda: ("ready", bool(read.varint())),
        lambda: ("threaded", read.varint()),
        lambda: ("forked", (read.varint(), read.varint())),
        lambda: ("exited", (read.varint(), read.signed())),
        lambda: ("failed", read.failure()),
    )[code]()
    assert read.at == len(data)
    return message


def from_worker(data: bytes):
    read = _Reader(data)
    message = ("ready", None) if read.varint() == 0 else ("failed", read.failure())
    assert read.at == len(data)
    return message
