"""Measures a worker's loop over a bare socketpair: python bench.py PACKAGE-FOLDER [COUNT] [APP.PY].

PACKAGE-FOLDER holds krait/ with the built extension. Environment: PYTHON, STRACE=1 to count system calls.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peer import BASE, Zygote, request_frame

HELLO = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "12")])
    return [b"Hello world!"]
"""

# As httpd's event MPM sends it for wrk.
VARIABLES = {
    **BASE,
    "SCRIPT_NAME": "/app",
    "REQUEST_URI": "/app/",
    "REQUEST_SCHEME": "http",
    "SERVER_ADDR": "127.0.0.1",
    "SERVER_SOFTWARE": "Apache/2.4.62 (Debian)",
    "SERVER_SIGNATURE": "",
    "SERVER_ADMIN": "webmaster@localhost",
    "REMOTE_ADDR": "127.0.0.1",
    "REMOTE_PORT": "45678",
    "DOCUMENT_ROOT": "/var/www/html",
    "CONTEXT_PREFIX": "",
    "CONTEXT_DOCUMENT_ROOT": "/var/www/html",
    "SCRIPT_FILENAME": "/srv/app/app.wsgi",
    "GATEWAY_INTERFACE": "CGI/1.1",
    "PATH_TRANSLATED": "/var/www/html/",
    "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "HTTP_ACCEPT": "text/html,application/xhtml+xml",
    "HTTP_ACCEPT_LANGUAGE": "en-US,en;q=0.5",
    "HTTP_ACCEPT_ENCODING": "gzip, deflate",
}


def memory(pid: int) -> int:
    """Resident kilobytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise LookupError(pid)


def cpu(pid: int) -> "tuple[float, float]":
    """Seconds in user mode and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK"), int(fields[12]) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    package, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = folder / "app.py"
        script.write_text(Path(sys.argv[3]).read_text() if len(sys.argv) > 3 else HELLO)
        subprocess.run(["cc", "-O2", "-o", folder / "drive", Path(__file__).with_name("drive.c")], check=True)
        zygote = Zygote(package, folder, python=os.environ.get("PYTHON", sys.executable))
        zygote.boot(
            name="bench", kind="path", target=str(script), callable=None, directory=name, path=[], threads=1,
            multiprocess=False, preload=True,
        )  # fmt: skip
        print(zygote.outcome(), zygote.errors())
        worker = zygote.fork()
        worker.message()
        fd = worker.slots[0].socket.fileno()

        def drive(number: int) -> str:
            return subprocess.run(
                [folder / "drive", str(fd), str(number)],
                input=request_frame(VARIABLES),
                pass_fds=(fd,),
                stdout=subprocess.PIPE,
                check=True,
            ).stdout.decode().strip()  # fmt: skip

        worker.slots[0].socket.settimeout(None)
        drive(20_000)
        if os.environ.get("PERF"):
            perf = ["perf", "record", "-q", "-g", "-o", os.environ["PERF"], "-p", str(worker.pid)]
            recorder = subprocess.Popen(perf)
        if os.environ.get("STRACE"):
            recorder = subprocess.Popen(["strace", "-c", "-f", "-p", str(worker.pid)])
            time.sleep(1)
        before, spent, began = memory(worker.pid), cpu(worker.pid), time.monotonic()
        rate = drive(count)
        took = time.monotonic() - began
        user, kernel = (after - at for after, at in zip(cpu(worker.pid), spent))
        print(f"{rate} requests/s; worker's CPU {(user + kernel) / took:.0%},", end=" ")
        print(f"per request {user / count * 1e6:.2f} us user, {kernel / count * 1e6:.2f} us kernel")
        print(f"resident memory {before} kB, grown by {memory(worker.pid) - before} kB in {count} requests")
        if os.environ.get("PERF") or os.environ.get("STRACE"):
            recorder.terminate()
            recorder.wait()
        zygote.end()


main()
