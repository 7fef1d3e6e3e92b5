"""What a master might hand over to its successor in an upgrade in place."""

from __future__ import annotations

from fapws.settings.model import Address, Config, Pool
from fapws.settings.source import Source
from fapws.supervisor.control.status import Death, LastReload
from fapws.supervisor.core.children import Child, Children
from fapws.supervisor.core.turn import State
from fapws.supervisor.listen.bind import Listener
from fapws.supervisor.listen.listeners import Key
from fapws.supervisor.process.saved_worker import SavedWorker
from fapws.supervisor.process.scoreboard import Score
from fapws.supervisor.process.systemd import Service
from fapws.supervisor.upgrade.handover import Saved


def saved() -> Saved:
    """Something in every field but those of options that few use; descriptors are numbers alone."""
    address = Address("unix:/s", "unix", path="/s")
    pool = Pool("blog", listen=(address,), env=(("A", "ä"),))
    child = Child(1, "blog", 0, 1, "serving", 1.0, 2.0, float("inf"), 25.0)
    return Saved(
        state=State(Config("/x.ini", (pool,)), Children((child,)), asleep=frozenset(("blog",))),
        source=Source("/x.ini"),
        workers=(SavedWorker(1, "blog", 0, 4711, 7, 0, 10, "off"),),
        open={Key("unix", "/s", 0, ""): Listener(5, address, "unix:/s", 1024, (1, 2))},
        lifeline=3,
        lifeline_writer=4,
        boards={"blog": 6},
        pidfile=-1,
        control=8,
        control_inode=(3, 4),
        clients=(9,),
        began=0.5,
        gone={"blog": Score(requests=3)},
        deaths=(Death(1.0, "blog", 0, 4710, "x"),),
        service=Service("@x", 1.5),
        last_reload=LastReload(2.0, False, "why", ("blog",)),
        other_clients=(11,),
        drain_clients=(("drain blog", 12),),
    )
