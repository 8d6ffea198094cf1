"""What the clients do: wrk for small answers, a socket of our own for large bodies."""

import re
import socket
import subprocess
import time
from dataclasses import dataclass

MEGABYTE = 1_000_000
CHUNK = 1 << 20
LIMIT = 60


class LoadError(Exception):
    """An answer that is not what it should be."""


@dataclass(frozen=True)
class Hello:
    """One run of wrk."""

    rate: float
    p99: float


def wrk(port, seconds, path="/"):
    """Sixteen connections, two threads, for so many seconds."""
    command = [
        "wrk",
        "-c16",
        "-t2",
        f"-d{seconds}s",
        "--timeout",
        "10s",
        "--latency",
        f"http://127.0.0.1:{port}{path}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + LIMIT, check=False)
    text = done.stdout
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", text)
    p99 = re.search(r"^\s+99%\s+([0-9.]+)(us|ms|s|m)$", text, re.MULTILINE)
    if done.returncode != 0 or not rate or not p99:
        raise LoadError(f"wrk failed: {text}{done.stderr}")
    if re.search(r"Non-2xx|Socket errors", text):
        raise LoadError(f"wrk saw errors: {text}")
    unit = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}[p99[2]]
    return Hello(float(rate[1]), float(p99[1]) * unit)


def read_head(connection):
    """Status, headers and the first bytes of the body."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            raise LoadError(f"the connection ended within the headers: {data[:200]!r}")
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, value = line.split(":", 1)
        headers[name.strip().lower()] = value.strip()
    return int(lines[0].split()[1]), headers, body


def download(port, path, length):
    """Seconds for one GET of `length` bytes. The bytes are counted and thrown away."""
    buffer = bytearray(CHUNK)
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT) as connection:
        began = time.perf_counter()
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        status, headers, body = read_head(connection)
        if status != 200 or headers.get("content-length") != str(length):
            raise LoadError(f"{path}: status {status}, Content-Length {headers.get('content-length')}")
        count = len(body)
        while got := connection.recv_into(buffer):
            count += got
        took = time.perf_counter() - began
    if count != length:
        raise LoadError(f"{path}: {count} bytes instead of {length}")
    return took


def upload(port, path, length):
    """Seconds for one POST of `length` bytes, until the answer is there; the answer is the length as text."""
    block = memoryview(bytes(CHUNK))
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT) as connection:
        began = time.perf_counter()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            f"Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
        )
        connection.sendall(head.encode())
        left = length
        while left:
            part = min(left, CHUNK)
            connection.sendall(block[:part])
            left -= part
        status, _, body = read_head(connection)
        while got := connection.recv(65536):
            body += got
        took = time.perf_counter() - began
    if status != 200 or body.strip() != str(length).encode():
        raise LoadError(f"{path}: status {status}, answer {body[:100]!r} instead of {length}")
    return took
