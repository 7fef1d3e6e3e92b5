"""The command: which server a file is of, its translation, and what is said beside it."""

from __future__ import annotations

import os

from fapws.cli.arguments import Options
from fapws.cli.find_server import Ended, Result
from fapws.cli.translate import execute, gunicorn, uwsgi, uwsgi_file
from fapws.cli.translate import unit as unit_server
from fapws.cli.translate.draft import Draft
from fapws.lean import Callable
from fapws.supervisor.errors import DONE, FAILED

SIZE_MAX = 2**20
"""Characters; a larger file is no configuration."""
_SERVERS: dict[str, Callable[[str, str, str, bool], Draft]] = {
    "gunicorn": gunicorn.translate,
    "uwsgi": uwsgi.translate,
    "unit": unit_server.translate,
}


def translate(options: Options) -> Result:
    """Prints the INI file that a configuration of another server means."""
    path = options.arguments[0]
    application = options.arguments[1] if len(options.arguments) > 1 else ""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(SIZE_MAX + 1)
        if len(text) > SIZE_MAX:
            raise Ended(FAILED, f"fapwsctl: {path}: is larger than {SIZE_MAX} characters")
        draft = _SERVERS[server_of(path, text)](path, text, application, options.execute)
    except OSError as error:
        raise Ended(FAILED, f"fapwsctl: {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Ended(FAILED, f"fapwsctl: {path}: is not UTF-8 text") from None
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        raise Ended(FAILED, f"fapwsctl: {path}: cannot be read as Python: {error}") from None
    except (execute.CannotRun, uwsgi_file.NotUwsgi, unit_server.NotUnit) as error:
        raise Ended(FAILED, f"fapwsctl: {path}: {str(error).rstrip()}") from None
    said = {
        "ini": draft.text(),
        "to_do": draft.lacks,
        "without_equal": [[one.setting, one.why] for one in draft.unequal],
    }
    return Result(FAILED if draft.lacks else DONE, "" if options.json else draft.text(), said, _note(draft))


def server_of(path: str, text: str) -> str:
    """By the file's name, or else by what is in it."""
    if path.endswith(".py"):
        return "gunicorn"
    if path.endswith(".json"):
        return "uwsgi" if '"uwsgi"' in text else "unit"
    if "[uwsgi]" in text or '"uwsgi"' in text or any(line.startswith("uwsgi:") for line in text.split("\n")):
        return "uwsgi"
    if text.lstrip()[:1] in ("{", "/"):
        return "unit"
    if os.path.splitext(path)[1] in (".ini", ".yaml", ".yml"):
        return "uwsgi"
    return "gunicorn"


def _note(draft: Draft) -> str:
    count = len(draft.unequal)
    said = [f"fapwsctl: to do: {lack}" for lack in draft.lacks]
    if count:
        settings = "1 setting has" if count == 1 else f"{count} settings have"
        said.append(f"fapwsctl: {settings} no equal here; the end of the file says why")
    return "\n".join(said)
