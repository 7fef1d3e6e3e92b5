"""Bottle's adapter: ``bottle.run(server=FapwsServer, workers=2)``."""

from __future__ import annotations

from bottle import ServerAdapter

from fapws.embedding.run import run
from fapws.lean import Any, Callable


class FapwsServer(ServerAdapter):  # type: ignore[misc]  # Bottle carries no types
    """Takes the options of fapws.run() beside host and port."""

    def run(self, handler: Callable[..., Any]) -> None:
        """Serves until the end."""
        run(handler, self.host, self.port, **self.options)
