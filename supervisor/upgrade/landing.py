"""Where an upgraded master lands: the first lines that run after the exec. Standard library only.

    landing.py ROOT check FD    can the code under ROOT take over the state in FD? Says why not
    landing.py ROOT land FD     take it over

FD is a file with the text of handover.py. All signals are blocked on entry. If the new code fails, the
state is all there is: the old workers go on serving, systemd gets its signs of life, and this file obeys
USR2 (the next attempt, as often as it takes), TERM (the workers are told to finish, then everything ends),
and INT, QUIT or a second TERM (the same, with a second to finish).
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # signal itself would stay, with enum, in the memory of the successor
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
HEARD = (*STOPPING, signal.SIGUSR2, signal.SIGCHLD, signal.SIGALRM)
TURN = 1.0
"""Seconds between two looks at the clock, for systemd and the deadline of a stop."""
FAST = 1.0
"""Seconds that workers have to finish when it is urgent; then they are killed."""


def main() -> int:
    root, what, number = sys.argv[1:4]
    # This file's own directory must not be searched: its modules have common names. With -I it is not there.
    # In a clone it is reached by a symbolic link, which Python has followed for sys.path.
    here = os.path.realpath(os.path.dirname(__file__))
    sys.path[:] = with_root(root, [place for place in sys.path if os.path.realpath(place) != here])
    fd = int(number)
    if what == "check":
        from fapws.supervisor.upgrade.new_code import check

        return check(read(fd))
    try:
        from fapws.supervisor.upgrade.new_code import resume

        master = resume(read(fd))
    except BaseException:
        import traceback

        return hold(fd, traceback.format_exc())
    os.close(fd)
    return master.run()


def with_root(root: str, places: list[str]) -> list[str]:
    """sys.path on which fapws is found below root: as it is, if it is, so that nothing in site-packages comes
    before the standard library only because there was an upgrade."""
    holder = next((place for place in places if os.path.isdir(os.path.join(place, "fapws"))), "")
    return places if holder == root else [root, *places]


def read(fd: int) -> str:
    """All of the state."""
    return os.pread(fd, os.fstat(fd).st_size, 0).decode("ascii")


def hold(fd: int, reason: str) -> int:
    """Keeps the old workers serving, until a signal says what to do; the exit status."""
    import json

    held = Held(json.loads(read(fd))["saved"]["fields"])
    held.report(f"the upgrade failed, the old workers serve on:\n{reason}")
    signal.setitimer(signal.ITIMER_REAL, TURN, TURN)
    while True:
        number = signal.sigwait(HEARD)
        if number == signal.SIGUSR2 and not held.stopping:
            held.report(again(fd))
        elif number in STOPPING:
            held.stop(number != signal.SIGTERM)
        held.turn()
        if held.stopping and not held.workers and not held.grandchildren:
            held.clear()
            return 0


class Held:
    """What the master before had, as far as it concerns a service that only goes on or ends."""

    def __init__(self, saved: dict[str, Any]) -> None:
        self.saved = saved
        self.config = saved["state"]["fields"]["config"]["fields"]
        workers = [worker["fields"] for worker in saved["workers"]]
        self.grandchildren = {w["pidfd"] for w in workers if w.get("pidfd", -1) >= 0}
        """Descriptors of workers that a zygote has forked: their PIDs may be others' by now."""
        ours = (w for w in workers if not w.get("zygote") and w.get("pidfd", -1) < 0)
        self.workers = {worker["pid"] for worker in ours}
        self.stopping = False
        self._deadline = 0.0

    def turn(self) -> None:
        """What is due. Dead workers are reaped only in a stop: until then the next attempt must find them."""
        service = self.saved["service"]["fields"]
        if service["watchdog"]:
            notify(service["address"], "WATCHDOG=1\nSTATUS=the upgrade failed; the old workers serve on")
        if self.stopping:
            self.workers -= reaped()
            self.grandchildren = {fd for fd in self.grandchildren if not ended(fd)}
            if time.monotonic() >= self._deadline:
                self.send(signal.SIGKILL)

    def stop(self, fast: bool) -> None:
        """The workers finish; asked again, they hurry."""
        now = time.monotonic()
        if fast or self.stopping:
            self._deadline = min(self._deadline or now + FAST, now + FAST)
        else:
            pools = self.config["pools"]
            self._deadline = now + max(pool["fields"]["drain_timeout"] for pool in pools)
        if not self.stopping:
            self.stopping = True
            self.send(signal.SIGTERM)

    def send(self, number: int) -> None:
        """A signal to every worker that has not been reaped."""
        for pid in self.workers:
            os.kill(pid, number)
        for fd in self.grandchildren:
            try:
                signal.pidfd_send_signal(fd, number)
            except OSError:
                pass  # it has ended

    def report(self, text: str) -> None:
        """To the error log, which was handed over open, or to standard error."""
        fd, target = self.saved.get("error_log", -1), self.config["error_log"]
        if text and self.config.get("error_log_format", "text") == "json":
            from ..json_lines import entry as as_json

            put(fd if fd >= 0 else 2, as_json("master", text.strip()) + b"\n")
            return
        for line in text.strip().split("\n") if text else ():
            if fd < 0:
                entry = f"fapws: {line}\n"
            elif target.startswith("syslog:"):
                entry = f"<27>fapws[{os.getpid()}]: {line}"
            else:
                entry = f"{time.strftime('%Y-%m-%d %H:%M:%S%z')} master: {line}\n"
            put(fd if fd >= 0 else 2, entry.encode("utf-8", "backslashreplace"))

    def clear(self) -> None:
        """Removes the files that are still ours: pidfile, control socket, unix sockets."""
        places = [(self.config["control"], self.saved["control_inode"])]
        if self.saved["pidfile"] >= 0:
            ours = os.fstat(self.saved["pidfile"])
            places.append((self.config["pidfile"], [ours.st_dev, ours.st_ino]))
        for _, listener in (*self.saved["open"]["of"], *self.saved.get("monitors", ())):
            fields = listener["fields"]
            places.append((fields["address"]["fields"]["path"], fields["inode"]))
        for path, inode in places:
            try:
                found = os.lstat(path)
                if [found.st_dev, found.st_ino] == inode:
                    os.unlink(path)
            except OSError:
                pass  # it is gone already, or has to stay


def put(fd: int, data: bytes) -> None:
    """Writes what has room at once: standard error may be a pipe that nobody reads."""
    import select

    try:
        if select.select((), (fd,), (), 0)[1]:
            os.write(fd, data[: select.PIPE_BUF])
    except (OSError, ValueError):
        pass  # it has no reader, the disk is full, or the number is too large for select()


def notify(address: str, text: str) -> None:
    """A message to systemd, as in ..process.systemd."""
    import _socket

    name = b"\0" + os.fsencode(address[1:]) if address.startswith("@") else os.fsencode(address)
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.sendto(text.encode("utf-8", "replace"), name)
    except OSError:
        pass  # it does not listen
    finally:
        sock.close()


def again(fd: int) -> str:
    """The next attempt; why it cannot be made."""
    try:
        os.execv(sys.executable, [*interpreter(), *sys.argv[:3], str(fd)])
    except OSError as error:
        return f"cannot run {sys.executable}: {error.strerror}"


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


def ended(pidfd: int) -> bool:
    """Whether its process has ended, reaped or not."""
    import select

    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


if __name__ == "__main__":
    sys.exit(main())
