"""A service under systemd: its notifications, its watchdog, sockets that it passes."""

from __future__ import annotations

import signal
import socket
import subprocess

from support.house import House, Until


class Systemd:
    """Listens where NOTIFY_SOCKET says."""

    def __init__(self, path: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.settimeout(30)
        self.sock.bind(path)

    def hear_of(self, word: str) -> dict[str, str]:
        """The next message that has this in it; in between the text alone may change."""
        while True:
            told = self.hear()
            if word in told:
                return told

    def hear(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.sock.recv(65536).decode().splitlines())


def test_systemd_is_told_of_every_step(house: House, until: Until) -> None:
    systemd = Systemd(str(house.directory / "notify"))
    house.prefix = ["env", f"NOTIFY_SOCKET={house.directory}/notify"]
    house.write_app(
        "import os\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [repr('NOTIFY_SOCKET' in os.environ).encode()]\n"
    )
    house.configure(listen=f"unix:{house.unix}")
    process = house.foreground()
    told = systemd.hear()
    assert (told["READY"], told["MAINPID"]) == ("1", str(process.pid))
    assert told["STATUS"] == "running; pool hello: 1 of 1 serving"
    assert house.get(None) == b"False", "no worker talks in the master's name"
    house.ctl("reload")
    told = systemd.hear_of("RELOADING")
    assert told["STATUS"].startswith("reloading; ")
    assert int(told["MONOTONIC_USEC"]) > 0
    assert systemd.hear_of("READY")["STATUS"] == "running; pool hello: 1 of 1 serving"
    house.write_app("broken(\n")
    house.ctl("reload", expect=1)
    assert systemd.hear_of("RELOADING")
    assert systemd.hear_of("READY")["STATUS"].endswith("; last reload: failed")
    process.send_signal(signal.SIGTERM)
    assert systemd.hear_of("STOPPING")["STATUS"].startswith("stopping; ")
    systemd.sock.close()
    house.assert_nothing_is_left()


def test_watchdog_is_fed_at_half_its_interval(house: House) -> None:
    systemd = Systemd(str(house.directory / "notify"))
    house.prefix = ["env", f"NOTIFY_SOCKET={house.directory}/notify", "WATCHDOG_USEC=400000"]
    house.configure(listen=f"unix:{house.unix}")
    house.foreground().poll()
    beats = 0
    while beats < 5:
        beats += "WATCHDOG" in systemd.hear()
    systemd.sock.close()
    house.ctl("stop")


def test_socket_that_systemd_passes_is_served(house: House) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        house.configure(listen="fd:3")
        script = 'exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
        house.prefix = ["sh", "-c", script, "sh"]
        done = subprocess.run(
            house.words("start"), env=house.environment(), stdin=sock, stdout=subprocess.PIPE
        )
    house.prefix = []
    assert done.returncode == 0, done.stdout
    assert house.get(port).startswith(b"hello")
    house.ctl("stop")
    house.assert_nothing_is_left()
