"""The commands of fapwsctl, without a master: what is replied at once, what is told to the core."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fapws.settings.model import Config, Pool
from fapws.supervisor.control import status
from fapws.supervisor.control.commands import UPGRADE, Commands, scale_topic
from fapws.supervisor.control.conversations import Conversations
from fapws.supervisor.control.troubles import Troubles
from fapws.supervisor.core import decide, events
from fapws.supervisor.waiting import make_waiter


class View:
    """A server with one pool."""

    def __init__(self) -> None:
        self.state = decide.State(Config("/x.ini", (Pool("blog", workers=2),)), phase=decide.RUNNING)

    def urls(self) -> dict[str, list[str]]:
        return {"blog": ["http://127.0.0.1:80"]}

    def facts(self) -> status.Facts:
        return status.Facts(4711, 0.0, self.urls(), {}, {}, (), None)


class Desk:
    """Commands with one client, and what came of them."""

    def __init__(self) -> None:
        self.view = View()
        self.told: list[events.Event] = []
        self.complaint = ""
        self.conversations = Conversations(None, make_waiter())
        reopen = lambda: self.complaint  # noqa: E731
        self.troubles = Troubles()
        self.looks = 0
        commands = Commands(self.view, self.told.append, self.conversations, self.troubles, reopen, self.look)
        self.commands = commands.table()
        self._ours, theirs = socket.socketpair()
        self.client = self.conversations.adopt(theirs.detach())

    def look(self) -> None:
        self.looks += 1

    def ask(self, command: str, **arguments: Any) -> dict[str, Any] | None:
        """What is replied at once, if anything is."""
        self.commands[command](self.client, {"v": 1, "command": command, **arguments})
        return self.reply()

    def reply(self) -> dict[str, Any] | None:
        self.conversations.flush(self.client)
        self._ours.setblocking(False)
        try:
            line = self._ours.recv(65536)
        except BlockingIOError:
            return None
        replied: dict[str, Any] = json.loads(line)
        return replied

    def close(self) -> None:
        self.conversations.close()
        self._ours.close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.close()


def error_of(reply: dict[str, Any] | None) -> str:
    assert reply is not None
    assert reply["ok"] is False
    return str(reply["error"])


def test_status_is_made_of_the_view(desk: Desk) -> None:
    reply = desk.ask("status")
    assert reply is not None
    assert (reply["pid"], reply["config"], reply["pools"][0]["name"]) == (4711, "/x.ini", "blog")
    assert desk.told == []


def test_stop_is_confirmed_at_once(desk: Desk) -> None:
    reply = desk.ask("stop")
    assert reply is not None
    assert reply["ok"] is True
    assert desk.told == [events.StopAsked(fast=False)]


def test_reload_is_replied_to_at_the_end_of_the_reload_that_begins_next(desk: Desk) -> None:
    assert desk.ask("reload") is None
    assert desk.told == [events.ReloadAsked()]
    desk.conversations.reload_ends(True, text="another one")
    assert desk.reply() is None
    desk.conversations.reload_begins()
    desk.conversations.reload_ends(True, text="done")
    assert desk.reply() == {"v": 1, "ok": True, "text": "done"}


def test_reload_behind_another_tells_who_follows_it_that_it_waits(desk: Desk) -> None:
    config, began = desk.view.state.config, time.monotonic() - 12
    desk.view.state = desk.view.state._replace(reload=decide.Reload(2, decide.CHECKING, began, config))
    assert desk.ask("reload") is None, "a script waits in silence"
    reply = desk.ask("reload", steps=True)
    assert reply is not None
    found = re.fullmatch(
        r"waiting for the end of the reload before, which began (\d+) s ago", str(reply["step"])
    )
    assert found and 12 <= int(found[1]) <= time.monotonic() - began + 1


def test_upgrade_is_replied_to_when_it_has_failed(desk: Desk) -> None:
    assert desk.ask("upgrade") is None
    assert desk.told == [events.UpgradeAsked()]
    assert desk.conversations.waiting_for(UPGRADE) == (desk.client.fd,)
    desk.conversations.tell(UPGRADE, False, error="why not")
    assert error_of(desk.reply()) == "why not"


def test_scale_is_told_with_its_numbers_and_replied_to_later(desk: Desk) -> None:
    assert desk.ask("scale", pool="blog", workers=3) is None
    assert desk.told == [events.ScaleAsked("blog", 3)]
    desk.conversations.tell(scale_topic("blog", 3), True, text="pool blog has 3 workers")
    assert desk.reply() == {"v": 1, "ok": True, "text": "pool blog has 3 workers"}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"pool": "nix", "workers": 1}, "there is no pool 'nix'; known: blog"),
        ({"pool": "blog", "workers": 0}, "the number of workers must be from 1 to 1024"),
        ({"pool": "blog", "workers": True}, "the number of workers must be from 1 to 1024"),
        ({"pool": "blog"}, "the number of workers must be from 1 to 1024"),
    ],
)
def test_scale_that_makes_no_sense_is_refused(desk: Desk, arguments: dict[str, Any], reason: str) -> None:
    assert error_of(desk.ask("scale", **arguments)) == reason
    assert desk.told == []


@pytest.mark.parametrize("command", ["reload", "scale", "upgrade"])
def test_a_server_that_stops_takes_nothing_on(desk: Desk, command: str) -> None:
    desk.view.state = desk.view.state._replace(phase=decide.STOPPING)
    assert "stopping" in error_of(desk.ask(command, pool="blog", workers=2))
    assert desk.told == []


def test_reopen_passes_the_complaint_on(desk: Desk) -> None:
    assert desk.ask("reopen") is not None
    desk.complaint = "cannot reopen /x: Permission denied"
    assert error_of(desk.ask("reopen")) == "cannot reopen /x: Permission denied"


def test_why_looks_for_a_storm_that_nobody_has_looked_for(desk: Desk) -> None:
    reply = desk.ask("why")
    assert reply is not None
    assert (reply["failures"], desk.looks) == ([], 1)
