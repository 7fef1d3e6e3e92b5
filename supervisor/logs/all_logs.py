"""All logs of the master: the error log, and the files to which the workers write their access logs.

An access log is opened here, by its name and with the master's rights, and travels to the workers as a
descriptor: when they are forked, and again whenever it is opened anew.
"""

from __future__ import annotations

import os
import stat
from math import inf

from fapws.lean import Mapping, MappingProxyType
from fapws.settings.log_targets import OFF, facility_of
from fapws.settings.model import Config, Pool

from ..errors import refused
from . import syslog
from .error_log import Log, open_file

_SYSLOG_PAUSE = 2.0
"""Seconds between two looks whether syslogd was restarted."""
NONE: Mapping[str, int] = MappingProxyType({})


class Logs:
    """The error log (``error``) and the access logs by their targets."""

    def __init__(self, config: Config, error_log: int = -1, access_logs: Mapping[str, int] = NONE) -> None:
        """Opens what an earlier master has not handed over. Raises CannotStart; nothing is open then."""
        self._mode = config.log_mode
        self.error = _open_error_log(config, error_log)
        self._next: Log | None = None
        """The error log of a configuration that is not in force yet."""
        self._access: dict[str, int] = dict(access_logs)
        self._syslogd: tuple[int, int] | None = None
        """The syslogd (device and inode) to which the access logs that go to syslog are connected."""
        self._look_at = 0.0
        try:
            self.prepare(config)
        except BaseException:
            self.error.close()
            raise

    def prepare(self, config: Config) -> None:
        """Opens what the configuration names and is not open. Raises CannotStart; then nothing changed."""
        fresh: dict[str, int] = {}
        try:
            for target in _targets(config):
                if target not in self._access:
                    fresh[target] = _open(target, config.log_mode)
        except OSError as error:
            _close_all(fresh)
            raise refused(f"cannot open the access log {target}", error) from error
        if (config.error_log, config.error_log_format) != (self.error.target, self.error.form):
            try:
                self._next = _open_error_log(config)
            except BaseException:
                _close_all(fresh)
                raise
        self._access.update(fresh)
        if self._syslogd is None and any(map(_is_syslog, fresh)):
            self._syslogd = syslog.socket_file()

    @property
    def coming(self) -> Log:
        """The error log of workers that start now: while a reload is under way, its own."""
        return self._next or self.error

    def put_in_force(self, config: Config) -> bool:
        """Closes what the configuration in force does not name; workers that leave have their own.

        Whether the error log has become another one.
        """
        wanted = _targets(config)
        self._mode = self.error.mode = config.log_mode
        for target in [target for target in self._access if target not in wanted]:
            os.close(self._access.pop(target))
        fresh, self._next = self._next, None
        if fresh is None:
            return False
        moves = (fresh.target, fresh.form) == (config.error_log, config.error_log_format)
        if moves:
            self.error.become(fresh)
        else:
            fresh.close()
        return moves

    def access(self, target: str) -> int:
        """The descriptor of an access log that is open; -1: it is not, or off."""
        return self._access.get(target, -1)

    @property
    def open_access_logs(self) -> dict[str, int]:
        """The descriptors by their targets."""
        return dict(self._access)

    def reopen(self) -> str:
        """Opens all files by their names again; complaints, or an empty text.

        A file that cannot be opened is gone on with as it is.
        """
        complaints = [self.error.reopen()]
        complaints += [self._renew(target, fd) for target, fd in self._access.items()]
        return "; ".join(filter(None, complaints))

    def _renew(self, target: str, fd: int) -> str:
        """Opens an access log again under its descriptor; the complaint, or an empty text."""
        try:
            fresh = _open(target, self._mode)
        except OSError as error:
            complaint = f"cannot reopen {target}: {error.strerror}; the old file stays in use"
            self.error.write(complaint)
            return complaint
        os.dup2(fresh, fd, inheritable=False)
        os.close(fresh)
        return ""

    def follow_syslog(self, now: float) -> bool:
        """Connects the access logs that go to syslog to the syslogd of now, if it is another one.

        A worker cannot: its thread for the log only writes, and it may be below chroot. Whether there are new
        descriptors for the workers. ``now``: monotonic seconds.
        """
        if now < self.look_due:
            return False
        self._look_at = now + _SYSLOG_PAUSE
        there = syslog.socket_file()
        if there is None or there == self._syslogd:
            return False
        self._syslogd = there
        complaints = [self._renew(target, fd) for target, fd in self._access.items() if _is_syslog(target)]
        return not any(complaints)

    @property
    def look_due(self) -> float:
        """When follow_syslog() is to be called; ``inf``: nothing goes there."""
        return self._look_at if any(map(_is_syslog, self._access)) else inf

    def close(self) -> None:
        """Closes all; standard error stays open."""
        _close_all(self._access)
        self._access = {}
        if self._next:
            self._next.close()
        self.error.close()


def line_prefix(pool: Pool) -> bytes:
    """What stands before each line of a pool's access log: nothing, or what syslog wants."""
    facility = facility_of(pool.access_log)
    return b"<%d>fapws: " % (facility * 8 + _INFO) if facility >= 0 else b""


_INFO = 6


def _is_syslog(target: str) -> bool:
    return facility_of(target) >= 0


def _targets(config: Config) -> list[str]:
    return list(dict.fromkeys(pool.access_log for pool in config.pools if pool.access_log != OFF))


def _open_error_log(config: Config, fd: int = -1) -> Log:
    try:
        return Log(config.error_log, config.log_mode, fd, config.error_log_format)
    except OSError as error:
        raise refused(f"cannot open the error log {config.error_log}", error) from error


def _close_all(files: dict[str, int]) -> None:
    for fd in files.values():
        os.close(fd)


def _open(target: str, mode: int) -> int:
    fd = syslog.connect() if facility_of(target) >= 0 else open_file(target, mode)
    if facility_of(target) >= 0 or not stat.S_ISSOCK(os.fstat(fd).st_mode):  # else it is not ours alone
        os.set_blocking(fd, True)  # only a thread of the worker that does nothing else waits for it
    return fd
