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

    from fapws.worker.spec import WorkerSpec


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
    from fapws.worker.spec import WorkerSpec

    for key, kind in (("place", "fw_score"), ("tally", "fw_tally"), ("last", "fw_last")):
        if known[key] and known[key][3] != ffi.sizeof(kind):
            raise ValueError("the files of Fapws are of another version than the running master; restart it")

    def mapped(place: tuple[int, int, int, int]) -> tuple[memoryview, memoryview]:
        offset, size, start, length = place
        page = memoryview(mmap.mmap(board, size, offset=offset))
        return page, page[start : start + length]

    page, row = mapped(known["place"])
    tally, last = (mapped(known[key])[1] if known[key] else None for key in ("tally", "last"))
    spec: WorkerSpec = rebuilt(known["spec"], {**KINDS, "WorkerSpec": WorkerSpec})
    if spec.is_zygote:
        spec = spec._replace(board=mmap.mmap(board, 0))
    return spec._replace(row=row, neighbours=page.toreadonly(), tally=tally, last=last)


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
