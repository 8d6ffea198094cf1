"""What happens a thousand and a million times."""

import concurrent.futures
import os
import time

from harness import conf, processes, raw
from harness.load import many
from harness.waiting import until


def test_many_requests_through_one_worker_leave_it_as_it_was(launch, stage):
    """Memory and descriptors of child and worker; KRAIT_SOAK sets the number of requests."""
    count = int(os.environ.get("KRAIT_SOAK", "100000"))
    one = "KraitProcesses 1 1\nKraitThreads 1"
    server = launch(
        conf.mount("/hello", stage.apps / "hello/app.py", extra=one),
        children="StartServers 1\nServerLimit 1\nThreadsPerChild 8\nMaxRequestWorkers 8\nMinSpareThreads 1",
    )
    server.get("/hello")
    worker = max(one.pid for one in server.kraitd().children(recursive=True) if "python" in one.exe())
    watched = {"worker": worker, "httpd child": server.children()[0].pid, "kraitd": server.kraitd().pid}
    many(server.port, "/hello", max(20_000, count // 20), 4)
    before = {name: (processes.resident(pid), processes.descriptors(pid)) for name, pid in watched.items()}
    began = time.monotonic()
    rate = many(server.port, "/hello", count, 4)
    print(f"{count} requests in {time.monotonic() - began:.0f} s, {rate:.0f} per second")
    for name, pid in watched.items():
        small, files = before[name]
        grown = (processes.resident(pid) - small) // 1024
        print(f"{name}: grown by {grown} KiB")
        assert grown < 1024, f"{name} has grown by {grown} KiB"
        until(
            lambda pid=pid, files=files: len(processes.descriptors(pid)) <= len(files),
            20,
            f"{name}'s descriptors",
        )


def test_a_thousand_concurrent_requests_never_cross(launch, stage, mpm):
    workers = "KraitProcesses 2 4\nKraitThreads 4\nKraitQueue 500"
    server = launch(conf.mount("/echo", stage.apps / "echo/app.py", extra=workers), mpm=mpm)

    def client(number):
        wrong, connection = [], raw.Connection(server.port, 60)
        for step in range(20):
            token = f"{number}-{step}"
            body = f"{token} ".encode() * (1 + (number * step) % 9000)
            headers = f"X-Token: {token}", f"Content-Length: {len(body)}"
            request = raw.get(f"/echo/{token}", *headers, method="POST") + body
            try:
                connection.send(request)
                answer = connection.answer()
            except (raw.Ended, ConnectionError):
                # A busy event MPM closes connections that are kept alive; a fresh one has to work.
                connection.socket.close()
                connection = raw.Connection(server.port, 60)
                connection.send(request)
                answer = connection.answer()
            wanted = f"/{token}\n{token}\n".encode() + body
            if (answer.status, answer.one("X-Token"), answer.body) != (200, token, wanted):
                wrong.append((token, answer.status, answer.one("X-Token"), answer.body[:80]))
        connection.socket.close()
        return wrong

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        wrong = [one for found in pool.map(client, range(50)) for one in found]
    assert wrong == []
