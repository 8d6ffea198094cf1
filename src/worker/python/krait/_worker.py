"""A worker: its slots, its control channel and its end."""

import os
import queue
import sys
import threading

from krait import _krait, _loader
from krait._failure import StartFailure

# How long the interpreter's own end may take: threads that are no daemons, atexit handlers.
_EXIT_SECONDS = 5.0


def run(role):
    plan = role.plan
    _krait.set_title("krait:" + plan["name"], "krait: worker of " + plan["name"])
    if not plan["preload"]:
        try:
            role.application = _loader.load(plan)
        except StartFailure as failure:
            failure.send(_krait.worker_failed)
            _krait.exit_within(_EXIT_SECONDS)
            sys.exit(1)
    server = _krait.Server(role.application, len(role.slots) > 1, plan["multiprocess"])
    role.application = None
    try:
        if len(role.slots) == 1:
            _run_one(server, role.slots[0])
        else:
            _run_many(server, role.slots)
    except (BrokenPipeError, ConnectionResetError):
        pass  # The manager is gone before the worker was ready.
    finally:
        # From here on the interpreter ends in its usual way, within bounds.
        _krait.exit_within(_EXIT_SECONDS)


def _run_one(server, slot):
    _krait.worker_ready()
    while slot is not None:
        server.serve(slot)
        # The slot broke, or the worker is to end: the manager says which.
        message = _krait.worker_receive()
        slot = message[2][0] if message is not None and message[0] == "slot" else None


def _run_many(server, slots):
    hands = [_Hand(server, index, slot) for index, slot in enumerate(slots)]
    _krait.worker_ready()
    while True:
        message = _krait.worker_receive()
        if message is None or message[0] == "stop":
            break
        if message[1] < len(hands):
            hands[message[1]].slots.put(message[2][0])
        else:
            for descriptor in message[2]:
                os.close(descriptor)
    # Nothing new comes; each hand goes on until its slot is at its end. Without a manager that may be long.
    for hand in hands:
        hand.slots.put(None)
    for hand in hands:
        hand.thread.join()


class _Hand:
    """A thread and its slot."""

    def __init__(self, server, index, slot):
        self.slots = queue.SimpleQueue()
        self.slots.put(slot)
        self.thread = threading.Thread(target=self.run, args=(server,), name=f"krait-{index}")
        self.thread.start()

    def run(self, server):
        while (slot := self.slots.get()) is not None:
            server.serve(slot)
