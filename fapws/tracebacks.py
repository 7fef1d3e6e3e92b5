"""Tracebacks for the author of an application: without the frames that are Fapws' own.

``traceback`` is imported here when there is one to show: it costs half a megabyte, which a worker without
errors does not need. So each function raises ImportError or OSError where it cannot be loaded (no descriptor
is left, or it lies outside a chroot).
"""

from __future__ import annotations

from fapws.lean import TracebackType

_TIMES_MAX = 100


def text_of(error: BaseException) -> str:
    """As Python shows it, from the application's first frame on; all of it if there is none.

    Of equal exceptions that came of each other only the first is shown.
    """
    import traceback

    times = 1
    while times < _TIMES_MAX and error.__context__ is not None and is_repetition(error):
        error = error.__context__
        times += 1
    first = error.__traceback__
    while first is not None and is_ours(first):
        first = first.tb_next
    text = "".join(traceback.format_exception(type(error), error, first or error.__traceback__))
    told = f"(raised {times} times, each time while it was handled; the first is shown)\n"
    return told + text if times > 1 else text


def is_repetition(error: BaseException) -> bool:
    """Whether it was raised at the place of an equal one while that was handled.

    Django does so with a urls.py that cannot be imported: each middleware looks there for an error page.
    """
    before = error.__context__
    if before is None or error.__cause__ is not None or error.__suppress_context__:
        return False
    same_place = _place(before) == _place(error)
    return same_place and type(before) is type(error) and str(before) == str(error)


def _place(error: BaseException) -> tuple[str, int]:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return (trace.tb_frame.f_code.co_filename, trace.tb_lineno) if trace else ("", 0)


def is_ours(trace: TracebackType) -> bool:
    """Whether a frame is the server's. fapws.contrib is the application's: its author has put it there."""
    name = str(trace.tb_frame.f_globals.get("__name__"))
    return name.startswith("fapws.") and not name.startswith("fapws.contrib.")


def text_without(error: BaseException, file: str) -> str:
    """As Python shows it, without the frames of one file and of importlib, in its causes as well.

    The exception keeps what is left of its traceback.
    """
    import traceback

    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        link = pending.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        link.__traceback__ = frames_without(link.__traceback__, file)
        pending += [link.__cause__, link.__context__]
    if error.__traceback__ is None and error.__cause__ is None and error.__context__ is None:
        return "".join(traceback.format_exception_only(type(error), error))
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def frames_without(trace: TracebackType | None, file: str) -> TracebackType | None:
    """The traceback without the frames of one file and of importlib; None: there are no others."""
    kept: list[TracebackType] = []
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name != file and not name.startswith("<frozen importlib"):
            kept.append(trace)
        trace = trace.tb_next
    for first, second in zip(kept, [*kept[1:], None]):
        first.tb_next = second
    return kept[0] if kept else None
