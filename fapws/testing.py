"""``with fapws.testing.serve(app) as url``: a real server for a test, on a port that was free.

The application runs in processes of its own: what it changes in memory the test does not see. As a fixture:

    @pytest.fixture
    def url():
        with fapws.testing.serve(app) as url:
            yield url
"""

from __future__ import annotations

import os
import re
import select
import signal
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, NoReturn

from fapws.embedding.run import CannotServe, run

_READ_SIZE = 65536
_PAUSE = 0.01


@contextmanager
def serve(
    application: Callable[..., Any], workers: int = 1, *, seconds: float = 30.0, **options: Any
) -> Iterator[str]:
    """Yields the URL, without a slash at its end. ``options``: those of fapws.run(). ``seconds``: for the
    start and for the end; after them the server is killed. Raises CannotServe."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a test may have threads; the child uses none
        pid = os.fork()
    if pid == 0:
        os.close(reader)
        _be_master(application, writer, {"port": 0, "workers": workers, **options})
    os.close(writer)
    try:
        yield _url(_heard(reader, time.monotonic() + seconds))
    finally:
        os.close(reader)
        _end(pid, time.monotonic() + seconds)


def _be_master(application: Callable[..., Any], writer: int, options: dict[str, Any]) -> NoReturn:
    status = 1
    try:

        def tell(_code: int, text: str) -> None:
            os.write(writer, b"+" + text.encode("utf-8", "backslashreplace") + b"\n")
            os.close(writer)

        status = run(application, tell=tell, **options)
    except BaseException as error:
        os.write(writer, b"-" + f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace"))
    finally:
        os._exit(status)


def _heard(reader: int, until: float) -> str:
    said = b""
    while not (said.startswith(b"+") and said.endswith(b"\n")):
        if not select.select([reader], [], [], max(0.0, until - time.monotonic()))[0]:
            raise CannotServe("the server did not come up in time")
        piece = os.read(reader, _READ_SIZE)
        if not piece:
            break
        said += piece
    text = said[1:].decode("utf-8", "replace").strip()
    if not said.startswith(b"+"):
        raise CannotServe(text or "the server ended before it served")
    return text


def _url(text: str) -> str:
    found = re.search(r"https?://[^\s,]+", text)
    if found is None:
        raise CannotServe(f"serves, but at no URL: {text}")
    return found[0].rstrip("/")


def _end(pid: int, until: float) -> None:
    os.kill(pid, signal.SIGTERM)
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        if time.monotonic() >= until:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return
        time.sleep(_PAUSE)
