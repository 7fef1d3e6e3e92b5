"""Where a server is, whether it runs, and how it is asked and told: fapwsctl's view from outside."""

from __future__ import annotations

import os
import time

from fapws.lean import Any, Mapping, MappingProxyType, NamedTuple, signal
from fapws.settings.source import absolute
from fapws.supervisor.errors import FAILED, NOT_ALLOWED, NOT_CONFIGURED, NOT_RUNNING
from fapws.supervisor.process import pidfile

MARGIN = 10.0
"""Seconds on top of what the configuration's timeouts allow."""
POLL_PAUSE = 0.05
"""Seconds between two looks at a server that starts or stops."""


class Result(NamedTuple):
    """What a command came to."""

    status: int
    text: str
    values: Mapping[str, Any] = MappingProxyType({})
    """More for --json."""
    note: str = ""
    """For people, beside a text that programs read; to standard error."""


class Ended(Exception):
    """A command cannot go on; carries its Result."""

    def __init__(self, status: int, text: str, values: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.result = Result(status, text, values or {})


class Place(NamedTuple):
    """Where a server is found."""

    pidfile: str
    control: str

    @property
    def findable(self) -> bool:
        """Whether anything is configured by which a server can be found."""
        return bool(self.pidfile or self.control)


class Presence(NamedTuple):
    """Whether it runs."""

    running: bool
    pid: int = 0
    stale: bool = False
    """Not running, but its pidfile is there."""
    by_socket: bool = False
    """Only the control socket replies: no pidfile is configured, or it was removed or is another now."""


def look(place: Place) -> Presence:
    """Whether a server runs there. Raises Ended if that cannot be known."""
    if place.pidfile:
        try:
            probe = pidfile.probe(place.pidfile)
        except OSError as error:
            if isinstance(error, PermissionError) and place.control:
                return _look_at_socket(place.control)  # of a group that may command
            status = NOT_ALLOWED if isinstance(error, PermissionError) else FAILED
            raise Ended(status, f"fapwsctl: {place.pidfile}: {error.strerror}") from None
        if probe.running and not probe.proven and place.control:
            return _by_socket_or(place.control, Presence(True, probe.pid))
        if probe.running or not place.control:
            return Presence(probe.running, probe.pid, stale=probe.exists and not probe.running)
        try:
            return _look_at_socket(place.control)._replace(stale=probe.exists)
        except Ended:  # the user may not ask there: the pidfile is believed
            return Presence(False, stale=probe.exists)
    if not place.control:
        text = "fapwsctl: neither pidfile nor control is configured, so no server can be found"
        raise Ended(NOT_CONFIGURED, text)
    return _look_at_socket(place.control)


def _by_socket_or(control: str, otherwise: Presence) -> Presence:
    """What the server says itself, where only the pidfile's content speaks for a pid."""
    try:
        told = _look_at_socket(control)
    except Ended:
        return otherwise
    return told if told.running else otherwise


def _look_at_socket(control: str) -> Presence:
    try:
        return Presence(True, int(ask(control, "ping", MARGIN)["pid"]), by_socket=True)
    except NobodyThere:
        return Presence(False)


class NobodyThere(Ended):
    """No master listens on the control socket."""


def ask(control: str, command: str, seconds: float, **arguments: Any) -> dict[str, Any]:
    """The reply of the server. Raises Ended."""
    from fapws.cli import control_client

    try:
        return control_client.ask(control, command, seconds, **arguments)
    except PermissionError:
        raise Ended(NOT_ALLOWED, f"fapwsctl: {control}: permission denied") from None
    except OSError as error:
        raise NobodyThere(FAILED, f"fapwsctl: {control}: {error.strerror or error}") from None
    except control_client.NoReply as error:
        raise Ended(FAILED, f"fapwsctl: {error}") from None


def learn(control: str, command: str, seconds: float) -> dict[str, Any]:
    """What the server says of itself. Raises Ended, also where a master of another version cannot tell."""
    reply = ask(control, command, seconds)
    if not reply["ok"]:
        raise Ended(FAILED, f"fapwsctl: the server does not answer {command!r}: {reply['error']}")
    return reply


def send_signal(place: Place, pid: int, number: int) -> None:
    """To the process that holds the pidfile, and to no other that may have its number by now."""
    held = -1
    try:
        held = _open_process(pid)
        now = pidfile.probe(place.pidfile)
        if not now.running or now.pid != pid:
            raise ProcessLookupError
        _send(held, pid, number)
    except PermissionError:
        raise Ended(NOT_ALLOWED, f"fapwsctl: not allowed to signal pid {pid}") from None
    except ProcessLookupError:
        raise Ended(FAILED, f"fapwsctl: pid {pid} has gone") from None
    finally:
        if held >= 0:
            os.close(held)


def _send(held: int, pid: int, number: int) -> None:
    if held >= 0:
        try:
            signal.pidfd_send_signal(held, number)
            return
        except ProcessLookupError:
            raise
        except OSError:
            pass  # a sandbox refuses this call; it may really not be allowed, which kill() tells then
    os.kill(pid, number)


def _open_process(pid: int) -> int:
    """A descriptor that stays that process's; -1: the system has none. Raises ProcessLookupError."""
    try:
        known = hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal")
        return os.pidfd_open(pid) if known else -1
    except ProcessLookupError:
        raise
    except OSError:
        return -1  # an old kernel, or a sandbox


def stop_by_pid(place: Place, presence: Presence, seconds: float) -> bool:
    if presence.pid:
        send_signal(place, presence.pid, signal.SIGTERM)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        now = pidfile.probe(place.pidfile)
        if not now.running:
            return True
        if now.pid != presence.pid and not presence.pid:
            # It was just starting and has written its PID meanwhile.
            presence = presence._replace(pid=now.pid)
            send_signal(place, now.pid, signal.SIGTERM)
        time.sleep(POLL_PAUSE)
    return False


def stop_by_socket(place: Place, _presence: Presence, seconds: float) -> bool:
    from fapws.cli import control_client

    try:
        conversation = control_client.Conversation(place.control, seconds)
    except OSError as error:
        allowed = not isinstance(error, PermissionError)
        text = f"fapwsctl: {place.control}: {error.strerror or error}"
        raise Ended(FAILED if allowed else NOT_ALLOWED, text) from None
    try:
        conversation.ask("stop")
        return conversation.wait_for_end()
    except control_client.NoReply:
        return False
    finally:
        conversation.close()


def find(path: str) -> Place:
    """Where the server is, also when the file has mistakes elsewhere: it must still be stopped."""
    from fapws.settings import ini  # a start, which becomes the master, has it read by another process
    from fapws.settings.options import MASTER_OPTIONS, parse
    from fapws.settings.scan import scan

    try:
        with open(path, "rb") as file:
            found = scan(file.read(ini.SIZE_MAX), path)
    except OSError as error:
        raise Ended(NOT_CONFIGURED, f"fapwsctl: {path}: {error.strerror}") from None
    base = os.path.dirname(absolute(path))
    values = {"pidfile": "", "control": ""}
    for section in found.sections:
        for entry in section.entries if section.name == "fapws" else ():
            if entry.key in values:
                try:
                    values[entry.key] = parse(MASTER_OPTIONS[entry.key], entry.value, base)
                except ValueError as error:
                    raise Ended(NOT_CONFIGURED, f"fapwsctl: {path}: {entry.key}: {error}") from None
    return Place(**values)


def running_control(path: str, command: str) -> str:
    """The control socket of a server that runs. Raises Ended."""
    place = find(path)
    if not look(place).running:
        raise Ended(NOT_RUNNING, "fapws: not running")
    if not place.control:
        text = f"fapwsctl: {command} needs a control socket, and none is configured"
        raise Ended(NOT_CONFIGURED, text)
    return place.control
