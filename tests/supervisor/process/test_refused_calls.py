"""System calls that a sandbox refuses: the service goes another way, or says at the start what it lacks."""

from __future__ import annotations

import errno
import os
import platform
import sys
from pathlib import Path

import pytest
from support import seccomp
from support.house import House

LIBUVS = ("eventfd2", "epoll_create1")
"""What libuv itself calls; older editions of it know another way for some."""
CALLS = [call for call in seccomp.NUMBERS.get(platform.machine(), ["any"]) if call not in LIBUVS]

FILES = """\
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](open(__file__, "rb"))
"""


needs_seccomp = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in seccomp.NUMBERS,
    reason="needs Linux's seccomp, and the numbers of its calls on this machine",
)


def refuse(house: House, call: str, error: str) -> None:
    """Every program of this house runs without the call."""
    house.prefix = [sys.executable, str(Path(seccomp.__file__)), error, call]


@needs_seccomp
@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
@pytest.mark.parametrize("call", CALLS)
def test_a_day_without_a_call(house: House, call: str, error: str) -> None:
    refuse(house, call, error)
    house.write_app(FILES)
    house.configure(workers=2, pool=f"access_log = {house.directory}/access.log")
    house.start()
    assert house.get(house.port()) == FILES.encode()
    house.ctl("reload")
    house.ctl("upgrade")
    assert house.get(house.port()) == FILES.encode()
    house.ctl("stop")
    house.assert_nothing_is_left()


@needs_seccomp
@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EPERM])
@pytest.mark.parametrize("call", LIBUVS)
def test_a_call_that_libuv_cannot_do_without_is_told_at_the_start(
    house: House, call: str, error: int
) -> None:
    refuse(house, call, errno.errorcode[error])
    said = house.ctl("start", expect=None)
    if said.startswith("fapws: serving"):  # this libuv knows another way
        assert house.get(house.port()).startswith(b"hello ")
        house.ctl("stop")
    else:
        assert f"the C core cannot be set up: {os.strerror(error)}" in said
    house.assert_nothing_is_left()
