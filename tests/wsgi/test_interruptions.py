"""What a handler of the application's signals raises between two turns of the loop ends nothing."""

from __future__ import annotations

from fapws.wsgi.serve import Server


class Turns(Server):
    """Has no core: its first turn is cut short by one signal, what is done about that by another."""

    def __init__(self) -> None:
        self.turns = 0
        self.seen: list[str] = []
        self._interruption = None

    def _serve(self) -> bool:
        self.turns += 1
        if self.turns == 1:
            raise RuntimeError("first")
        return True

    def _interrupted(self, error: BaseException) -> None:
        self.seen.append(str(error))
        if len(self.seen) == 1:
            raise RuntimeError("second")


def test_handler_that_raises_while_another_is_dealt_with_ends_nothing() -> None:
    server = Turns()
    server.run()
    assert server.seen == ["first", "second"]
    assert server.turns == 2
