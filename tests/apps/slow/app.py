"""Holds requests until the test lets them go.

The query string names a folder. A request writes a file `began-N` there and waits until a file `go` exists.
`/ignore` does not react to signals while it waits.
"""

import os
import signal
import threading
import time

LOCK = threading.Lock()
COUNT = [0]


def application(environ, start_response):
    folder = environ["QUERY_STRING"]
    if environ["PATH_INFO"] == "/ignore":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with LOCK:
        COUNT[0] += 1
        number = COUNT[0]
    with open(os.path.join(folder, f"began-{os.getpid()}-{number}"), "w", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    end = time.monotonic() + 60
    while not os.path.exists(os.path.join(folder, "go")) and time.monotonic() < end:
        time.sleep(0.005)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"went on"]
