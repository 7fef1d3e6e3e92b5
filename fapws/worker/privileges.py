"""A worker's user, groups, limits and root directory, taken on for good before it hears a client.

What the options user and group mean is settings/identity.py's. ``Confinement`` does it, in two steps, because
an application below ``chroot`` is imported from outside:

    without chroot   begin: limits, umask, the whole and final drop     complete: nothing
    with chroot      begin: limits, umask, groups, effective user       complete: chroot, the final drop

After the final drop root is tried to be had back by every way there is; a worker that gets it ends.
"""

from __future__ import annotations

import os
import resource
import sys
import time

from fapws.lean import Callable, Iterable
from fapws.settings.identity import Identity, UnknownIdentity, identity
from fapws.settings.model import Pool

_WANTED_LATER = (
    "encodings.ascii",
    "encodings.idna",
    "encodings.latin_1",
    "fapws.wsgi.debugging",
    "fapws.wsgi.forwarded",
    "linecache",
    "tempfile",
    "threading",
    "tokenize",
    "traceback",
)

_WANTED_TO_LOAD = ("fapws.compat.alias", "fapws.compat.foreign", "fapws.compat.paths", "site")
"""What the loader imports when it needs it."""


class CannotConfine(Exception):
    """A worker that cannot become what it should be must not serve; ``str`` is a sentence."""


class Confinement:
    """What a pool's options make of a worker's process."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._identity: Identity | None = None

    def begin(self, needed: Iterable[str] = _WANTED_TO_LOAD) -> None:
        """Before the application is imported. needed: the modules of Fapws and Python that this process will
        import then. Raises CannotConfine."""
        try:
            wanted = self._identity = identity(self._pool.user, self._pool.group)
        except UnknownIdentity as error:
            raise CannotConfine(str(error)) from None
        _set_limits(self._pool)
        if self._pool.umask >= 0:
            os.umask(self._pool.umask)
        if wanted is not None and wanted.login:
            os.environ.update(HOME=wanted.home, USER=wanted.login, LOGNAME=wanted.login)
        if wanted is not None and wanted.uid != 0 and os.geteuid() == 0:
            _look_ahead(wanted, needed)
        if self._pool.chroot:
            _import_what_lies_outside()
            if self._pool.script:  # perhaps a program of fapws4 or fapws3
                import http.cookies  # noqa: F401  # what set_cookie() and get_status() look for later
            if wanted is not None:
                _become(wanted, finally_=False)
        elif wanted is not None:
            _become(wanted, finally_=True)

    def blind_spots(self, places: Iterable[str]) -> str:
        """Lines on what the user cannot read of these places and of Fapws's own, for a load that failed."""
        if self._identity is None:
            return ""
        from fapws.settings import readable

        told = readable.complaints(self._identity.user, [*places, *readable.own_places()])
        return "".join(f"{line}\n" for line in told)

    def complete(self) -> None:
        """After the import, before the first byte of a client. Raises CannotConfine."""
        root = self._pool.chroot
        if not root:
            return
        try:
            if self._identity is not None:
                os.seteuid(0)
            os.chroot(root)
            os.chdir("/")
        except OSError as error:
            raise CannotConfine(f"cannot change the root directory to {root}: {_reason(error)}") from None
        if self._identity is not None:
            _become(self._identity, finally_=True)


def drop_for_script(pool: Pool, needed: Iterable[str]) -> None:
    """For a short-lived child that looks at a pool's script: user, groups and limits, without chroot. needed:
    see Confinement.begin().

    A process that is not root has nothing to drop. Raises CannotConfine.
    """
    if os.geteuid() == 0:
        Confinement(pool._replace(chroot="")).begin(needed)


# ---- Steps ---------------------------------------------------------------------------------------


def _set_limits(pool: Pool) -> None:
    wishes = (("rlimit_nofile", "RLIMIT_NOFILE"), ("rlimit_as", "RLIMIT_AS"))
    for option, name in wishes:
        wanted = getattr(pool, option)
        if not wanted:
            continue
        number = getattr(resource, name)
        try:
            resource.setrlimit(number, (wanted, wanted))
        except (OSError, ValueError):
            hard = resource.getrlimit(number)[1]
            text = f"{option} = {wanted}: the limit is {hard}, and only root can raise it"
            raise CannotConfine(text) from None


def _look_ahead(wanted: Identity, needed: Iterable[str]) -> None:
    """Before the drop: says what the user will not be able to read, and imports of that what is needed.

    What the application imports from there cannot be foreseen: see Confinement.blind_spots().
    """
    from fapws.settings import readable

    _become(wanted, finally_=False)
    told = readable.complaints(wanted.user, readable.own_places())
    os.seteuid(0)
    if told:
        _import_what_lies_outside()
        for name in needed:
            __import__(name)
    for line in told:
        print(f"fapws: {line}; what is not loaded yet cannot be imported from there", file=sys.stderr)


def _become(wanted: Identity, *, finally_: bool) -> None:
    """Takes the identity on; ``finally_``: so that there is no way back, which is then tried."""
    uids = _all_ids("uid")
    if uids == {wanted.uid} and _all_ids("gid") == {wanted.gid} and wanted.uid != 0:
        return  # a server for one's own use: it is what it should be, and can be nothing else
    try:
        os.setgroups(wanted.groups)
        _set_all("gid", wanted.gid)
        if finally_:
            _set_all("uid", wanted.uid)
        else:
            os.seteuid(wanted.uid)
    except OSError as error:
        text = f"cannot become {wanted.text}: {_reason(error)}"
        if 0 not in uids:
            text += f"; the server runs as uid {os.getuid()}, and only root may change its user"
        raise CannotConfine(text) from None
    if finally_:
        verify(wanted)


def verify(wanted: Identity) -> None:
    """Raises CannotConfine if this process is not what it should be, or can become root again."""
    if _all_ids("uid") != {wanted.uid} or _all_ids("gid") != {wanted.gid}:
        raise CannotConfine(f"did not become {wanted.text}: the system kept another id")
    if set(os.getgroups()) | {wanted.gid} != set(wanted.groups):
        raise CannotConfine(f"did not become {wanted.text}: other groups stayed")
    if wanted.uid == 0:
        return
    ways: list[Callable[[], None]] = [lambda: os.setuid(0), lambda: os.seteuid(0)]
    if hasattr(os, "setresuid"):
        ways.append(lambda: os.setresuid(-1, 0, -1))
    if 0 not in wanted.groups:
        ways.append(lambda: os.setgid(0))
        ways.append(lambda: os.setegid(0))
        ways.append(lambda: os.setgroups([0]))
    for way in ways:
        try:
            way()
        except OSError:
            continue
        raise CannotConfine(f"became {wanted.text}, but root can be had back; this worker must not serve")


def _set_all(kind: str, number: int) -> None:
    """Real, effective and saved id. Without setres*id (NetBSD, macOS) root's set*id does all three."""
    if hasattr(os, "setresuid"):
        (os.setresuid if kind == "uid" else os.setresgid)(number, number, number)
    else:
        (os.setuid if kind == "uid" else os.setgid)(number)


def _all_ids(kind: str) -> set[int]:
    if hasattr(os, "getresuid"):
        return set(os.getresuid() if kind == "uid" else os.getresgid())
    return {os.getuid(), os.geteuid()} if kind == "uid" else {os.getgid(), os.getegid()}


def _import_what_lies_outside() -> None:
    """What the worker itself would import or read only later, when it cannot be found any more."""
    for name in _WANTED_LATER:
        __import__(name)
    time.tzset()
    time.localtime()


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
