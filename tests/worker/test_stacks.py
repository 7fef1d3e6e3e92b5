"""Which frames of a stack are shown: those of the application."""

from __future__ import annotations

import pytest

from fapws import stacks

LIFE = "/venv/site-packages/fapws/worker/life.py"
WORKER = ("/venv/site-packages/fapws/wsgi/serve.py", LIFE, LIFE)
MASTER = ("/venv/site-packages/fapws/supervisor/master.py", "/venv/bin/fapwsctl")
IMPORTING = ("<frozen importlib._bootstrap>", "/venv/site-packages/fapws/worker/loader.py", LIFE)
OLD_PROGRAM = ("/venv/site-packages/fapws/wsgi/serve.py", LIFE, "/srv/program.py", *IMPORTING)


def written(*paths: str) -> str:
    """As faulthandler writes it, the innermost first."""
    frames = (f'  File "{path}", line 3 in f' for path in paths)
    return "\n".join(("Current thread 0x00007f (most recent call first):", *frames))


@pytest.mark.parametrize(
    ("paths", "shown"),
    [
        (("/srv/a.py", "/srv/b.py", *WORKER, *MASTER), ("/srv/a.py", "/srv/b.py")),
        (("/srv/a.py", *IMPORTING, *MASTER), ("/srv/a.py",)),
        (("/venv/site-packages/fapws/contrib/cgiapp.py", "/srv/a.py", *WORKER, *MASTER), None),
        (("/srv/a.py", *OLD_PROGRAM, *MASTER), ("/srv/a.py", *OLD_PROGRAM[:3])),
        ((*WORKER, *MASTER), WORKER),
        (("/usr/lib/python3/threading.py", "/srv/a.py", "/usr/lib/python3/threading.py"), None),
        (("/srv/deep.py",) * 100, None),
    ],
    ids=["request", "import", "ours inside", "program of fapws3", "no application", "thread", "cut"],
)
def test_what_stands_below_the_application_is_left_out(
    paths: tuple[str, ...], shown: tuple[str, ...] | None
) -> None:
    expected = (paths[:2] if "cgiapp" in paths[0] else paths) if shown is None else shown
    assert stacks.above(written(*paths) + "\n") == written(*expected)


def test_each_thread_is_seen_by_itself_and_other_lines_stay() -> None:
    text = f"{written('/srv/t.py')}\n\n{written(*WORKER, *MASTER)}\n(more than that is left out)\n"
    told = stacks.above(text, waits=True).split("\n")
    assert told[1:3] == ['  File "/srv/t.py", line 3 in f', ""]
    assert told[4:] == [f"  {stacks.WAITING}", "(more than that is left out)"]


def test_stack_of_no_worker_is_judged_by_the_servers_directory() -> None:
    outermost_first = ["/usr/lib/python3/runpy.py", "/x/fapws/cli/fapws.py", "/srv/a.py", "/x/fapws/base.py"]
    assert stacks.base(outermost_first, "/x/fapws/") == 2
    assert stacks.base(outermost_first) == 0
    as_installed = [*reversed(MASTER), *reversed(WORKER), "/srv/a.py"]
    assert stacks.base(as_installed, "/x/fapws/") == 5, "a script outside of it has called all that"
