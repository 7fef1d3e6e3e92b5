"""A worker in a Python of its own: nothing of the master's memory is in it, and so nothing of other pools.

A forked process holds all that the master knows, also where no object leads to it any more. So a master that
knows other pools than the worker's executes Python anew, after the fork; what the worker needs is in a file
without a name. fresh_worker.py reads it.
"""

from __future__ import annotations

import marshal
import os
import sys

import fapws
from fapws import messages
from fapws.lean import NoReturn
from fapws.settings.plain import plain
from fapws.worker.spec import WorkerSpec

from .become_worker import own
from .scoreboard import Row, nameless_file_with

_PADDING = "-" * 64
"""A last argument that is never read: room for the process's title."""


def write_needs(spec: WorkerSpec, row: Row, along: tuple[str, ...] = ()) -> int:
    """What the worker has to know; the descriptor of the file. Raises OSError.

    along: what each descriptor is that goes to a zygote behind this file.
    """
    needs = {
        "spec": plain(spec._replace(row=None, neighbours=None, tally=None, last=None, board=None)),
        "place": row.place(),
        "tally": tuple(row.tally_place()) if row.tally else None,
        "last": tuple(row.last_place()) if row.last else None,
        "along": list(along),
        "path": list(sys.path),
        "argv": list(sys.argv),
    }
    return nameless_file_with("worker", marshal.dumps(needs))


def execute(spec: WorkerSpec, needs: int, board: int) -> NoReturn:
    """In the child: becomes a new Python, with the worker's descriptors and these two. Never returns."""
    from ..upgrade.landing import interpreter

    try:
        for fd in {*own(spec), needs, board}:
            if fd >= 0:
                os.set_inheritable(fd, True)
        package = os.path.dirname(os.path.abspath(fapws.__file__))
        script = os.path.join(package, "supervisor", "process", "fresh_worker.py")
        command = [*interpreter(), script, os.path.dirname(package), str(needs), str(board), _PADDING]
        os.execv(command[0], command)
    except OSError as error:
        reason = f"a worker needs a Python of its own, and {sys.executable} cannot be run: {error.strerror}\n"
        os.write(spec.channel, messages.encode(messages.Failed(reason)))
    finally:
        os._exit(1)
