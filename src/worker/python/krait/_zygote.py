"""The zygote: imports the application once and forks workers from there."""

import contextlib
import gc
import os
import select
import signal
import sys

from krait import _krait, _loader
from krait._failure import StartFailure, format_exception


class Role:
    """What a forked child is to do."""

    def __init__(self, plan, application, slots):
        self.plan = plan
        self.application = application
        self.slots = slots


def run():
    """Runs the zygote. Returns in its children only; the zygote itself never returns."""
    try:
        return _run()
    except StartFailure as failure:
        _send_failure(failure)
    except BrokenPipeError:
        pass
    except BaseException as error:
        _send_failure(
            StartFailure(
                "boot",
                f"the zygote failed: {type(error).__name__}: {error}",
                "this is a fault of mod_krait; please report it with the traceback",
                format_exception(error),
            )
        )
    _leave(1)


def _send_failure(failure):
    # Without a manager nobody is left to tell.
    with contextlib.suppress(OSError):
        failure.send(_krait.zygote_failed)


def _leave(status):
    # Neither atexit handlers nor threads: what importing set up may be shared with workers that go on.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status)


def _run():
    message = _krait.zygote_receive()
    if message is None:
        _leave(0)
    plan = message[1]
    _krait.set_title("krait:" + plan["name"], "krait: zygote of " + plan["name"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _krait.zygote_step("boot")
    _loader.prepare(plan)
    application = None
    if plan["preload"]:
        _krait.zygote_step("import")
        application = _loader.load(plan)
        threads = len(os.listdir("/proc/self/task"))
        if threads > 1:
            _krait.zygote_threaded(threads)
            _leave(0)
    gc.collect()
    gc.freeze()
    _krait.zygote_ready(plan["preload"])
    return _Nursery(plan, application).run()


class _Nursery:
    """The loop that forks workers and buries them."""

    def __init__(self, plan, application):
        self.plan = plan
        self.application = application
        self.workers = {}

    def run(self):
        # A child's end makes the wake-up pipe readable, so the loop sleeps in poll() and nowhere else.
        self.wake, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.before = signal.signal(signal.SIGCHLD, lambda *_: None)
        self.wakeup_before = signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self.pipe = (self.wake, wake_write)
        poll = select.poll()
        poll.register(_krait.CONTROL_FD, select.POLLIN)
        poll.register(self.wake, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            if self.wake in ready:
                self.bury()
            if _krait.CONTROL_FD in ready:
                message = _krait.zygote_receive()
                if message is None or message[0] == "stop":
                    _leave(0)
                if message[0] == "fork":
                    role = self.fork(message[1], message[2])
                    if role is not None:
                        return role

    def bury(self):
        try:
            while os.read(self.wake, 4096):
                pass
        except BlockingIOError:
            pass
        # By process id: other children belong to the application.
        for pid in list(self.workers):
            try:
                done, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                done, status = pid, 0
            if done:
                _krait.zygote_exited(self.workers.pop(pid), status)

    def fork(self, worker, descriptors):
        try:
            pid = os.fork()
        except OSError as error:
            raise StartFailure(
                "fork",
                f"no worker could be forked: {error.strerror}",
                "the user's limit of processes or memory is reached; stop something or raise it",
            ) from None
        if pid == 0:
            return self.become(descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        self.workers[pid] = worker
        _krait.zygote_forked(worker, pid)
        return None

    def become(self, descriptors):
        """In the child: lets go of the zygote's things."""
        signal.set_wakeup_fd(self.wakeup_before)
        signal.signal(signal.SIGCHLD, self.before if self.before is not None else signal.SIG_DFL)
        for descriptor in self.pipe:
            os.close(descriptor)
        control, *slots = descriptors
        os.dup2(control, _krait.CONTROL_FD, inheritable=False)
        os.close(control)
        return Role(self.plan, self.application, slots)
