"""User, groups, limits, root directory: what a worker is, and that it cannot be more again."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest
from support.ports import unused_port
from support.rooted import OTHER, ROOT, needs_proc, needs_root, other, proc_status

from fapws.compat.script import script_settings
from fapws.settings import options
from fapws.settings.ini import read
from fapws.settings.model import Pool
from fapws.settings.problems import ConfigError
from fapws.worker import privileges
from fapws.worker.assemble import promise
from fapws.worker.privileges import CannotConfine, Confinement, Identity

TELLS = """\
import os, resource

def application(environ, start_response):
    facts = {
        "ids": os.getresuid() + os.getresgid() + tuple(os.getgroups()),
        "umask": os.umask(0),
        "cwd": os.getcwd(),
        "root": sorted(os.listdir("/")),
        "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
        "as": resource.getrlimit(resource.RLIMIT_AS),
        "imported_as": IMPORTED_AS,
        "env": [os.environ.get(name) for name in ("USER", "LOGNAME", "HOME")],
        "back": [],
    }
    for name, arguments in ATTEMPTS:
        try:
            getattr(os, name)(*arguments)
        except OSError as error:
            facts["back"].append(error.errno)
        else:
            facts["back"].append(0)
    length = len(environ["wsgi.input"].read())
    body = repr({**facts, "length": length}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

IMPORTED_AS = os.getresuid() + os.getresgid()
ATTEMPTS = [("setuid", (0,)), ("seteuid", (0,)), ("setgid", (0,)), ("setgroups", ([0],)), ("chroot", ("/",))]
"""


# ---- What the options mean ------------------------------------------------------------------------


def test_no_option_means_no_change() -> None:
    assert privileges.identity("", "") is None


def test_user_brings_his_own_group_and_home() -> None:
    entry = other()
    found = privileges.identity(OTHER, "")
    assert found is not None
    assert (found.uid, found.gid, found.home, found.login) == (
        entry.pw_uid,
        entry.pw_gid,
        entry.pw_dir,
        OTHER,
    )
    assert entry.pw_gid in found.groups
    assert privileges.identity(str(entry.pw_uid), "") == found._replace(
        text=found.text.replace(f"user {OTHER}", f"user {entry.pw_uid}")
    )


def test_group_of_its_own_is_added_to_those_of_the_user() -> None:
    found = privileges.identity(OTHER, "0")
    assert found is not None
    assert found.gid == 0
    assert 0 in found.groups


def test_number_without_a_name_needs_a_group() -> None:
    with pytest.raises(CannotConfine, match="user 4242424 has a number and no name"):
        privileges.identity("4242424", "")
    found = privileges.identity("4242424", "4242425")
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


# ---- The drop, in a process of its own ------------------------------------------------------------


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
    confinement.finish()
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
        # pytest's directory above is closed to that user, which shows by itself who looked.
        found = script_settings(str(script), pool).server
    finally:
        os.close(kept)
    assert found == ""
    assert script_settings(str(script), pool._replace(user="")).server == ":0"


# ---- A server -------------------------------------------------------------------------------------


@needs_root
@needs_proc
def test_worker_is_the_user_before_the_application_is_imported(public_house) -> None:
    house = public_house
    house.write_app(TELLS)
    house.configure(pool=f"user = {OTHER}\numask = 027\nrlimit_nofile = 300\nrlimit_as = 2g")
    house.start()
    entry = other()
    (pid,) = house.workers()
    status = proc_status(pid)
    assert status["Uid"] == [str(entry.pw_uid)] * 4
    assert status["Gid"] == [str(entry.pw_gid)] * 4
    assert status["Groups"] == [str(entry.pw_gid)]
    assert int(status["CapEff"][0], 16) == int(status["CapPrm"][0], 16) == 0
    facts = eval(house.get(house.port()))
    assert facts["imported_as"] == (entry.pw_uid,) * 3 + (entry.pw_gid,) * 3
    assert (facts["umask"], facts["nofile"], facts["as"]) == (0o27, (300, 300), (2**31, 2**31))
    assert facts["env"] == [OTHER, OTHER, entry.pw_dir]
    assert 0 not in facts["back"]
    assert proc_status(house.pid)["Uid"] == ["0"] * 4, "the master stays what it was"
    house.ctl("stop")
    house.assert_nothing_is_left()


@needs_root
@needs_proc
def test_worker_in_a_chroot_imports_outside_and_serves_inside(public_house) -> None:
    house = public_house
    jail = house.directory / "jail"
    (jail / "tmp").mkdir(parents=True)
    os.chmod(jail / "tmp", 0o1777)
    house.write_app(TELLS)
    low = unused_port(600, 1024)  # only root may bind it
    house.configure(listen=f"127.0.0.1:0, 127.0.0.1:{low}", pool=f"user = {OTHER}\nchroot = {jail}")
    house.start()
    entry = other()
    (pid,) = house.workers()
    assert os.readlink(f"/proc/{pid}/root") == str(jail)
    assert proc_status(pid)["Uid"] == [str(entry.pw_uid)] * 4
    facts = eval(house.get(low))
    assert facts["root"] == ["tmp"]
    assert facts["cwd"] == "/"
    assert facts["ids"] == (entry.pw_uid,) * 3 + (entry.pw_gid,) * 4
    assert facts["imported_as"] == (0, entry.pw_uid, 0) + (entry.pw_gid,) * 3
    assert 0 not in facts["back"]
    assert eval(upload(house.port(), 200_000))["length"] == 200_000
    assert not [fd for fd in os.listdir(f"/proc/{pid}/fd") if os.path.isdir(f"/proc/{pid}/fd/{fd}")]
    house.ctl("reload")
    assert eval(house.get(low))["root"] == ["tmp"]
    house.ctl("stop")
    house.assert_nothing_is_left()


def upload(port: int, size: int) -> bytes:
    """The content of the answer to a request with so much content."""
    with socket.create_connection(("127.0.0.1", port), 30) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size)
        sock.sendall(b"x" * size)
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    return answer.partition(b"\r\n\r\n")[2]


@needs_root
def test_spool_directory_that_the_user_may_not_write_is_told_and_serves(public_house) -> None:
    house = public_house
    jail = house.directory / "jail"
    (jail / "spool").mkdir(parents=True)
    house.configure(pool=f"user = {OTHER}\nchroot = {jail}\nspool_directory = {jail}/spool")
    house.start()
    house.wait_log(rf"spool_directory {jail}/spool: the worker may not write there")
    assert house.get(house.port()).startswith(b"hello")
    house.ctl("stop")


@needs_root
def test_traceback_reaches_the_log_from_inside_a_chroot(public_house) -> None:
    house = public_house
    (house.directory / "jail" / "tmp").mkdir(parents=True)
    house.write_app("def application(environ, start_response):\n    raise RuntimeError('seen from inside')\n")
    house.configure(pool=f"user = {OTHER}\nchroot = {house.directory / 'jail'}")
    house.start()
    with socket.create_connection(("127.0.0.1", house.port()), 30) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 500 ")
    house.wait_log(r"Traceback[\s\S]*RuntimeError: seen from inside")
    house.ctl("stop")


@needs_root
def test_program_of_fapws4_sets_cookies_from_inside_a_chroot(public_house) -> None:
    house = public_house
    (house.directory / "jail" / "tmp").mkdir(parents=True)
    house.write_app(
        "from fapws4 import base\n"
        "def hello(environ, start_response):\n"
        "    start_response.set_cookie('a', '1')\n"
        "    return base.get_status(200) + str(base.parse_cookies({'HTTP_COOKIE': 'b=2'}))\n"
        "PATHS = [('/', hello)]\n"
    )
    house.configure(pool=f"user = {OTHER}\nchroot = {house.directory / 'jail'}")
    house.start()
    assert house.get(house.port()) == b"200 OKSet-Cookie: b=2"
    house.ctl("stop")


@needs_root
def test_application_that_its_user_may_not_read_cannot_boot(public_house) -> None:
    house = public_house
    house.app.chmod(0o600)
    house.configure(pool=f"user = {OTHER}")
    text = house.ctl("start", expect=1)
    assert f"cannot read {house.app}: Permission denied" in text
    house.assert_nothing_is_left()


@needs_root
@pytest.mark.parametrize("option", ["directory", "pythonpath"])
def test_folder_of_the_application_that_its_user_may_not_enter_is_named(public_house, option: str) -> None:
    house = public_house
    site = house.directory / "closed" / "site"
    site.mkdir(parents=True)
    (site / "blog.py").write_text("def application(environ, start_response): ...\n")
    site.parent.chmod(0o700)
    house.configure(pool=f"user = {OTHER}")
    house.ini.write_text(
        house.ini.read_text().replace(f"script = {house.app}", f"app = blog:application\n{option} = {site}")
    )
    text = house.ctl("start", expect=1)
    assert f"user {OTHER} cannot read {site}: it may not enter {site.parent}" in text
    house.assert_nothing_is_left()


@needs_root
@pytest.mark.parametrize("chroot", ["", "jail"])
def test_package_below_a_closed_folder_serves_and_is_named(public_house, chroot: str) -> None:
    house = public_house
    clone = house.directory / "closed" / "clone"
    for package in ("fapws", "supervisor"):
        shutil.copytree(ROOT / package, clone / package, symlinks=True)
    clone.parent.chmod(0o700)
    house.tree = clone
    (house.directory / "jail" / "tmp").mkdir(parents=True)
    inside = f"chroot = {house.directory / chroot}" if chroot else ""
    house.write_app("PATHS = [('/', lambda environ, start_response: 'served')]\n")
    house.configure(pool=f"user = {OTHER}\n{inside}")
    house.start()
    assert house.get(house.port()) == b"served"
    house.wait_log(rf"user {OTHER} cannot read .*{clone}/fapws: it may not enter {clone.parent}")
    house.ctl("stop")
    house.write_app("import fapws.contrib.zip\n")
    text = house.ctl("start", expect=1)
    assert "No module named 'fapws.contrib" in text
    assert f"{clone}/fapws: it may not enter {clone.parent}" in text
    house.assert_nothing_is_left()


@needs_root
def test_unix_socket_belongs_to_whom_its_address_says(public_house) -> None:
    house = public_house
    house.configure(listen=f"unix:{house.unix}?mode=600&user={OTHER}&group={other().pw_gid}")
    house.start()
    found = house.unix.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (other().pw_uid, other().pw_gid, 0o600)
    house.ctl("stop")
    house.assert_nothing_is_left()
