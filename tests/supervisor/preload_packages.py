"""preload with real packages: each row of the table in docs/preload.md, with the package from PyPI.

    python -m tests.supervisor.preload_packages [FOLDER]

By hand: it installs packages into a venv of its own in FOLDER (kept, if one is given), and takes a minute or
two. A row is a piece of an application, and whether the start is to succeed or what it is to say. One that
serves is asked until both of its workers have responded. Databases are asked where their servers are
installed (redis-server). Exit 0: every row was as the table says.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.house import PATIENCE, ROOT, House, wait_until
from tests.support.ports import unused_port

PACKAGES = ("uvloop", "gevent", "SQLAlchemy", "redis", "psycopg[binary]", "psycopg-pool", "cffi")
SERVES = """
import os

def application(environ, start_response):
    body = f"{os.getpid()} {ask()}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


class Row(NamedTuple):
    """A piece of an application."""

    name: str
    code: str
    """Defines ask(), which each worker calls."""
    says: str = ""
    """Of what is refused; empty: it serves."""
    answer: str = ""
    server: str = ""
    """The program that it needs; PORT in the code is where it listens."""


LOOP = "import asyncio\nloop = asyncio.new_event_loop()\n"
ENGINE = "from sqlalchemy import create_engine, text\nengine = create_engine('sqlite:///FOLDER/db')\n"
ENGINE += (
    "def ask():\n    with engine.connect() as c:\n        return c.execute(text('select 42')).scalar()\n"
)
DISPOSES = "import os\nask()\nos.register_at_fork(after_in_child=lambda: engine.dispose(close=False))\n"
REDIS = "import redis\nclient = redis.Redis(port=PORT)\ndef ask():\n    return client.incr('n') > 0\n"
ROWS = (
    Row(
        "uvloop: install()",
        "import asyncio, uvloop, warnings\nwarnings.simplefilter('ignore')\nuvloop.install()\n"
        "async def answer():\n    return type(asyncio.get_running_loop()).__module__\n"
        "def ask():\n    return asyncio.run(answer())\n",
        answer="uvloop",
    ),
    Row(
        "uvloop: a loop that is kept",
        "import uvloop\nloop = uvloop.new_event_loop()\n",
        "an event loop (uvloop.",
    ),
    Row("asyncio: a loop that is kept", LOOP, "an event loop (asyncio."),
    Row(
        "gevent: monkey.patch_all()",
        "from gevent import monkey\nmonkey.patch_all()\nimport gevent, time\ntime.sleep(0.01)\n"
        "def ask():\n    return gevent.spawn(lambda: time.sleep(0.01) or 42).get(timeout=5)\n",
        answer="42",
    ),
    Row("SQLAlchemy: create_engine()", ENGINE, answer="42"),
    Row("SQLAlchemy: an engine that was used, disposed of in the child", ENGINE + DISPOSES, answer="42"),
    Row("redis: a client", REDIS, answer="True", server="redis-server"),
    Row("redis: a client that was used", REDIS + "ask()\n", "a connection from ", server="redis-server"),
    Row(
        "psycopg: a pool that is not open",
        "from psycopg_pool import ConnectionPool\n"
        "pool = ConnectionPool('host=127.0.0.1 port=1', open=False)\ndef ask():\n    return pool.closed\n",
        answer="True",
    ),
    Row(
        "psycopg: a pool that is open",
        "from psycopg_pool import ConnectionPool\n"
        "pool = ConnectionPool('host=127.0.0.1 port=1', open=True)\ndef ask():\n    return pool.closed\n",
        "thread pool-1-",
    ),
)


def attempt(row: Row, python: Path, folder: Path, port: int) -> str:
    """What is wrong with it; empty: nothing."""
    house = House(folder)
    house.program = [str(python), "-m", "fapws.cli.fapwsctl"]
    code = row.code.replace("PORT", str(port)).replace("FOLDER", str(folder))
    house.write_app(code + SERVES)
    house.configure(workers=2, pool="preload = yes\n")
    try:
        said = house.ctl("start", expect=1 if row.says else 0)
        if row.says:
            return "" if row.says in said else said
        wrong = _ask(house, row)
        house.ctl("stop")
        house.assert_nothing_is_left()
        return wrong
    except AssertionError as error:
        return str(error)
    finally:
        house.clean()


def _ask(house: House, row: Row) -> str:
    where, answered = house.port(), set[str]()
    for _ in range(500):
        pid, _, answer = house.get(where).decode().partition(" ")
        if row.answer not in answer:
            return f"{answer!r}, not {row.answer!r}"
        answered.add(pid)
        if len(answered) == 2:
            return ""
    return "only one worker has responded"


@contextlib.contextmanager
def running(program: str, folder: Path) -> Iterator[int]:
    """A server of a database; its port. Without a name: none."""
    if not program:
        yield 0
        return
    port = unused_port()
    words = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = process.stdout
        wait_until(lambda: "Ready to accept connections" in said.readline(), f"{program} is ready")
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def make_venv(folder: Path) -> Path:
    """Its Python, with the packages."""
    python = folder / "venv" / "bin" / "python"
    if not python.exists():
        venv.create(folder / "venv", with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PACKAGES], check=True, cwd=folder)
    return python


def main() -> int:
    wrong = 0
    with tempfile.TemporaryDirectory() as temporary:
        python = make_venv(Path(sys.argv[1] if len(sys.argv) > 1 else temporary))
        listed = [str(python), "-m", "pip", "list", "--format=freeze"]
        print(subprocess.run(listed, capture_output=True, text=True, check=True).stdout)
        for number, row in enumerate(ROWS):
            folder = Path(temporary) / str(number)
            folder.mkdir()
            if row.server and not shutil.which(row.server):
                print(f"not tried, {row.server} is not installed: {row.name}")
                continue
            with running(row.server, folder) as port:
                found = attempt(row, python, folder, port)
            wrong += bool(found)
            print(f"{'WRONG' if found else 'as told'}: {row.name}{f': {found}' if found else ''}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    assert (ROOT / "fapws").is_dir()
    sys.exit(main())
