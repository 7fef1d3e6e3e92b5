"""Users and groups by name or number: what the options user and group mean. Changes nothing."""

from __future__ import annotations

import os

from fapws.lean import NamedTuple


class UnknownIdentity(Exception):
    """The system does not know the user or group; ``str`` is a sentence."""


class Identity(NamedTuple):
    """A user and groups by number, and what people call them."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    """Supplementary groups, the lowest first; ``gid`` is among them."""
    home: str
    login: str
    """Empty: the user has a number and no name."""
    text: str
    """For messages: ``user www (uid 67), group www (gid 67)``."""

    @property
    def user(self) -> str:
        """For messages: ``user www``."""
        return f"user {self.login or self.uid}"


def identity(user: str, group: str) -> Identity | None:
    """What the options user and group mean; None: both are empty, so nothing is to change.

    Raises UnknownIdentity where the system knows no such user or group.
    """
    if not user and not group:
        return None
    uid, login, home, gid = find_user(user) if user else (os.getuid(), "", "", -1)
    if group:
        gid = find_group(group)
    if gid < 0:
        raise UnknownIdentity(f"user {user} has a number and no name, so its group must be set too")
    groups = os.getgrouplist(login, gid) if login else [gid]
    who = f"user {user} (uid {uid}), " if user else ""
    text = f"{who}group {group or gid} (gid {gid})"
    return Identity(uid, gid, tuple(sorted({gid, *groups})), home, login, text)


def find_user(user: str) -> tuple[int, str, str, int]:
    """uid, name, home and gid of a name or number. Raises UnknownIdentity."""
    import pwd

    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except (KeyError, OverflowError):
        if user.isdigit() and int(user) < 2**32 - 1:
            return int(user), "", "", -1
        raise UnknownIdentity(f"there is no user {user}") from None
    return entry.pw_uid, entry.pw_name, entry.pw_dir, entry.pw_gid


def find_group(group: str) -> int:
    """The gid of a name or number. Raises UnknownIdentity."""
    import grp

    if group.isdigit() and int(group) < 2**32 - 1:
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise UnknownIdentity(f"there is no group {group}") from None
