"""What three parsers say of a message: ours (as the program parse_stream), llhttp and h11."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import h11
import httptools

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ["error", "http/bytes", "http/chunked", "http/fields", "http/parser", "http/target"]


class Reading(NamedTuple):
    """One parser's verdict; the rest is meaningful only when it is "ok"."""

    verdict: str  # "ok", "more", or what was wrong in the parser's own words
    method: bytes = b""
    target: bytes = b""
    minor: int = -1
    fields: tuple[tuple[bytes, bytes], ...] = ()
    content: bytes = b""
    consumed: int = -1
    keep_alive: bool = False

    @property
    def accepted(self) -> bool:
        return self.verdict == "ok"


def tidy(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """What the peers are known to do to a value: h11 gives codings in lower case, llhttp keeps
    the white space after a value."""
    value = value.strip(b" \t")
    return name, value.lower() if name.lower() == b"transfer-encoding" else value


class Stream(NamedTuple):
    """The running parse_stream."""

    requests: IO[bytes]
    lines: IO[bytes]

    def read(self, message: bytes) -> Reading:
        self.requests.write(struct.pack(">I", len(message)) + message)
        self.requests.flush()
        said: dict[str, Any] = json.loads(self.lines.readline())
        if said["verdict"] != "ok":
            return Reading(said["verdict"])
        return Reading(
            "ok",
            said["method"].encode("latin-1"),
            said["target"].encode("latin-1"),
            said["minor"],
            tuple(
                tidy(field["name"].encode("latin-1"), field["value"].encode("latin-1"))
                for field in said["fields"]
            ),
            said["content"].encode("latin-1"),
            said["consumed"],
            said["keep_alive"],
        )


class LlhttpEvents:
    """httptools' callbacks; only the first message counts."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.target = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.content = b""
        self.method = b""
        self.version = ""
        self.keep_alive = False
        self.in_trailer = False
        self.complete = False

    def on_url(self, url: bytes) -> None:
        if not self.complete:
            self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.complete and not self.in_trailer:
            self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        if not self.complete:
            self.method = self.parser.get_method()
            self.version = self.parser.get_http_version()
            self.keep_alive = self.parser.should_keep_alive()
            self.in_trailer = True

    def on_body(self, body: bytes) -> None:
        if not self.complete:
            self.content += body

    def on_message_complete(self) -> None:
        self.complete = True


def llhttp_length(message: bytes) -> int:
    """How many bytes llhttp needs to call the message complete."""
    events = LlhttpEvents()
    for at in range(len(message)):
        try:
            events.parser.feed_data(message[at : at + 1])
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError:
            return -1
        if events.complete:
            return at + 1
    return -1


def read_with_llhttp(message: bytes) -> Reading:
    events = LlhttpEvents()
    fault = "more"
    try:
        events.parser.feed_data(message)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        fault = str(error)
    if not events.complete:
        return Reading(fault)
    minor = int(events.version[2:]) if events.version.startswith("1.") else -1
    return Reading(
        "ok",
        events.method,
        events.target,
        minor,
        tuple(tidy(name, value) for name, value in events.fields),
        events.content,
        llhttp_length(message),
        events.keep_alive,
    )


def read_with_h11(message: bytes) -> Reading:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(message)
    request: h11.Request | None = None
    content = b""
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                return Reading("more")
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                content += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return Reading(repr(event))
    except h11.RemoteProtocolError as error:
        return Reading(str(error) or "refused")
    assert request is not None
    return Reading(
        "ok",
        request.method,
        request.target,
        int(request.http_version[2:]),
        tuple(tidy(bytes(name), bytes(value)) for name, value in request.headers.raw_items()),
        content,
        len(message) - len(connection.trailing_data[0]),
        connection.their_state is h11.DONE,
    )


PEERS: dict[str, Callable[[bytes], Reading]] = {"llhttp": read_with_llhttp, "h11": read_with_h11}


def build_program(folder: str) -> str:
    """Compiles parse_stream; a sanitizer would only slow it, the C tests have them."""
    compiler = os.environ.get("CC") or shutil.which("cc") or "gcc"
    program = os.path.join(folder, "parse_stream")
    sources = [str(ROOT / "csrc" / f"{name}.c") for name in SOURCES]
    main = str(ROOT / "tests" / "c" / "parse_stream.c")
    command = [*shlex.split(compiler), "-std=c11", "-O1", f"-I{ROOT / 'csrc'}", main, *sources, "-o", program]
    subprocess.run(command, check=True)
    return program


@contextlib.contextmanager
def running_stream() -> Iterator[Stream]:
    with tempfile.TemporaryDirectory() as folder:
        program = os.environ.get("FAPWS_PARSE_STREAM") or build_program(folder)
        with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            yield Stream(process.stdin, process.stdout)
            process.stdin.close()
        assert process.returncode == 0
