"""Finds and imports the application, and says in plain words why it could not."""

import importlib
import importlib.machinery
import importlib.util
import inspect
import os
import re
import sys
import types

from krait._failure import StartFailure, format_import, place

_SCRIPTS = ("app.wsgi", "wsgi.py", "passenger_wsgi.py", "app.py")
_CALLABLES = ("application", "app")


def prepare(plan):
    """Makes ``sys.path`` and ``sys.argv`` those of the application."""
    front = []
    if plan["kind"] == "path":
        target = plan["target"]
        front.append(target if os.path.isdir(target) else os.path.dirname(target))
    front += [plan["directory"], *plan["path"]]
    sys.path[:0] = [folder for folder in dict.fromkeys(front) if folder]
    sys.argv[:] = [plan["target"] if plan["kind"] == "path" else "krait"]


def load(plan):
    """Imports the application and returns its callable, or raises ``StartFailure``."""
    if plan["kind"] == "path":
        script = _find_script(plan["target"])
        sys.argv[:] = [script]
        what, module = script, _import_script(script)
    else:
        what, module = "module " + plan["target"], _import_module(plan["target"])
    return _find_callable(module, what, plan["callable"])


def _fail(summary, advice="", detail=""):
    return StartFailure("import", summary, advice, detail)


def _find_script(path):
    if not os.path.isdir(path):
        return path
    for name in _SCRIPTS:
        script = os.path.join(path, name)
        try:
            os.stat(script)
        except PermissionError:
            raise _fail(
                f"the folder {path} cannot be searched by uid {os.geteuid()}: permission denied",
                "make it, and every folder above it, searchable for the user the application runs as",
            ) from None
        except OSError:
            continue
        return script
    raise _fail(
        f"the folder {path} has no application: none of {', '.join(_SCRIPTS)} is in it",
        "add one of these files, or name the file in KraitApp",
    )


class _ScriptLoader(importlib.machinery.SourceFileLoader):
    """Always compiles from source: cached bytecode of x.wsgi would be x.py's, and the last edit counts."""

    def get_code(self, fullname):
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def _script_name(script):
    """The module's name: the file's, so that others can import it, unless that means another module."""
    stem = os.path.splitext(os.path.basename(script))[0]
    if stem.isidentifier() and stem not in sys.modules:
        try:
            spec = importlib.util.find_spec(stem)
            if spec is None or (spec.origin and os.path.samefile(spec.origin, script)):
                return stem
        except (ImportError, ValueError, OSError):
            pass
    return "krait_" + re.sub(r"\W", "_", stem)


def _import_script(script):
    try:
        with open(script, "rb"):
            pass
    except FileNotFoundError:
        link = " (a link that leads nowhere)" if os.path.islink(script) else ""
        raise _fail(f"the script {script} does not exist{link}", "check the path in KraitApp") from None
    except PermissionError:
        raise _fail(
            f"the script {script} cannot be read by uid {os.geteuid()}: permission denied",
            "make it readable, and every folder above it searchable, for the user the application runs as",
        ) from None
    except OSError as error:
        raise _fail(f"the script {script} cannot be read: {error.strerror}") from None
    name = _script_name(script)
    spec = importlib.util.spec_from_file_location(name, script, loader=_ScriptLoader(name, script))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(name, None)
        raise _explain(error, script) from None
    # The application may have put something else in its own place, as import statements allow.
    return sys.modules.get(name, module)


def _import_module(name):
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise _fail(
                f"there is no module {name}: {error.name} was not found",
                "check the name in KraitApp, and that its folder is the application's or in KraitPath",
                "searched: " + ", ".join(sys.path),
            ) from None
        raise _explain(error, "module " + name) from None
    except BaseException as error:
        raise _explain(error, "module " + name) from None


def _explain(error, what):
    detail = format_import(error)
    if isinstance(error, SyntaxError):
        where = f"{error.filename}, line {error.lineno}" if error.filename else what
        return _fail(f"{what} cannot be imported: {error.msg} ({where})", f"correct {where}", detail)
    where = place(error)
    at = f" ({where})" if where else ""
    if isinstance(error, SystemExit):
        return _fail(
            f"{what} called sys.exit({error.code!r}) while it was imported{at}",
            'a script that also runs by itself must guard that part with: if __name__ == "__main__":',
            detail,
        )
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _fail(
            f"{what} cannot be imported: it needs the module {error.name}, which was not found{at}",
            f"install it for {sys.executable}, or put it into the application's folder or a venv beside it",
            detail,
        )
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be made)"
    name = type(error).__name__
    return _fail(
        f"{what} cannot be imported: it raised {name}: {text.splitlines()[0]}{at}"
        if text
        else f"{what} cannot be imported: it raised {name}{at}",
        "the traceback shows where; correct it and the application is started again",
        detail,
    )


def _find_callable(module, what, name):
    if name is None:
        name = next((default for default in _CALLABLES if hasattr(module, default)), None)
        if name is None:
            raise _fail(
                f"{what} has neither {' nor '.join(_CALLABLES)}{_hint(module)}",
                "name the callable in KraitApp, like app.py:callable",
            )
    found = module
    done = []
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            where = f"{'.'.join(done)} in {what}" if done else what
            raise _fail(
                f"{where} has no {part}{'' if done else _hint(module)}",
                "check the callable's name in KraitApp",
            ) from None
        done.append(part)
    if not callable(found):
        raise _fail(
            f"{name} in {what} is not callable: it is of type {type(found).__name__}{_hint(module)}",
            "name the WSGI callable in KraitApp, like app.py:callable",
        )
    if _is_async(found):
        raise _fail(
            f"{name} in {what} is an ASGI application, not a WSGI one: calling it gives a coroutine",
            "wrap it with an adapter from ASGI to WSGI (a2wsgi has one), and name that",
        )
    return found


def _is_async(found):
    # By type() only: proxies answer isinstance() for what they stand for, which may not be there yet.
    is_function = type(found) is types.FunctionType
    call = found if is_function else inspect.getattr_static(type(found), "__call__", None)
    return isinstance(call, types.FunctionType) and inspect.iscoroutinefunction(call)


def _hint(module):
    """What of the module could have been meant."""
    found = []
    for name, value in vars(module).items():
        kind = type(value)
        if name.startswith("_") or not callable(value) or issubclass(kind, (type, types.BuiltinFunctionType)):
            continue
        # What is imported from elsewhere is hardly the application; an instance has no such mark.
        if kind is types.FunctionType and value.__module__ != module.__name__:
            continue
        found.append(name)
    return f"; callables in it: {', '.join(found[:10])}" if found else "; there is no callable in it"
