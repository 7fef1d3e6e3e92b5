"""Workers that are another user, in another root directory: what they are, and cannot be again."""

from __future__ import annotations

import os
import shutil
import socket

import pytest
from support.house import House
from support.ports import unused_port
from support.rooted import OTHER, ROOT, needs_proc, needs_root, other, proc_status

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


@needs_root
@needs_proc
def test_worker_is_the_user_before_the_application_is_imported(public_house: House) -> None:
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
def test_worker_in_a_chroot_imports_outside_and_serves_inside(public_house: House) -> None:
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
def test_spool_directory_that_the_user_may_not_write_is_told_and_serves(public_house: House) -> None:
    house = public_house
    jail = house.directory / "jail"
    (jail / "spool").mkdir(parents=True)
    house.configure(pool=f"user = {OTHER}\nchroot = {jail}\nspool_directory = {jail}/spool")
    house.start()
    house.wait_log(rf"spool_directory {jail}/spool: the worker may not write there")
    assert house.get(house.port()).startswith(b"hello")
    house.ctl("stop")


@needs_root
def test_traceback_reaches_the_log_from_inside_a_chroot(public_house: House) -> None:
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
def test_program_of_fapws4_sets_cookies_from_inside_a_chroot(public_house: House) -> None:
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
def test_application_that_its_user_may_not_read_cannot_boot(public_house: House) -> None:
    house = public_house
    house.app.chmod(0o600)
    house.configure(pool=f"user = {OTHER}")
    text = house.ctl("start", expect=1)
    assert f"cannot read {house.app}: Permission denied" in text
    house.assert_nothing_is_left()


@needs_root
@pytest.mark.parametrize("option", ["directory", "pythonpath"])
def test_folder_of_the_application_that_its_user_may_not_enter_is_named(
    public_house: House, option: str
) -> None:
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
def test_package_below_a_closed_folder_serves_and_is_named(public_house: House, chroot: str) -> None:
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
    house.write_app("import fapws.contrib.zip\n\ndef application(environ, start_response): ...\n")
    text = house.ctl("start", expect=1)
    assert "No module named 'fapws.contrib" in text
    assert f"{clone}/fapws: it may not enter {clone.parent}" in text
    house.assert_nothing_is_left()


@needs_root
def test_configtest_tells_what_the_user_of_the_workers_cannot_read(public_house: House) -> None:
    house = public_house
    site = house.directory / "closed" / "site"
    (site / "shop").mkdir(parents=True)
    (site / "shop" / "wsgi.py").write_text("def application(environ, start_response): ...\n")
    house.configure(pool=f"user = {OTHER}\nstatic = /s:{site}")
    text = house.ini.read_text().replace(
        f"script = {house.app}", f"app = shop.wsgi:application\ndirectory = {site}"
    )
    house.ini.write_text(text)
    told = f"[app:hello] user {OTHER} cannot read "
    assert f"{site}" not in house.ctl("configtest")
    (site / "shop" / "wsgi.py").chmod(0o600)
    assert f"{site}/shop/wsgi.py: Permission denied" in house.ctl("configtest")
    beside = site / "catalog"  # as a git pull under umask 077 leaves it
    beside.mkdir(0o700)
    (beside / "__init__.py").touch()
    (site / "media").mkdir(0o700)  # no business of the application's, as far as anybody can tell
    assert f"{site}/shop/wsgi.py, {beside}: Permission denied" in house.ctl("configtest")
    assert f"{site}/media" not in house.ctl("configtest")
    (beside / "__init__.py").unlink()
    site.parent.chmod(0o700)
    said = house.ctl("configtest")
    assert f"{told}{site}, {site}/shop/wsgi.py: it may not enter {site.parent}\n" in said
    assert said.endswith(f"fapws: {house.ini} is good\n")


@needs_root
def test_unix_socket_belongs_to_whom_its_address_says(public_house: House) -> None:
    house = public_house
    house.configure(listen=f"unix:{house.unix}?mode=600&user={OTHER}&group={other().pw_gid}")
    house.start()
    found = house.unix.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (other().pw_uid, other().pw_gid, 0o600)
    house.ctl("stop")
    house.assert_nothing_is_left()
