"""fapwsctl top: looks at a server again and again, and draws what it sees.

Owns the terminal while it runs, and gives it back as it was, however it ends. Needs no more of it than what
every terminal since the VT100 does: to move to the corner, to clear, and reverse video.
"""

from __future__ import annotations

import os
import select
import shutil
import sys
import time

from fapws.cli.arguments import Options, usage
from fapws.cli.find_server import MARGIN, Ended, Result, learn, running_control
from fapws.cli.status_text import add_usage
from fapws.cli.top_screen import ORDERS, Look, View, render
from fapws.lean import Any, FrameType, signal
from fapws.supervisor.errors import DONE, FAILED

_ENTER = "\x1b[?1049h\x1b[?25l"
"""A screen of its own where there is one, without a cursor."""
WIDTH_OF_FILES = 132
"""Columns where there is no terminal, and COLUMNS does not say."""
_LEAVE = "\x1b[?25h\x1b[?1049l"
_PAUSE = 0.2
"""Seconds at most between two looks at the size of the terminal."""
_KEYS = "s: sort  p: pool  q: quit"


def top(options: Options) -> Result:
    """Until somebody presses q, or so many times."""
    if options.json:
        usage("top draws for people; `-j status` has the figures")
    if options.batch:
        return _print_screens(options)
    if not (os.isatty(0) and os.isatty(1)):
        usage("top needs a terminal; -b prints to anything else")
    running_control(options.file, options.command)
    return _Screen(options).run()


def look(options: Options) -> Look:
    """Asks the server. Raises Ended."""
    control = running_control(options.file, options.command)
    reply = learn(control, "top", options.seconds or MARGIN)
    add_usage(reply)
    return Look(time.monotonic(), reply)


def _print_screens(options: Options) -> Result:
    """For scripts: every screen is of a whole interval."""
    before = look(options)
    left = options.times or -1
    while left:
        time.sleep(options.delay)
        now = look(options)
        width = shutil.get_terminal_size((WIDTH_OF_FILES, 24)).columns
        print("\n".join(render(before, now, View(width=width, height=sys.maxsize))), flush=True)
        left -= 1
        before = now
        if left:
            print()
    return Result(DONE, "")


class _Screen:
    """The terminal, and what is on it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._view = View()
        self._before: Look | None = None
        self._now: Look | None = None
        self._complaint = ""
        self._left = options.times or -1
        self._former: list[Any] = []
        """Of the terminal, by termios."""
        self._resized = False

    def run(self) -> Result:
        """Draws until it is told to end."""
        self._take()
        handlers = {
            signal.SIGWINCH: self._on_resize,
            signal.SIGTSTP: self._on_stop,
            signal.SIGTERM: _on_end,
            signal.SIGHUP: _on_end,
        }
        former = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            while self._left:
                self._look()
                self._draw()
                self._left -= 1
                if self._left and self._quits(time.monotonic() + self._options.delay):
                    break
        except KeyboardInterrupt:
            pass  # as q
        except OSError as error:
            return Result(FAILED, f"fapwsctl: the terminal has gone: {error.strerror}")
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)
            self._give_back()
        return Result(DONE, "")

    def _look(self) -> None:
        try:
            fresh = look(self._options)
        except Ended as ended:
            self._complaint = ended.result.text.split("\n")[0]
            return
        self._complaint = ""
        self._before, self._now = self._now, fresh

    def _draw(self) -> None:
        size = shutil.get_terminal_size()
        width, height = max(size.columns, 20), max(size.lines, 6)
        lines = [self._complaint] if self._complaint else []
        if self._now:
            room = height - len(lines) - 1
            lines += render(self._before, self._now, self._view._replace(width=width, height=room))
        lines += [""] * (height - 1 - len(lines))
        shown = [f"{line[:width]}\x1b[K" for line in lines[: height - 1]]
        heading = next((at for at, line in enumerate(lines) if line.startswith("worker ")), -1)
        if heading >= 0:
            shown[heading] = f"\x1b[7m{lines[heading].ljust(width)}\x1b[0m"
        keys = f"{time.strftime('%H:%M:%S')}  every {self._options.delay:g} s  {_KEYS}"
        _put("\x1b[H" + "\r\n".join((*shown, keys[: width - 1])) + "\x1b[K\x1b[J")

    def _quits(self, until: float) -> bool:
        """Obeys keys until it is time for the next look; whether one of them was to end it."""
        while True:
            left = until - time.monotonic()
            ready = select.select([0], [], [], min(left, _PAUSE))[0] if left > 0 else []
            if self._resized:
                self._resized = False
                self._draw()
            elif ready:
                key = os.read(0, 1)
                if key in (b"q", b"Q", b"\x04", b""):
                    return True
                self._obey(key)
            elif left <= 0:
                return False

    def _obey(self, key: bytes) -> None:
        if key == b"s":
            after = ORDERS.index(self._view.order) + 1
            self._view = self._view._replace(order=ORDERS[after % len(ORDERS)])
        elif key == b"p" and self._now:
            pools = ["", *(pool["name"] for pool in self._now.reply["pools"])]
            here = pools.index(self._view.pool) if self._view.pool in pools else 0
            self._view = self._view._replace(pool=pools[(here + 1) % len(pools)])
        self._draw()

    def _take(self) -> None:
        import termios
        import tty

        self._former = termios.tcgetattr(0)
        tty.setcbreak(0)
        _put(_ENTER)

    def _give_back(self) -> None:
        import termios

        try:
            _put(_LEAVE)
            termios.tcsetattr(0, termios.TCSANOW, self._former)
        except (OSError, termios.error):
            return  # there is no terminal any more

    def _on_resize(self, _number: int, _frame: FrameType | None) -> None:
        self._resized = True  # Python goes on waiting after a signal: seen within _PAUSE

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        """Control-Z: the shell gets its terminal as it was."""
        self._give_back()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        # From here on somebody has continued it.
        signal.signal(number, self._on_stop)
        self._take()
        self._resized = True


def _on_end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _put(text: str) -> None:
    """All of it, to the terminal."""
    data = text.encode("utf-8", "replace")
    while data:
        data = data[os.write(1, data) :]
