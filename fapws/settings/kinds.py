"""The types of options: how a text becomes a value, what a wrong one is told, and how a value is written.

KINDS has them by the names that the table in options.py uses. What only few options need is imported where it
is used.
"""

from __future__ import annotations

import os
import resource

from fapws import reuse_port
from fapws.lean import Any, Callable, NamedTuple
from fapws.settings import values
from fapws.settings.access_format import compile_format
from fapws.settings.addresses import check_socket_path, parse_address, parse_mode
from fapws.settings.core_limits import LISTENERS_MAX, TRUSTED_MAX
from fapws.settings.identity import UnknownIdentity, find_group, find_user
from fapws.settings.log_targets import OFF, STDERR, parse_syslog
from fapws.settings.model import WORKERS_MAX, Address, Network, split_callable
from fapws.settings.networks import parse_network
from fapws.settings.virtualenv import check_virtualenv


class Kind(NamedTuple):
    """A type of option. parse gets a text and the directory at which relative paths start, and
    raises ValueError saying what is allowed; format gives a text that parses to the same value."""

    parse: Callable[[str, str], Any]
    format: Callable[[Any], str]
    lines: bool = False
    """Whether a value may go on in indented lines."""


_X_FORWARDED = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")
_FORWARDED = "forwarded"
_PROMISES_NEEDED = ("stdio", "recvfd")
"""Of pledge(2): to run at all, and to be given logs that were opened anew."""


def _absolute(text: str, base_directory: str) -> str:
    return os.path.normpath(os.path.join(base_directory, text))


def _check_callable(text: str) -> None:
    bare = text.removesuffix("()")
    if not all(part.isidentifier() for part in bare.split(".")):
        raise ValueError(f"{text!r} is not a callable's name, such as application or create_app()")


def _parse_app(text: str, _base_directory: str) -> str:
    if not text:
        return ""
    module, colon, name = text.partition(":")
    if module.endswith(".py") or "/" in module:
        raise ValueError("must be package.module:callable; a file is named by script =")
    if not all(part.isidentifier() for part in module.split(".")):
        raise ValueError("must be package.module:callable or module:factory()")
    if not colon:
        raise ValueError(f"names no callable; write {module}:application")
    _check_callable(name)
    return text


def _parse_script(text: str, base_directory: str) -> str:
    if not text:
        return ""
    path, name = split_callable(text)
    path = _absolute(path, base_directory)
    if os.path.isdir(path):
        raise ValueError("is a directory; must be a Python file")
    _check_readable(path, "file")
    if name:
        _check_callable(name)
    return f"{path}:{name}" if name else path


def _check_readable(path: str, what: str) -> None:
    if not os.path.exists(path):
        raise ValueError(f"there is no {what} {path}")
    if not os.access(path, os.R_OK):
        raise ValueError(f"may not read {path}")


def _parse_directory(text: str, base_directory: str) -> str:
    if not text:
        return ""
    path = _absolute(text, base_directory)
    _check_readable(path, "directory")
    if not os.path.isdir(path):
        raise ValueError(f"{path} is not a directory")
    return path


def _parse_spool(text: str, base_directory: str) -> str:
    path = _parse_directory(text, base_directory)
    if not path:
        raise ValueError("must be a directory")
    if not os.access(path, os.W_OK | os.X_OK):
        raise ValueError(f"may not write into {path}")
    return path


def _parse_directories(text: str, base_directory: str) -> tuple[str, ...]:
    return tuple(_parse_directory(part, base_directory) for part in values.split_list(text))


def _parse_virtualenv(text: str, base_directory: str) -> str:
    path = _parse_directory(text, base_directory)
    if path:
        check_virtualenv(path)
    return path


def _check_openbsd(what: str) -> None:
    system = os.uname().sysname
    if system != "OpenBSD":
        raise ValueError(f"{what} is a system call of OpenBSD; this is {system}")


def _parse_pledge(text: str, _base_directory: str) -> str:
    if not text:
        return ""
    _check_openbsd("pledge")
    promises = text.split()
    missing = [promise for promise in _PROMISES_NEEDED if promise not in promises]
    if missing:
        raise ValueError(f"a worker cannot serve without {' '.join(missing)}")
    return " ".join(promises)


def _parse_unveil(text: str, base_directory: str) -> tuple[tuple[str, str], ...]:
    if not text:
        return ()
    _check_openbsd("unveil")
    found: list[tuple[str, str]] = []
    for part in values.split_list(text):
        path, colon, permissions = part.rpartition(":")
        if not colon or not path or not permissions or not set(permissions) <= set("rwxc"):
            raise ValueError(f"{part}: must be PATH:PERMISSIONS, letters of rwxc, such as /srv/blog:rw")
        found.append((_absolute(path, base_directory), permissions))
    return tuple(found)


def _parse_reuseport(text: str, _base_directory: str) -> bool:
    wanted = values.parse_boolean(text)
    if wanted:
        reuse_port.check(os.uname().sysname)
    return wanted


def _parse_user(text: str, _base_directory: str) -> str:
    if text:
        _known(find_user, text)
    return text


def _parse_group(text: str, _base_directory: str) -> str:
    if text:
        _known(find_group, text)
    return text


def _known(find: Callable[[str], Any], name: str) -> None:
    try:
        find(name)
    except UnknownIdentity as error:
        raise ValueError(str(error)) from None


def _parse_workers(text: str, _base_directory: str) -> int:
    if text == "auto":
        from fapws.settings.processors import Automatic, processors  # few want it

        return Automatic(min(processors().workers, WORKERS_MAX))
    try:
        return values.parse_integer(text)
    except ValueError:
        raise ValueError("must be a whole number, or auto") from None


def _parse_umask(text: str, _base_directory: str) -> int:
    if not text:
        return -1
    if not 3 <= len(text) <= 4 or not set(text) <= set("01234567") or int(text, 8) > 0o777:
        raise ValueError("must be octal permission bits, such as 027")
    return int(text, 8)


def _parse_address_space(text: str, _base_directory: str) -> int:
    size = values.parse_size(text)
    if size and not hasattr(resource, "RLIMIT_AS"):
        raise ValueError("this system has no limit of address space")
    return size


def _parse_file(text: str, base_directory: str) -> str:
    if not text:
        return ""
    path = _absolute(text, base_directory)
    if os.path.isdir(path):
        raise ValueError("is a directory; must be a file")
    return path


def _parse_log_file(text: str, base_directory: str) -> str:
    path = _parse_file(text, base_directory)
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        raise ValueError(f"there is no directory {parent}; it must exist before the start")
    return path


def _parse_log(text: str, base_directory: str) -> str:
    if not text:
        raise ValueError("must be stderr, a file, or syslog:FACILITY")
    return text if text == STDERR else parse_syslog(text) or _parse_log_file(text, base_directory)


def _parse_access_log(text: str, base_directory: str) -> str:
    if not text:
        raise ValueError("must be off, a file, or syslog:FACILITY")
    return text if text == OFF else parse_syslog(text) or _parse_log_file(text, base_directory)


def _parse_access_format(text: str, _base_directory: str) -> str:
    compile_format(text)
    return text


def _parse_socket(text: str, base_directory: str) -> str:
    path = _parse_file(text, base_directory)
    check_socket_path(path)
    return path


def _parse_addresses(text: str, base_directory: str) -> tuple[Address, ...]:
    addresses: list[Address] = []
    for part in values.split_list(text):
        try:
            addresses.append(parse_address(part, base_directory))
        except ValueError as error:
            raise ValueError(f"{part}: {error}") from None
    if not 0 < len(addresses) <= LISTENERS_MAX:
        raise ValueError(f"must be 1 to {LISTENERS_MAX} addresses")
    return tuple(addresses)


def _parse_own_address(text: str, base_directory: str) -> Address | None:
    """Of the master itself, which adopts no socket there."""
    if not text:
        return None
    address = parse_address(text, base_directory)
    if address.kind == "fd":
        raise ValueError("must be host:port, [IPv6]:port, :port or unix:PATH")
    return address


def _parse_networks(text: str, _base_directory: str) -> tuple[Network, ...]:
    networks: list[Network] = []
    for part in values.split_list(text):
        try:
            networks.append(parse_network(part))
        except ValueError as error:
            raise ValueError(f"{part}: {error}") from None
    if len(networks) > TRUSTED_MAX:
        raise ValueError(f"must be at most {TRUSTED_MAX} addresses and networks")
    return tuple(networks)


def _parse_forwarded(text: str, _base_directory: str) -> tuple[str, ...]:
    fields = [field.lower() for field in values.split_list(text)]
    allowed = fields == [_FORWARDED] or set(fields) <= set(_X_FORWARDED)
    if not fields or not allowed or len(set(fields)) < len(fields):
        raise ValueError(f"must be {_FORWARDED}, or some of {', '.join(_X_FORWARDED)}, each once")
    return tuple(fields)


def _parse_prefix(text: str, _base_directory: str) -> str:
    if text and (not text.startswith("/") or text.endswith("/") or not text.isprintable()):
        raise ValueError("must begin with / and not end with it, such as /blog")
    return text


def _parse_path(text: str, _base_directory: str) -> str:
    if text and (not text.startswith("/") or not all("!" <= character <= "~" for character in text)):
        raise ValueError("must begin with / and be as it stands in a request, such as /healthz")
    if set("?#") & set(text):
        raise ValueError("must be a path alone, without ? and #")
    return text


def _parse_statics(text: str, base_directory: str) -> tuple[tuple[str, str], ...]:
    if not text:
        return ()
    from fapws.settings.statics import parse_statics  # few have any

    return parse_statics(text, base_directory)


def _format_statics(folders: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{prefix or '/'}:{folder}" for prefix, folder in folders)


def _parse_warmups(text: str, _base_directory: str) -> tuple[str, ...]:
    if not text:
        return ()
    from fapws.settings.warmups import parse_warmups  # few have any

    return parse_warmups(text)


def _parse_name_patterns(text: str, _base_directory: str) -> tuple[str, ...]:
    if not text:
        return ()
    from fapws.settings.name_patterns import compile_patterns  # few have any

    patterns = values.split_words(text)
    compile_patterns(patterns)
    return patterns


def _parse_types(text: str, base_directory: str) -> str:
    path = _parse_file(text, base_directory)
    if path:
        from fapws.settings.media_types import check_types  # few have any

        check_types(path)
    return path


def _parse_symlinks(text: str, _base_directory: str) -> str:
    if text not in ("no", "owner", "yes"):
        raise ValueError("must be no, owner or yes")
    return text


def _parse_reload(text: str, _base_directory: str) -> str:
    if text not in ("rolling", "frugal"):
        raise ValueError("must be rolling or frugal")
    return text


def _parse_log_format(text: str, _base_directory: str) -> str:
    if text not in ("text", "json"):
        raise ValueError("must be text or json")
    return text


def _parse_field(text: str, _base_directory: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise ValueError("must be printable ASCII")
    return text


KINDS: dict[str, Kind] = {
    "boolean": Kind(lambda text, _: values.parse_boolean(text), values.format_boolean),
    "reuseport": Kind(_parse_reuseport, values.format_boolean),
    "integer": Kind(lambda text, _: values.parse_integer(text), str),
    "workers": Kind(_parse_workers, str),
    "size": Kind(lambda text, _: values.parse_size(text), values.format_size),
    "time": Kind(lambda text, _: values.parse_time(text), values.format_time),
    "app": Kind(_parse_app, str),
    "script": Kind(_parse_script, str),
    "directory": Kind(_parse_directory, str),
    "spool": Kind(_parse_spool, str),
    "words": Kind(lambda text, _: values.split_words(text), values.quote_words, lines=True),
    "directories": Kind(_parse_directories, ", ".join, lines=True),
    "virtualenv": Kind(_parse_virtualenv, str),
    "user": Kind(_parse_user, str),
    "group": Kind(_parse_group, str),
    "pledge": Kind(_parse_pledge, str),
    "unveil": Kind(
        _parse_unveil, lambda parts: ", ".join(f"{path}:{bits}" for path, bits in parts), lines=True
    ),
    "mode": Kind(lambda text, _: parse_mode(text), lambda bits: f"{bits:03o}"),
    "umask": Kind(_parse_umask, lambda bits: "" if bits < 0 else f"{bits:03o}"),
    "address_space": Kind(_parse_address_space, values.format_size),
    "file": Kind(_parse_file, str),
    "log": Kind(_parse_log, str),
    "access_log": Kind(_parse_access_log, str),
    "access_format": Kind(_parse_access_format, str),
    "socket": Kind(_parse_socket, str),
    "addresses": Kind(_parse_addresses, lambda parts: ", ".join(part.text for part in parts), lines=True),
    "own_address": Kind(_parse_own_address, lambda address: address.text if address else ""),
    "networks": Kind(_parse_networks, lambda parts: ", ".join(part.text for part in parts), lines=True),
    "forwarded": Kind(_parse_forwarded, ", ".join, lines=True),
    "reload": Kind(_parse_reload, str),
    "log_format": Kind(_parse_log_format, str),
    "prefix": Kind(_parse_prefix, str),
    "path": Kind(_parse_path, str),
    "name_patterns": Kind(_parse_name_patterns, values.quote_words, lines=True),
    "types": Kind(_parse_types, str),
    "symlinks": Kind(_parse_symlinks, str),
    "statics": Kind(_parse_statics, _format_statics, lines=True),
    "warmups": Kind(_parse_warmups, ", ".join, lines=True),
    "field": Kind(_parse_field, str),
}
