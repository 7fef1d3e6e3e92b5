"""Where an upgraded master lands: the first lines that run after the exec. Standard library only.

    landing.py ROOT check FD    can the code under ROOT take over the state in FD? Says why not
    landing.py ROOT land FD     take it over

FD is a file with the text of handover.py. All signals are blocked on entry. If the new code fails, the
state is all there is: the old workers go on serving, and this file obeys TERM, INT and QUIT (the
workers are told to finish, then everything ends) and USR2 (the next attempt).
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # signal itself would stay, with enum, in the memory of the successor
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OBEYED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR2, signal.SIGCHLD)
PATIENCE = 25
"""Seconds that workers have to finish; then they are killed."""


def main() -> int:
    root, what, number = sys.argv[1:4]
    # This file's own directory must not be searched: its modules have common names. With -I it is not there.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [root, *(place for place in sys.path if os.path.abspath(place) != here)]
    fd = int(number)
    if what == "check":
        from fapws.supervisor.upgrade.new_code import check

        return check(read(fd))
    try:
        from fapws.supervisor.upgrade.new_code import resume

        master = resume(read(fd))
    except BaseException:
        import traceback

        report(f"the upgrade failed, the old workers serve on:\n{traceback.format_exc()}")
        return hold(fd)
    os.close(fd)
    return master.run()


def read(fd: int) -> str:
    """All of the state."""
    return os.pread(fd, os.fstat(fd).st_size, 0).decode("ascii")


def report(text: str) -> None:
    """To standard error, which is the log's or the terminal."""
    try:
        os.write(2, f"fapws: {text}\n".encode("utf-8", "replace"))
    except OSError:
        pass  # nobody listens


def hold(fd: int) -> int:
    """Keeps what there is, until somebody says what to do."""
    import json

    saved = json.loads(read(fd))["saved"]["fields"]
    workers = {worker["fields"]["pid"] for worker in saved["workers"]}
    config = saved["state"]["fields"]["config"]["fields"]
    stopping = False
    signal.alarm(0)
    while True:
        number = signal.sigwait((*OBEYED, signal.SIGALRM))
        if number == signal.SIGUSR2 and not stopping:
            again(fd)
        elif number == signal.SIGCHLD:
            workers -= reaped()
        elif number == signal.SIGALRM:
            send(workers, signal.SIGKILL)
        elif number != signal.SIGUSR2:
            stopping = True
            send(workers, signal.SIGTERM)
            signal.alarm(PATIENCE)
        if stopping and not workers:
            clear(saved, config)
            return 0


def clear(saved: dict[str, Any], config: dict[str, Any]) -> None:
    """Removes the files that are ours: pidfile, control socket, unix sockets."""
    if saved["pidfile"] >= 0 and os.path.exists(config["pidfile"]):
        os.unlink(config["pidfile"])
    places = [(config["control"], saved["control_inode"])]
    for _, listener in saved["open"]["of"]:
        fields = listener["fields"]
        places.append((fields["address"]["fields"]["path"], fields["inode"]))
    for path, inode in places:
        if path and inode and os.path.exists(path):
            found = os.lstat(path)
            if [found.st_dev, found.st_ino] == inode:
                os.unlink(path)


def again(fd: int) -> None:
    """The next attempt; returns if there is no program to run."""
    try:
        os.execv(sys.executable, [*interpreter(), *sys.argv[:3], str(fd)])
    except OSError as error:
        report(f"cannot run {sys.executable}: {error.strerror}")


def interpreter() -> list[str]:
    """Python as this process was started, options and all: what was kept out then (-I keeps out
    PYTHONPATH and the sitecustomize in it) stays out."""
    flags = sys.flags
    letters = [
        ("I", flags.isolated),
        ("E", flags.ignore_environment),
        ("s", flags.no_user_site),
        ("S", flags.no_site),
        ("P", getattr(flags, "safe_path", False)),
        ("B", flags.dont_write_bytecode),
        ("O", flags.optimize),
        ("b", flags.bytes_warning),
        ("v", flags.verbose),
    ]
    words = ["-" + letter * int(times) for letter, times in letters if times]
    for name, value in getattr(sys, "_xoptions", {}).items():
        words += ["-X", name if value is True else f"{name}={value}"]
    for option in dict.fromkeys(sys.warnoptions):
        words += ["-W", option]
    return [sys.executable, *words]


def reaped() -> set[int]:
    """PIDs of children that have ended."""
    ended: set[int] = set()
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended.add(pid)


def send(workers: set[int], number: int) -> None:
    """A signal to everybody who has not been reaped."""
    for pid in workers:
        os.kill(pid, number)


if __name__ == "__main__":
    sys.exit(main())
