"""What PasteDeploy calls: ``[server:main]`` with ``use = egg:fapws`` in the file of pserve."""

from __future__ import annotations

from fapws.embedding.run import run
from fapws.lean import Any, Callable


def server_runner(application: Callable[..., Any], global_conf: dict[str, str] | None, **options: Any) -> int:
    """paste.server_runner: serves until the end. ``options``: those of run(), as the file has them."""
    return run(application, **options)


def server_factory(global_conf: dict[str, str] | None, **options: Any) -> Callable[[Callable[..., Any]], int]:
    """paste.server_factory: what serves an application."""
    return lambda application: run(application, **options)
