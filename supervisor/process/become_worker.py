"""A process becomes a worker: it keeps what is the worker's own, and serves.

Runs in the child that the master has forked, or in a Python of its own that this child has become
(fresh_worker.py).
"""

from __future__ import annotations

import atexit
import os
import sys

import fapws.worker.life
from fapws import descriptors
from fapws.lean import NoReturn
from fapws.worker.spec import WorkerSpec

from . import signals, title


def become_worker(spec: WorkerSpec) -> NoReturn:
    """Serves until drained. Never returns."""
    status = 1
    try:
        descriptors.close_all_but(own(spec))
        signals.reset_in_worker()
        entitle(spec)
        fapws.worker.life.run(spec, entitle)
    except SystemExit as leaving:
        atexit._run_exitfuncs()  # the application's; none runs twice
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        import traceback  # half a megabyte that is needed only here

        traceback.print_exc()
    finally:
        _flush()
        os._exit(status)


def entitle(spec: WorkerSpec) -> None:
    """Says what this process is."""
    what = f"preload {spec.pool.name}" if spec.is_zygote else f"worker {spec.pool.name}/{spec.slot}"
    title.set_title(f"fapws: {what}")


def own(spec: WorkerSpec) -> tuple[int, ...]:
    """The descriptors that a worker keeps of those it finds open; docs/architecture.md lists all."""
    return (0, 1, 2, spec.channel, spec.lifeline, spec.access_log, *spec.listeners)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
