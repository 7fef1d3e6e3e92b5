"""The error log: what comes into it, from whom, and that nobody ever waits for it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.rooted import OTHER, needs_root

from fapws import descriptors
from fapws.messages import Decoder, Reopened, encode
from fapws.supervisor.logs.all_logs import syslog
from fapws.supervisor.logs.error_log import Log
from fapws.supervisor.logs.worker_output import LINE_MAX, Output
from fapws.worker.stdio import Streams

PRINTS = """\
import os, sys

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/flood":
        for number in range(100_000):
            print("flood", number, "x" * 50)
    elif path == "/raw":
        os.write(2, b"half a ")
        os.write(2, b"line\\n")
    else:
        print("out", path)
        print("error", path, file=sys.stderr)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def ask(house: Any, path: str, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 30) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")


# ---- Parts ----------------------------------------------------------------------------------------


def test_output_becomes_whole_lines_of_bounded_length() -> None:
    reader, writer = os.pipe()
    lines: list[bytes] = []
    output = Output(reader, lines.extend)
    assert not output.drain()
    os.write(writer, b"one\ntwo\nthr")
    assert output.drain()
    assert lines == [b"one", b"two"]
    os.write(writer, b"ee\n\n" + b"x" * (2 * LINE_MAX + 5))
    output.drain()
    assert lines[2:4] == [b"three", b""]
    assert [len(line) for line in lines[4:]] == [LINE_MAX, LINE_MAX]
    os.close(writer)
    output.finish()
    assert lines[-1] == b"xxxxx"
    assert output.fd == -1


def test_worker_that_nobody_reads_loses_lines_and_no_time() -> None:
    program = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from fapws.worker.stdio import Streams
reader, writer = os.pipe()
keep = os.dup(2)
os.dup2(writer, 1); os.dup2(writer, 2)
streams = Streams(keep)
streams.install()
for number in range(10_000):
    print("line", number, "x" * 50)
lost = streams.lost
os.read(reader, 65536)
print("again")
sys.stderr.write("and here\\n")
said = os.read(reader, 65536)
os.write(keep, repr((lost, said)).encode())
"""
    done = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, timeout=60, check=True)
    lost, said = eval(done.stderr)
    assert 8000 < lost < 10_000
    assert said.lstrip(b"\n") == b"fapws: %d lines were lost here: nobody read them in time\n" % lost + (
        b"again\nand here\n"
    )


def test_output_moves_to_the_log_when_its_reader_is_gone(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    log = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    saved = [os.dup(1), os.dup(2)]
    streams = Streams(log)
    try:
        os.close(reader)
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        streams.write(1, b"said to nobody\n")
        os.write(2, b"by C code\n")
    finally:
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for fd in (*saved, writer, log):
            os.close(fd)
    assert (tmp_path / "log").read_bytes() == b"said to nobody\nby C code\n"


def test_descriptors_travel_with_the_bytes_of_their_message(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, open(tmp_path / "f", "w+") as file:
        data = encode(Reopened("error access"))
        assert descriptors.send(ours.fileno(), data, (file.fileno(), file.fileno()))
        head, fds = descriptors.receive(theirs.fileno(), 3)
        rest, more = descriptors.receive(theirs.fileno(), 100)
        assert Decoder().feed(head + rest) == [Reopened("error access")]
        assert (len(fds), more) == (2, [])
        assert all(not os.get_inheritable(fd) for fd in fds)
        assert all(os.path.sameopenfile(fd, file.fileno()) for fd in fds)
        for fd in fds:
            os.close(fd)
        assert ours.gettimeout() is None
        ours.setblocking(False)
        descriptors.send(ours.fileno(), b"x", ())
        assert not os.get_blocking(ours.fileno()), "it stays what it was"


def test_full_disk_is_told_once_it_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(str(tmp_path / "log"))
    real, room = os.write, [30, 0]

    def write(fd: int, data: bytes) -> int:
        left = room.pop(0) if room else len(data)
        if not left:
            raise OSError(28, "No space left on device")
        return real(fd, data[:left])

    monkeypatch.setattr(os, "write", write)
    log.write_lines([b"cut", b"gone"], "w")
    log.write("gone too")
    log.write("back")
    log.close()
    lines = (tmp_path / "log").read_text().split("\n")
    assert len(lines[0]) == 30
    assert lines[1].endswith(" master: 3 lines before this one could not be written")
    assert lines[2].endswith(" master: back")


def test_syslog_line_has_priority_time_and_role(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        daemon.settimeout(10)
        sender = syslog.Syslog(3, (str(tmp_path / "none"), path))
        sender.send(b"hello")
        received = daemon.recv(4096)
    assert re.fullmatch(rb"<30>\w{3} [ \d]\d \d\d:\d\d:\d\d fapws\[%d\]: hello" % os.getpid(), received)
    with pytest.raises(OSError):
        sender.send(b"nobody listens")
    os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        sender._tried = 0.0
        sender.send(b"found again")
        assert daemon.recv(4096).endswith(b": found again")
    sender.close()


def test_syslog_without_a_daemon_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no syslogd listens at"):
        syslog.connect((str(tmp_path / "none"),))


# ---- A server -------------------------------------------------------------------------------------


def test_every_line_has_time_pool_and_worker(house: Any) -> None:
    house.write_app(PRINTS)
    house.start()
    (pid,) = house.workers()
    ask(house, "/a", house.port())
    ask(house, "/raw", house.port())
    stamp = r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4} "
    for text in ("out /a", "error /a", "half a line"):
        house.wait_log(rf"{stamp}hello/0\[{pid}\]: {text}$")
    house.ctl("stop")
    assert re.search(rf"{stamp}master: stopped", house.log())


def test_last_words_of_a_crashed_worker_are_in_the_log(house: Any) -> None:
    house.write_app(
        "import os\ndef application(environ, start_response):\n"
        "    os.write(2, b'last words')\n    os.kill(os.getpid(), 9)\n"
    )
    house.start()
    with socket.create_connection(("127.0.0.1", house.port()), 30) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(100) == b""
    house.wait_log(r"hello/0\[\d+\]: last words\n")
    house.ctl("stop")


def test_worker_serves_while_nobody_reads_its_output(house: Any) -> None:
    house.write_app(PRINTS)
    house.start()
    port, master = house.port(), house.pid
    os.kill(master, signal.SIGSTOP)
    try:
        ask(house, "/flood", port)
        ask(house, "/after", port)
    finally:
        os.kill(master, signal.SIGCONT)
    house.wait_log(r"flood 0 x")
    ask(house, "/again", port)
    house.wait_log(r"\d+ lines were lost here: nobody read them in time")
    house.wait_log(r"out /again")
    house.ctl("stop")


def test_worker_writes_to_the_log_itself_when_the_master_is_dead(house: Any, until: Any) -> None:
    house.write_app(
        "import atexit, sys\natexit.register(lambda: print('the end', file=sys.stderr))\n" + PRINTS
    )
    house.start()
    os.kill(house.pid, signal.SIGKILL)
    until(lambda: not house.processes(), "the worker has left")
    assert "the end\n" in house.log()


def test_reopen_gives_workers_the_new_log_too(house: Any, until: Any) -> None:
    house.write_app("import atexit\natexit.register(lambda: print('the end', flush=True))\n" + PRINTS)
    house.start()
    old = house.log_file.with_suffix(".old")
    house.log_file.rename(old)
    assert house.ctl("reopen") == "fapws: log files opened again\n"
    ask(house, "/new", house.port())
    house.wait_log("out /new")
    os.kill(house.pid, signal.SIGKILL)
    until(lambda: not house.processes(), "the worker has left")
    assert "the end\n" in house.log()
    assert "the end" not in old.read_text()


def test_reopen_that_cannot_be_done_says_why(house: Any) -> None:
    directory = house.directory / "logs"
    directory.mkdir()
    house.configure(
        master=f"pidfile = {house.pidfile}\ncontrol = {house.control}\nerror_log = {directory}/e.log\n"
    )
    house.start()
    directory.rename(house.directory / "moved")
    assert "cannot reopen" in house.ctl("reopen", expect=1)
    assert "the old file stays in use" in (house.directory / "moved" / "e.log").read_text()
    house.ctl("stop")


def test_reload_moves_the_error_log_of_everybody(house: Any, until: Any) -> None:
    house.write_app("import atexit\natexit.register(lambda: print('the end', flush=True))\n" + PRINTS)
    house.start()
    old, new = house.log_file, house.directory / "other.log"
    house.ini.write_text(house.ini.read_text().replace(str(old), str(new)))
    house.ctl("reload")
    assert old.read_text().endswith(f"master: the log goes on in {new}\n")
    house.log_file = new
    house.wait_log("reload done: generation 2")
    assert "not changed" not in house.log()
    ask(house, "/new", house.port())
    house.wait_log("out /new")
    os.kill(house.pid, signal.SIGKILL)
    until(lambda: not house.processes(), "the worker has left")
    assert "the end\n" in new.read_text(), "what it writes itself, without a master"


def test_reload_that_fails_leaves_the_error_log_where_it_was(house: Any) -> None:
    house.start()
    before = len(house.master_descriptors())
    good = house.ini.read_text()
    house.ini.write_text(good.replace(str(house.log_file), "/proc/1/none/error.log"))
    assert "there is no directory /proc/1/none" in house.ctl("reload", expect=1)
    house.ini.write_text(good.replace(str(house.log_file), f"{house.directory}/other.log"))
    house.write_app("raise RuntimeError('broken')\n")
    house.ctl("reload", expect=1)
    house.wait_log("reload failed:(.|\n)*RuntimeError: broken")
    assert "the log goes on" not in house.log()
    assert len(house.master_descriptors()) == before
    house.ctl("stop")


def test_reload_moves_the_error_log_from_the_terminal_to_a_file_and_back(house: Any, until: Any) -> None:
    house.write_app(PRINTS)
    file = f"pidfile = {house.pidfile}\ncontrol = {house.control}\nerror_log = {house.log_file}\n"
    house.configure(master=file.replace(str(house.log_file), "stderr"))
    process = house.foreground()
    house.configure(master=file)
    house.ctl("reload")
    ask(house, "/filed", house.port())
    house.wait_log(r"hello/0\[\d+\]: out /filed")
    house.configure(master=file.replace(str(house.log_file), "stderr"))
    house.ctl("reload")
    ask(house, "/seen", house.port())
    house.ctl("stop")
    shown = process.stdout.read().decode()
    assert "out /seen" in shown
    assert "out /filed" not in shown
    assert "/seen" not in house.log()


def test_reopen_without_a_control_socket_is_unconfirmed(house: Any, until: Any) -> None:
    house.configure(master=f"pidfile = {house.pidfile}\nerror_log = {house.log_file}\n")
    house.start()
    house.log_file.unlink()
    assert "unconfirmed" in house.ctl("reopen", expect=1)
    until(house.log_file.exists, "the log is there again")
    house.ctl("stop")
    assert "not running" in house.ctl("reopen", expect=7)


@needs_root
def test_log_is_reopened_for_workers_below_chroot(public_house: Any, until: Any) -> None:
    house = public_house
    (house.directory / "jail" / "tmp").mkdir(parents=True)
    house.write_app("import atexit\natexit.register(lambda: print('the end', flush=True))\n" + PRINTS)
    house.configure(pool=f"user = {OTHER}\nchroot = {house.directory}/jail")
    house.start()
    house.log_file.unlink()
    house.ctl("reopen")
    ask(house, "/inside", house.port())
    house.wait_log("out /inside")
    os.kill(house.pid, signal.SIGKILL)
    until(lambda: not house.processes(), "the worker has left")
    assert "the end\n" in house.log()


@needs_root
@pytest.mark.skipif(os.path.lexists("/dev/log"), reason="takes the place of a syslogd that runs here")
def test_error_log_to_syslog(house: Any) -> None:
    house.write_app(PRINTS)
    house.configure(
        master=f"pidfile = {house.pidfile}\ncontrol = {house.control}\nerror_log = syslog:local3\n"
    )
    assert "no syslogd listens" in house.ctl("start", expect=1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind("/dev/log")
        try:
            daemon.settimeout(30)
            house.start()
            ask(house, "/a", house.port())
            received = b""
            while b"error /a" not in received:
                received = daemon.recv(65536)
            assert re.match(rb"<158>.* fapws\[%d\]: hello/0\[\d+\]: error /a$" % house.pid, received)
            house.ctl("stop")
        finally:
            os.unlink("/dev/log")
