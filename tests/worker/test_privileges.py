"""User, groups, limits, root directory: what the options mean, and what is done about them in a process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.rooted import OTHER, needs_root, other

from fapws.compat.script import script_settings
from fapws.settings import options
from fapws.settings.identity import Identity, UnknownIdentity, identity
from fapws.settings.ini import read
from fapws.settings.model import Config, Pool
from fapws.settings.problems import ConfigError
from fapws.settings.readable import unreadable
from fapws.worker import privileges
from fapws.worker.assemble import promise
from fapws.worker.privileges import CannotConfine, Confinement


def test_no_option_means_no_change() -> None:
    assert identity("", "") is None


def test_user_brings_his_own_group_and_home() -> None:
    entry = other()
    found = identity(OTHER, "")
    assert found is not None
    assert (found.uid, found.gid, found.home, found.login) == (
        entry.pw_uid,
        entry.pw_gid,
        entry.pw_dir,
        OTHER,
    )
    assert entry.pw_gid in found.groups
    assert identity(str(entry.pw_uid), "") == found._replace(
        text=found.text.replace(f"user {OTHER}", f"user {entry.pw_uid}")
    )


def test_what_the_user_cannot_read_is_left_to_whom_can_try(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config("", (Pool("shop", user=OTHER),))
    monkeypatch.setattr(os, "geteuid", lambda: other().pw_uid + 1)
    (told,) = unreadable(config)
    assert told.startswith(f"[app:shop] only root can try whether user {OTHER} can read the application")
    assert unreadable(Config("", (Pool("shop"), Pool("blog", user="root")))) == []


def test_group_of_its_own_is_added_to_those_of_the_user() -> None:
    found = identity(OTHER, "0")
    assert found is not None
    assert found.gid == 0
    assert 0 in found.groups


def test_number_without_a_name_needs_a_group() -> None:
    with pytest.raises(UnknownIdentity, match="user 4242424 has a number and no name"):
        identity("4242424", "")
    found = identity("4242424", "4242425")
    assert found is not None
    assert (found.uid, found.gid, found.groups) == (4242424, 4242425, (4242425,))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("user = nobody-has-this", "there is no user nobody-has-this"),
        ("group = nobody-has-this", "there is no group nobody-has-this"),
        ("user = 99999999999999999999", "there is no user 99999999999999999999"),
        ("user = 4242424", "its group must be set too"),
        ("umask = 8", "octal permission bits"),
        ("umask = 1777", "octal permission bits"),
        ("chroot = /nowhere/at/all", "there is no directory"),
        ("chroot = /", "chroot needs a user other than root"),
        ("chroot = /\nuser = root", "chroot needs a user other than root"),
        ("chroot = /usr", "chroot needs a tmp inside, or a spool_directory: there is no directory /usr/tmp"),
        ("chroot = /usr\nspool_directory = /tmp", "spool_directory must lie inside chroot, /usr"),
        (f"chroot = /\nuser = {OTHER}\nautoreload = yes", "autoreload cannot see"),
        ("rlimit_nofile = many", "whole number"),
        ("pledge = stdio", "pledge is a system call of OpenBSD; this is "),
        ("unveil = /srv:r", "unveil is a system call of OpenBSD; this is "),
        ("listen = unix:s?user=", "behind the ? of a unix address"),
    ],
)
def test_mistakes_are_told_before_anything_is_touched(tmp_path: Path, lines: str, message: str) -> None:
    (tmp_path / "x.ini").write_text(f"[app:x]\napp = x:y\n{lines}\n")
    with pytest.raises(ConfigError, match="(?s)" + message.replace("?", r"\?")):
        read(str(tmp_path / "x.ini"))


@pytest.fixture
def openbsd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the configuration believe that it is read on OpenBSD."""
    uname = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("OpenBSD", *tuple(uname)[1:])))


@pytest.mark.usefixtures("openbsd")
def test_pledge_and_unveil_are_read_on_openbsd() -> None:
    pledge, unveil = options.POOL_OPTIONS["pledge"], options.POOL_OPTIONS["unveil"]
    assert options.parse(pledge, "stdio  recvfd inet", "/") == "stdio recvfd inet"
    with pytest.raises(ValueError, match="cannot serve without recvfd"):
        options.parse(pledge, "stdio inet", "/")
    value = options.parse(unveil, "/srv/a:r, b:rwc", "/base")
    assert value == (("/srv/a", "r"), ("/base/b", "rwc"))
    assert options.parse(unveil, options.format_value(unveil, value), "/") == value
    for bad in ("/srv", "/srv:", ":r", "/srv:q"):
        with pytest.raises(ValueError, match="must be PATH:PERMISSIONS"):
            options.parse(unveil, bad, "/")


def test_worker_whose_promise_is_refused_does_not_serve() -> None:
    with pytest.raises(OSError, match="pledge stdio is refused"):
        promise(Pool("p", pledge="stdio"))
    with pytest.raises(OSError, match="unveil /srv:r is refused"):
        promise(Pool("p", unveil=(("/srv", "r"),)))


def in_child(action: object) -> str:
    """What a function returns, or the sentence it raises, in a forked process."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            assert callable(action)
            text = repr(action())
        except CannotConfine as error:
            text = str(error)
        except BaseException as error:
            text = repr(error)
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as file:
        text = file.read()
    os.waitpid(pid, 0)
    return text


def confine(pool: Pool) -> object:
    confinement = Confinement(pool)
    confinement.begin()
    confinement.complete()
    return None


@needs_root
def test_drop_that_leaves_a_way_back_is_found() -> None:
    entry = other()
    wanted = Identity(entry.pw_uid, entry.pw_gid, (entry.pw_gid,), "/", OTHER, "user somebody")

    def only_effective() -> None:
        os.setgroups([entry.pw_gid])
        os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
        os.setresuid(entry.pw_uid, entry.pw_uid, 0)
        privileges.verify(wanted)

    def groups_kept() -> None:
        os.setgroups([0, entry.pw_gid])
        os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
        os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
        privileges.verify(wanted)

    assert "kept another id" in in_child(only_effective)
    assert "other groups stayed" in in_child(groups_kept)


@needs_root
def test_drop_works_where_only_the_oldest_calls_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("setresuid", "setresgid", "getresuid", "getresgid"):
        monkeypatch.delattr(os, name, raising=False)
    assert in_child(lambda: confine(Pool("p", user=OTHER))) == "None"


@needs_root
def test_who_is_not_root_is_told_so() -> None:
    def ordinary() -> object:
        os.setuid(other().pw_uid)
        return confine(Pool("p", user="root"))

    text = in_child(ordinary)
    assert text.startswith("cannot become user root (uid 0), group 0 (gid 0): ")
    assert f"the server runs as uid {other().pw_uid}, and only root may change its user" in text


@needs_root
def test_who_is_it_already_needs_no_root() -> None:
    def already() -> object:
        entry = other()
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        return confine(Pool("p", user=OTHER))

    assert in_child(already) == "None"


@needs_root
def test_limit_above_what_is_allowed_names_the_option() -> None:
    def ordinary() -> object:
        os.setuid(other().pw_uid)
        return confine(Pool("p", rlimit_nofile=2**24))

    assert "rlimit_nofile = 16777216: the limit is" in in_child(ordinary)


@needs_root
def test_script_is_looked_at_as_its_pools_user(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o755)
    script = tmp_path / "s.py"
    script.write_text("import os\nSERVER = ':' + str(os.getuid() % 65536)\n")
    kept = os.open("/", os.O_RDONLY)
    try:
        pool = Pool("p", script=str(script), user=OTHER)
        # pytest's directory above is closed to that user, so what is found shows which user looked.
        found = script_settings(str(script), pool).server
    finally:
        os.close(kept)
    assert found == ""
    assert script_settings(str(script), pool._replace(user="")).server == ":0"
