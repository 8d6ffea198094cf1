"""What /proc tells about processes: families, memory, descriptors, and who belongs to a test run."""

import os
from pathlib import Path

import psutil

# Identity of a process that survives reuse of its number: pid and start time.
Identity = tuple[int, float]


def family(pid: int) -> dict[Identity, str]:
    """A process and all its descendants, with a description each."""
    found = {}
    try:
        top = psutil.Process(pid)
        members = [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return {}
    for process in members:
        try:
            found[(process.pid, process.create_time())] = describe(process)
        except psutil.NoSuchProcess:
            continue
    return found


def describe(process: psutil.Process) -> str:
    """One line about a process, for messages."""
    try:
        words = " ".join(process.cmdline())[:160] or process.name()
        return (
            f"pid {process.pid} ({process.username()}, {process.status()}, parent {process.ppid()}): {words}"
        )
    except psutil.Error:
        return f"pid {process.pid}"


def alive(identity: Identity) -> bool:
    """Whether that very process still exists; a zombie does, unless it is init who has yet to reap it."""
    try:
        process = psutil.Process(identity[0])
        if process.status() == psutil.STATUS_ZOMBIE and process.ppid() == 1:
            return False
        return process.create_time() == identity[1]
    except psutil.NoSuchProcess:
        return False


def pid_alive(pid: int) -> bool:
    """Whether a process with that number runs (a zombie does not)."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def zombies(pid: int) -> list[str]:
    """Descendants that ended and were not waited for."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    found = []
    for process in children:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                found.append(describe(process))
        except psutil.NoSuchProcess:
            continue
    return found


def touching(marker: str) -> dict[int, str]:
    """Every process whose command line, program, folder, environment or mapped files name `marker`."""
    found = {}
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    needle = marker.encode()
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) in own:
            continue
        if any(needle in text for text in _texts(Path("/proc") / entry)):
            try:
                found[int(entry)] = describe(psutil.Process(int(entry)))
            except psutil.NoSuchProcess:
                continue
    return found


def _texts(folder: Path):
    for name in ("cmdline", "environ", "maps"):
        try:
            yield (folder / name).read_bytes()
        except OSError:
            continue
    for name in ("exe", "cwd"):
        try:
            yield os.fsencode(os.readlink(folder / name))
        except OSError:
            continue


def descriptors(pid: int) -> list[str]:
    """What the open descriptors of a process are, sorted."""
    folder = f"/proc/{pid}/fd"
    found = []
    for name in os.listdir(folder):
        try:
            found.append(os.readlink(f"{folder}/{name}").split(":[")[0])
        except OSError:
            continue
    return sorted(found)


def resident(pid: int) -> int:
    """Resident memory in bytes."""
    return psutil.Process(pid).memory_info().rss


def mapped_files(pid: int) -> str:
    """The text of /proc/PID/maps."""
    return Path(f"/proc/{pid}/maps").read_text(errors="replace")
