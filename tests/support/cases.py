"""Wire cases: what is sent, what must come back, what the application saw. Format: README.md of
tests/protocol. This module only reads and plays them; it starts nothing."""

from __future__ import annotations

import json
import random
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from support.raw import Address, Answer, BadAnswer, Client, fetch

MODES = ("whole", "bytes", "split")
MANY = 2048
"""More bytes than this are sent in about so many pieces instead of one by one."""

PROBE = b"GET /probe HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""What shows that a connection takes another request (``then: open``)."""


class Expected(NamedTuple):
    """One ``answer:`` line and the lines that belong to it."""

    statuses: tuple[int, ...]
    optional: bool
    to_head: bool
    checks: tuple[tuple[str, str, str], ...]
    """Kind (``saw``, ``lacks``, ``field``, ``text``), name, value."""
    line: int


class Step(NamedTuple):
    """What is sent and what has to come before anything else is sent."""

    send: bytes
    half_close: bool
    quiet: bool
    answers: tuple[Expected, ...]


class Case(NamedTuple):
    """One case."""

    path: Path
    line: int
    title: str
    rfc: str
    steps: tuple[Step, ...]
    then: str
    """``open``, ``closed``, ``ends`` or ``any``."""

    @property
    def name(self) -> str:
        """The name pytest shows."""
        return f"{self.path.stem}-{self.line}-{re.sub(r'[^A-Za-z0-9]+', '-', self.title).strip('-')}"


_ESCAPE = re.compile(r"\\(?:([rnt0\\])|x([0-9A-Fa-f]{2})|\((.+?)\*([0-9]+)\))")
_PLAIN = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
_ANSWER = re.compile(r"([0-9]{3}(?:\|[0-9]{3})*)((?: optional| to HEAD)*)")


def unescape(text: str) -> str:
    r"""Resolves \r \n \t \0 \\ \xHH and \(TEXT*COUNT)."""

    def resolve(match: re.Match[str]) -> str:
        letter, code, repeated, count = match.groups()
        if letter:
            return _PLAIN[letter]
        return chr(int(code, 16)) if code else unescape(repeated) * int(count)

    if "\\" in _ESCAPE.sub("", text):
        raise ValueError(f"unknown escape in {text!r}")
    return _ESCAPE.sub(resolve, text)


def load(path: Path) -> list[Case]:
    """The cases of a file; ValueError names the line of what cannot be read."""
    cases = []
    lines = path.read_text(encoding="utf-8").split("\n")
    starts = [i for i, line in enumerate(lines) if line.startswith("== ")]
    for start, end in zip(starts, [*starts[1:], len(lines)]):
        cases.append(_case(path, start + 1, lines[start][3:].strip(), lines[start + 1 : end]))
    titles = [case.title for case in cases]
    repeated = sorted({title for title in titles if titles.count(title) > 1})
    if repeated or not cases:
        raise ValueError(f"{path}: no case, or titles occur twice: {repeated}")
    return cases


class _Builder:
    """Collects the steps of a case."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._new()

    def _new(self) -> None:
        self.send = b""
        self.half_close = False
        self.quiet = False
        self.answers: list[Expected] = []

    def sends(self) -> None:
        """Something is sent: what was expected before ends the step before."""
        if self.answers or self.quiet or self.half_close:
            self.finish()

    def finish(self) -> None:
        """Closes the step in hand."""
        if self.send or self.half_close or self.answers or self.quiet:
            self.steps.append(Step(self.send, self.half_close, self.quiet, tuple(self.answers)))
        self._new()

    def check(self, kind: str, name: str, value: str) -> None:
        """Adds a check to the last answer."""
        last = self.answers[-1]
        self.answers[-1] = last._replace(checks=(*last.checks, (kind, name, value)))


def _case(path: Path, first: int, title: str, lines: list[str]) -> Case:
    rfc = then = ""
    build = _Builder()
    for number, line in enumerate(lines, first + 1):
        where = f"{path.name}:{number}"
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(">>> "):
            build.sends()
            build.send += unescape(line[4:]).encode("latin-1")
            continue
        if line == "half-close":
            build.half_close = True
            continue
        key, colon, value = line.partition(":")
        words = key.split()
        if words[:1] in (["lacks"], ["no-field"]):
            colon = ":"
        value = value.strip()
        if not colon or not words:
            raise ValueError(f"{where}: {line!r}")
        if key == "rfc":
            rfc = value
        elif key == "then":
            then = value
        elif key == "answer":
            if value == "none":
                build.quiet = True
                continue
            match = _ANSWER.fullmatch(value)
            if match is None:
                raise ValueError(f"{where}: {value!r}")
            statuses = tuple(int(one) for one in match[1].split("|"))
            build.answers.append(
                Expected(statuses, "optional" in match[2], "to HEAD" in match[2], (), number)
            )
        elif words[0] in ("saw", "lacks", "field", "no-field", "text") and build.answers:
            build.check(words[0], " ".join(words[1:]), unescape(value))
        else:
            raise ValueError(f"{where}: unknown key {key!r}")
    build.finish()
    if then not in ("open", "closed", "ends", "any") or not rfc or not build.steps:
        raise ValueError(f"{path.name}:{first}: {title!r} lacks rfc, then or bytes")
    return Case(path, first, title, rfc, tuple(build.steps), then)


# ---- Playing ---------------------------------------------------------------------------------


def pieces(data: bytes, mode: str, seed: str) -> Iterator[bytes]:
    """The calls of send by which some bytes go out."""
    if mode == "bytes":
        size = max(1, len(data) // MANY)
        yield from (data[at : at + size] for at in range(0, len(data), size))
    elif mode == "split" and len(data) > 1:
        # crc32 and not hash(): the same place in every run.
        at = random.Random(zlib.crc32(seed.encode())).randrange(1, len(data))
        yield data[:at]
        yield data[at:]
    else:
        yield data


def play(case: Case, mode: str, address: Address) -> None:
    """Plays a case against the echo application and asserts everything it says."""
    before = requests_seen(address)
    with Client(address) as client:
        # A whole exchange on another connection: time enough for an answer that is wrong.
        reached = converse(case, client, mode, lambda: requests_seen(address))
    after = requests_seen(address)
    assert after - before == reached + (case.then == "open"), (
        f"the application saw {after - before} requests, answered were {reached} of this case"
    )


def converse(case: Case, client: Client, mode: str, wait: Callable[[], object]) -> int:
    """Plays a case on one connection and asserts what came back; the answers of the application.

    wait: gives the server time for an answer that must not come.
    """
    reached = 0
    last: Answer | None = None
    for step in case.steps:
        client.send_pieces(pieces(step.send, mode, f"{case.path.stem} {case.title}"))
        if step.half_close:
            client.half_close()
        if step.quiet:
            wait()
            assert client.quiet(), f"an answer came too early: {client.read()}"
        for answer in _answers(client, step):
            last = answer
            reached += answer.head.get("X-Echo") is not None
    _end(case, client, last)
    return reached


def _answers(client: Client, step: Step) -> Iterator[Answer]:
    expected = list(step.answers)
    while expected:
        want = expected.pop(0)
        if want.optional and client.at_end():
            continue
        answer = client.read("HEAD" if want.to_head else "GET")
        while want.optional and answer.status not in want.statuses and expected:
            want = expected.pop(0)
        assert answer.status in want.statuses, f"line {want.line}: {_short(answer)}"
        _check(answer, want)
        yield answer


def _check(answer: Answer, want: Expected) -> None:
    seen = json.loads(answer.body) if answer.status == 200 and answer.body else {}
    for kind, name, value in want.checks:
        where = f"line {want.line}: {kind} {name}: "
        if kind == "text":
            assert value in answer.text, where + f"{answer.body[:300]!r}"
        elif kind == "field":
            assert answer.head.get(name) == value, where + f"{answer.head.fields}"
        elif kind == "no-field":
            assert not answer.head.all(name), where + f"{answer.head.fields}"
        elif answer.status != 200:
            continue  # one of several statuses that are allowed; only this one saw something
        elif kind == "saw" and name == "body":
            assert seen["body"] == value, where + repr(seen["body"][:300])
        elif kind == "saw":
            assert seen["environ"].get(name) == value, where + repr(seen["environ"].get(name))
        else:
            assert name not in seen["environ"], where + repr(seen["environ"][name])


def _end(case: Case, client: Client, last: Answer | None) -> None:
    if case.then == "open":
        client.send(PROBE)
        answer = client.read()
        assert answer.status == 200, _short(answer)
        assert json.loads(answer.body)["environ"]["PATH_INFO"] == "/probe"
    elif case.then in ("closed", "ends"):
        try:
            client.assert_ended()
        except BadAnswer as error:
            raise AssertionError(f"the connection stays open: {error}") from None
        if case.then == "closed":
            assert last is not None
            assert "close" in last.head.tokens("Connection"), f"no Connection: close {last.head}"


def requests_seen(address: Address) -> int:
    """How many requests reached the echo application; this one does not count."""
    answer = fetch(address, "/requests-seen")
    assert answer.status == 200, _short(answer)
    return int(answer.body)


def _short(answer: Answer) -> str:
    return f"{answer.status} {answer.head.reason} {answer.head.fields} {answer.body[:200]!r}"


ECHO = '''"""Answers with what it saw."""
import json

seen = 0


def application(environ, start_response):
    global seen
    if environ["PATH_INFO"] == "/requests-seen":
        body = str(seen).encode()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [body]
    seen += 1
    content = environ["wsgi.input"].read()
    plain = {key: value for key, value in environ.items() if isinstance(value, str)}
    body = json.dumps({"environ": plain, "body": content.decode("latin-1")}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("X-Echo", "1")])
    return [body]
'''
"""The application behind the cases."""
