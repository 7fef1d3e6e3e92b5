"""The decision core under thousands of random event sequences: what must hold whatever happens.

The rules and what holds are in tests/support/core_world, by concern.
"""

from __future__ import annotations

from hypothesis import settings
from support.core_world.drains import Drains
from support.core_world.reloads import Reloads
from support.core_world.upgrades import Upgrades
from support.core_world.workers import Workers
from support.core_world.zygotes import Zygotes


class Supervisor(Workers, Zygotes, Reloads, Upgrades, Drains):
    """All of it at once."""


Supervisor.TestCase.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
TestSupervisor = Supervisor.TestCase
