"""How failures are told: what happened, to what, why, and what to do about it."""

import os
import traceback

_OWN = os.path.dirname(os.path.abspath(__file__))


class StartFailure(Exception):
    """A start that failed, in the words the manager reports."""

    def __init__(self, step, summary, advice="", detail=""):
        super().__init__(summary)
        self.step = step
        self.summary = summary
        self.advice = advice
        self.detail = detail

    def send(self, post):
        """Sends it with one of the extension's functions."""
        post(self.step, *map(_clean, (self.summary, self.advice, self.detail)))


def _clean(text):
    # Names of files may hold lone surrogates.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def format_exception(error):
    """The traceback as text that can be logged."""
    return _clean("".join(traceback.format_exception(type(error), error, error.__traceback__)))


def format_import(error):
    """The traceback of a failed import, without the frames that did the importing."""
    return _clean("".join(traceback.format_exception(type(error), error, _trim(error.__traceback__))))


def _is_ours(frame):
    name = frame.f_code.co_filename
    return name.startswith("<frozen importlib") or os.path.dirname(os.path.abspath(name)) == _OWN


def _trim(trace):
    # importlib/__init__.py stands between the loader and the frozen part for import_module().
    while trace is not None and (
        _is_ours(trace.tb_frame) or trace.tb_frame.f_globals.get("__name__") == "importlib"
    ):
        trace = trace.tb_next
    return trace


def place(error):
    """``file, line N`` of where an exception was raised; empty outside of the application."""
    trace = _trim(error.__traceback__)
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}"
