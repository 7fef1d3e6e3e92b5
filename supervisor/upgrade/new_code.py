"""What the new code does in an upgrade in place: says whether it can take over, and takes over.

landing.py calls both. What it takes over is one text (handover.py) and the descriptors that it names.
"""

from __future__ import annotations

import os
import sys

from fapws.lean import TYPE_CHECKING
from fapws.settings.identity import UnknownIdentity, find_group
from fapws.settings.problems import ConfigError

from .handover import Saved, Unreadable, decode, descriptors_of

if TYPE_CHECKING:
    from ..master import Master


def check(text: str) -> int:
    """Whether this code can take over; the exit status. The reason goes to standard error."""
    try:
        from .. import master  # what it imports must be there

        assert master
        saved = decode(text)
        saved.source()
        if saved.state.config.control_group:
            find_group(saved.state.config.control_group)
    except (ConfigError, UnknownIdentity, Unreadable) as error:
        print(error, file=sys.stderr)
        return 1
    except Exception as error:
        import traceback

        print(f"the new code cannot take over: {error}\n{traceback.format_exc()}", file=sys.stderr)
        return 1
    return 0


def resume(text: str) -> Master:
    """The new master, with everything that the old one held.

    If it raises, all of that is as it was, and another attempt may follow.
    """
    from ..master import Master, tell_nobody

    saved: Saved = decode(text)
    master = Master(saved.state.config, saved.source, tell_nobody, saved)
    for fd in descriptors_of(saved):
        try:
            os.set_inheritable(fd, False)
        except OSError:
            continue  # a client of fapwsctl that has left
    return master
