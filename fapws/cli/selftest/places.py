"""The checks that depend on who runs them and where: users, pledge(2), rc.d."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from .clients import fetch
from .service import PATIENCE, Failed, LeftOut, Service, environment

if TYPE_CHECKING:
    from .checks import Scene

OTHER = "nobody"
"""A user that every system has."""
WHO = """\
import os

def application(environ, start_response):
    try:
        os.setuid(0)
        rights = "regained"
    except OSError:
        rights = "gone"
    words = os.getuid(), os.geteuid(), int(0 in os.getgroups()), rights
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(map(str, words)).encode()]
"""
POOL = "[app:{name}]\nscript = {directory}/who.py\nlisten = 127.0.0.1:0\n"


def _service(scene: Scene, name: str, pools: str) -> Service:
    """Another server, in a directory that other users may look into."""
    directory = os.path.join(scene.directory, name)
    os.chmod(scene.directory, 0o711)
    os.mkdir(directory)
    os.chmod(directory, 0o755)
    service = Service(directory, scene.clock)
    scene.others.append(service)
    service.write("who.py", WHO)
    service.configure(pools.replace("{directory}", directory))
    return service


def pools(scene: Scene) -> str:
    """Two pools apart, each in a Python of its own; with root as somebody without rights."""
    lower = os.geteuid() == 0 and _readable()
    user = f"user = {OTHER}\n" if lower else ""
    service = _service(
        scene, "pools", "".join(POOL.replace("{name}", name) + user for name in ("one", "two"))
    )
    service.start()
    entry = pwd.getpwnam(OTHER)
    expected = f"{entry.pw_uid} {entry.pw_uid} 0 gone" if lower else f"{os.getuid()} {os.geteuid()} "
    for port in service.ports():
        got = fetch(port).decode()
        if not got.startswith(expected):
            raise Failed(f"uid, euid, in root's group, root's rights: {got} instead of {expected}")
    service.ctl("stop")
    if lower:
        return f"two pools, whose workers are {OTHER} for good"
    why = "only root can become another" if os.geteuid() else f"{OTHER} may not read this Python or Fapws"
    return f"two pools, whose workers are the same user: {why}"


def _readable() -> bool:
    """Whether everybody may pass the folders in which Python and Fapws are."""
    for path in (os.path.realpath(sys.executable), os.path.realpath(sys.modules["fapws"].__file__ or "")):
        folder = os.path.dirname(path)
        while folder != "/":
            if not os.stat(folder).st_mode & 0o001:
                return False
            folder = os.path.dirname(folder)
    return True


def pledge(scene: Scene) -> str:
    """OpenBSD: a worker that has promised to do little, and serves."""
    pool = POOL.replace("{name}", "pledged") + "pledge = stdio rpath inet recvfd\n"
    service = _service(scene, "pledged", pool.replace("who.py", "plain.py"))
    service.write("plain.py", "def application(environ, start_response):\n"
                  "    start_response('200 OK', [])\n    return [b'hello']\n")  # fmt: skip
    service.start()
    if fetch(service.ports()[0]) != b"hello":
        raise Failed("it answers something else")
    service.ctl("reopen")
    service.ctl("stop")
    return "a pledged worker serves, and takes the logs opened anew"


# ---- rc.d ----------------------------------------------------------------------------------------


class Rc(NamedTuple):
    """How a system's start scripts are run."""

    system: str
    subr: str
    """What a script sources."""
    shell: str
    start: tuple[str, ...]
    """The words for a service that rc.conf does not name."""
    check: tuple[str, ...]
    reload: tuple[str, ...]
    stop: tuple[str, ...]


SYSTEMS = (
    Rc("openbsd", "/etc/rc.d/rc.subr", "/bin/ksh", ("-f", "start"), ("check",), ("reload",), ("-f", "stop")),
    Rc("freebsd", "/etc/rc.subr", "/bin/sh", ("onestart",), ("onestatus",), ("onereload",), ("onestop",)),
)


def rc_script(scene: Scene) -> str:
    """The shipped script under the system's own rc.subr, as a service of another name."""
    rc = next((rc for rc in SYSTEMS if sys.platform.startswith(rc.system)), None)
    if rc is None or not os.path.exists(rc.subr):
        raise LeftOut("this system has no rc.subr of OpenBSD or FreeBSD")
    if os.geteuid() != 0:
        raise LeftOut("takes root")
    return run_rc(scene, rc, _shipped(rc.system))


def _shipped(system: str) -> str:
    """The script's text, from where this package or the system's has put it."""
    packages = os.path.dirname(os.path.dirname(os.path.realpath(sys.modules["fapws"].__file__ or "")))
    places = (
        os.path.join(packages, "conf"),  # a clone
        os.path.join(packages, "..", "..", "share", "examples", "fapws"),  # make install
        os.path.join(sys.prefix, "share", "examples", "fapws"),  # a port
    )
    found = [os.path.join(place, "rc.d", system, "fapws") for place in places]
    for path in (*found, "/etc/rc.d/fapws", "/usr/local/etc/rc.d/fapws"):
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                return file.read()
    raise LeftOut("no script was found: they come with `make install`, a port or a clone")


def run_rc(scene: Scene, rc: Rc, text: str) -> str:
    """A day of the script, as a service of another name: rc.conf has lines for the user's."""
    service = _service(scene, "rc", POOL.replace("{name}", "rc"))
    ctl = os.path.join(service.directory, "fapwsctl")
    # In the file: su(1), by which a script runs it, drops what is in the environment.
    variables = f"PYTHONPATH={shlex.quote(environment()['PYTHONPATH'])} PYTHONDONTWRITEBYTECODE=1"
    command = f'{variables} exec {shlex.quote(sys.executable)} -m fapws.cli.fapwsctl "$@"'
    service.write("fapwsctl", f"#!/bin/sh\n{command}\n")
    os.chmod(ctl, 0o755)
    script = os.path.join(service.directory, "fapws_selftest")
    service.write("fapws_selftest", renamed(text, service, ctl))
    os.chmod(script, 0o755)
    shell = shutil.which(rc.shell) or rc.shell
    for words in (rc.start, rc.check, rc.reload, rc.stop):
        done = subprocess.run(
            [shell, script, *words], cwd=service.directory, env=environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=2 * PATIENCE,
        )  # fmt: skip
        if words == rc.start:
            service.note_pid()
        if done.returncode:
            said = done.stdout.decode("utf-8", "replace")
            raise Failed(f"{' '.join(words)}: exit status {done.returncode}\n{said}\n{service.log()[-500:]}")
    service.wait(lambda: not service.is_alive(), "after stop the master has gone")
    return f"{rc.system}'s script: start, check, reload, stop under the system's rc.subr"


def renamed(text: str, service: Service, ctl: str) -> str:
    """A script for this service: other paths, and names of variables that no rc.conf sets."""
    text = re.sub(r"\bfapws_(?=(enable|config|rundir|profiles)\b)", "fapws_selftest_", text)
    text = text.replace('name="fapws"', 'name="fapws_selftest"')
    for shipped, ours in (
        ("/usr/local/bin/fapwsctl", ctl),
        ("/usr/local/etc/fapws.ini", service.ini),
        ("/etc/fapws.ini", service.ini),
        ("/var/run/fapws", os.path.join(service.directory, "run")),
    ):
        text = text.replace(shipped, ours)
    return text
