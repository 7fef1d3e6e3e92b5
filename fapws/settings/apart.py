"""A configuration that another process reads: what reading takes, and the text of the file, do not stay with
a process that is about to become the master.

The table of options and all that reads values are half a megabyte, of which a master needs nothing.
"""

from __future__ import annotations

import marshal
import os

from fapws.lean import Callable, NoReturn
from fapws.settings.model import Config
from fapws.settings.plain import plain, rebuilt
from fapws.settings.problems import ConfigError, ToldError, UsageError
from fapws.settings.source import Source

_READ_SIZE = 65536
_GOOD, _BAD, _USAGE = b"+", b"-", b"?"


def read_apart(source: Source, meanwhile: Callable[[], None] | None = None) -> Config:
    """As source() itself. meanwhile: called while the other process reads.

    Raises ConfigError, UsageError, and OSError if there is no process or descriptor left.
    """
    reader, writer = os.pipe()
    try:
        pid = os.fork()
        if pid == 0:
            _be_reader(source, writer)
    except OSError:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    try:
        if meanwhile:
            meanwhile()
        said = _heard(reader)
    finally:
        os.close(reader)
        _reap(pid)
    if said[:1] == _GOOD:
        config = rebuilt(marshal.loads(said[1:]))
        assert isinstance(config, Config)
        return config
    text = said[1:].decode("utf-8", "replace")
    if said[:1] == _USAGE:
        raise UsageError(text)
    raise ToldError(text or "the process that reads the configuration failed")


def _heard(reader: int) -> bytes:
    said = b""
    while True:
        piece = os.read(reader, _READ_SIZE)
        if not piece:
            return said
        said += piece


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        return  # whoever called us ignores SIGCHLD, so the kernel has reaped it


def _be_reader(source: Source, writer: int) -> NoReturn:
    """The child; what it has of its parent's, buffers and handlers of the exit, is not its own to use."""
    status = 1
    try:
        try:
            said = _GOOD + marshal.dumps(plain(source()))
        except ConfigError as error:
            said = _BAD + str(error).encode("utf-8", "backslashreplace")
        except UsageError as error:
            said = _USAGE + str(error).encode("utf-8", "backslashreplace")
        while said:
            said = said[os.write(writer, said) :]
        status = 0
    except Exception:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)
