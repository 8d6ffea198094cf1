import os
import signal

os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGKILL))


def application(environ, start_response):
    start_response("200 OK", [])
    return [b"never"]
