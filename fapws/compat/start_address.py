"""What the arguments of fapws3's start(host, port) mean."""

from __future__ import annotations

from fapws.lean import Any

_UNIX = "unix"
_ANY = "0.0.0.0"


def start_address(host: Any, port: Any) -> tuple[str, str]:
    """The address as the INI file has it, and the path if it is a unix socket's (else empty).

    An abstract socket's path begins with a zero byte, which the address shows as @. Raises ValueError.
    """
    if not isinstance(host, str):
        raise ValueError(f"the host of start() must be a str, not {type(host).__name__}")
    if port == _UNIX:
        if host in ("", "\0"):
            raise ValueError("start() with unix needs the path of a socket")
        return "unix:" + host.replace("\0", "@", 1), host
    number = port
    if isinstance(port, str) and port.strip().isascii() and port.strip().isdigit():
        number = int(port)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 65535:
        raise ValueError(f"the port of start() must be a number from 0 to 65535 or unix, not {port!r}")
    host = host.strip("[]") or _ANY
    return (f"[{host}]:{number}" if ":" in host else f"{host}:{number}"), ""
