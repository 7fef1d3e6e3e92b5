"""Where a worker's own Python begins.

    fresh_worker.py ROOT NEEDS BOARD

The code is under ROOT; NEEDS is a file with what fresh_start.py has written, BOARD the scoreboard of the
pool. All signals are blocked on entry.
"""

from __future__ import annotations

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from fapws.worker.life import WorkerSpec


def main() -> NoReturn:
    root, needs, board = sys.argv[1:4]
    # This file's own directory must not be searched: its modules have common names. With -I it is not there.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [root, *(place for place in sys.path if os.path.abspath(place) != here)]
    known = marshal.loads(_content(int(needs)))
    try:
        from fapws.supervisor.process.become_worker import become_worker

        spec = _spec(known, int(board))
    except BaseException:
        _fail(known["spec"]["fields"]["channel"])
    sys.path[:] = known["path"]
    sys.argv[:] = known["argv"]
    _keep_memory_still()
    become_worker(spec)


def _content(fd: int) -> bytes:
    data = os.pread(fd, os.fstat(fd).st_size, 0)
    os.close(fd)
    return data


def _spec(known: dict[str, Any], board: int) -> WorkerSpec:
    """With the row mapped; the descriptors that this takes are closed with all others. Raises ValueError."""
    import mmap

    from fapws._core import ffi

    from fapws.settings.plain import KINDS, rebuilt
    from fapws.worker.life import WorkerSpec

    offset, size, start, length = known["place"]
    length_of_tally = known["tally"][3] if known["tally"] else ffi.sizeof("fw_tally")
    if (length, length_of_tally) != (ffi.sizeof("fw_score"), ffi.sizeof("fw_tally")):
        raise ValueError("the files of Fapws are of another version than the running master; restart it")
    page = memoryview(mmap.mmap(board, size, offset=offset))
    tally = None
    if known["tally"]:
        at, whole, first, _ = known["tally"]
        tally = memoryview(mmap.mmap(board, whole, offset=at))[first : first + length_of_tally]
    spec: WorkerSpec = rebuilt(known["spec"], {**KINDS, "WorkerSpec": WorkerSpec})
    return spec._replace(row=page[start : start + length], neighbours=page.toreadonly(), tally=tally)


def _keep_memory_still() -> None:
    """What lives now stays, so the application's collections need not look at it."""
    import gc

    if hasattr(gc, "freeze"):
        gc.freeze()


def _fail(channel: int) -> NoReturn:
    """Tells the master why there is no worker."""
    import traceback

    from fapws.messages import Failed, encode

    try:
        os.write(channel, encode(Failed(traceback.format_exc())))
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
