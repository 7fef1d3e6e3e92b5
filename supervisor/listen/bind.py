"""Listening sockets: binding, adopting, closing one. The register of them is listeners.py.

Only plain descriptors leave this file: a Python socket object that a worker inherited would close,
when it is collected there, whatever descriptor has its number by then.
"""

from __future__ import annotations

import _socket  # not socket: that brings selectors and its enums along, 0.3 MB
import errno
import os
import stat

from fapws import reuse_port
from fapws.descriptors import adopt
from fapws.lean import NamedTuple
from fapws.settings.model import Address

from ..errors import CannotStart, PlaceTaken, refused
from . import defer_accept
from .lookup import numeric, owner_ids


class Listener(NamedTuple):
    """A listening socket of the master."""

    fd: int
    address: Address
    url: str
    """As people type it: the port is the real one."""
    backlog: int
    inode: tuple[int, int] | None = None
    """unix: device and inode of the socket file that we made."""


def listen(address: Address, backlog: int, clients_speak: bool = True) -> Listener:
    """Binds and listens, or adopts an inherited socket; non-blocking. Raises CannotStart.

    clients_speak: whether every client sends something first, so that it need not be accepted before.
    """
    try:
        listener = _LISTEN[address.kind](address, backlog)
        if address.kind == "tcp" and not clients_speak:
            defer_accept.undo(listener.fd)
    except OSError as error:
        raise refused(f"cannot listen on {address.text}", error) from error
    os.set_blocking(listener.fd, False)
    return listener


def remove_file(listener: Listener) -> None:
    """Removes a unix socket's file, if it still is the one we made."""
    remove_own(listener.address.path, listener.inode)


def remove_own(path: str, made: tuple[int, int] | None) -> None:
    """Removes a socket file, if it still is the one that was made; it stays where that is not allowed."""
    if made is not None and inode(path) == made:
        try:
            os.unlink(path)
        except OSError:
            return  # its directory may have been locked since; a start removes the file


def is_lost(path: str, made: tuple[int, int] | None) -> bool:
    """Whether the file of a unix socket of ours is gone or is another, so that no client can connect."""
    return made is not None and inode(path) != made


def set_backlog(listener: Listener, backlog: int) -> None:
    """Changes the backlog of a socket that already listens."""
    sock = reuse_port.borrow(listener.fd)
    try:
        if reuse_port.listens(sock):  # else that is left to its worker
            sock.listen(backlog)
    finally:
        sock.close()


def set_owner(address: Address) -> None:
    """Gives a unix socket's file its mode and owners. Raises CannotStart or OSError."""
    admit(address.path, address.mode, *(owner_ids(address) if address.user or address.group else (-1, -1)))


def admit(path: str, mode: int, uid: int, gid: int) -> None:
    """Gives a socket's file its mode and owners (-1: unchanged), and no other file that may have been put
    in its place meanwhile (anybody with the right to write in its directory can). Raises OSError."""
    if (uid, gid) != (-1, -1):
        os.chown(path, uid, gid, follow_symlinks=False)
    if not hasattr(os, "O_PATH"):
        _check_socket(os.lstat(path))
        os.chmod(path, mode)
        return
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _check_socket(os.fstat(fd))
        os.chmod(f"/proc/self/fd/{fd}", mode)
    except FileNotFoundError:  # no /proc
        os.chmod(path, mode)
    finally:
        os.close(fd)


def _check_socket(found: os.stat_result) -> None:
    if not stat.S_ISSOCK(found.st_mode):
        raise FileExistsError(errno.EEXIST, "another file has taken the socket's place")


# ---- TCP -----------------------------------------------------------------------------------------


def _listen_tcp(address: Address, backlog: int) -> Listener:
    family, where = _resolve(address)
    sock = _tcp_socket(family)
    try:
        sock.bind(where)
        sock.listen(backlog)
        url = _url(address.host or where[0], sock.getsockname()[1])
        return Listener(sock.detach(), address, url, backlog)
    finally:
        sock.close()


def join(first: Listener, backlog: int) -> Listener:
    """Another socket of the address of one that is shared, only bound: the kernel gives it connections
    when its worker, ready to serve, listens. Raises CannotStart."""
    try:
        model = reuse_port.borrow(first.fd)
        try:
            sock = _tcp_socket(model.family)
            where = model.getsockname()
        finally:
            model.close()
        try:
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEPORT, 1)
            sock.bind(where)
            sock.setblocking(False)
            return first._replace(fd=sock.detach(), backlog=backlog)
        finally:
            sock.close()
    except OSError as error:
        raise refused(f"cannot listen on {first.address.text} once more", error) from error


def _tcp_socket(family: int) -> _socket.socket:
    """Not bound yet. Raises OSError."""
    sock = _socket.socket(family, _socket.SOCK_STREAM)
    try:
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        # Set once here, inherited by every connection on Linux and the BSDs.
        sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        if family == _socket.AF_INET6:
            # So that [::]:80 and 0.0.0.0:80 stand side by side.
            sock.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 1)
        defer_accept.apply(sock)
    except BaseException:
        sock.close()
        raise
    return sock


def _resolve(address: Address) -> tuple[int, tuple[str, int]]:
    """Family and numeric address. Raises CannotStart."""
    host = address.numeric or numeric(address)
    return (_socket.AF_INET6 if ":" in host else _socket.AF_INET), (host, address.port)


# ---- unix ----------------------------------------------------------------------------------------


def _listen_unix(address: Address, backlog: int) -> Listener:
    clear_stale(address.path)
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        bind_private(sock, address.path)
        try:
            set_owner(address)
            sock.listen(backlog)
        except BaseException:
            os.unlink(address.path)
            raise
        made = inode(address.path)
        return Listener(sock.detach(), address, f"unix:{address.path}", backlog, made)
    finally:
        sock.close()


def bind_private(sock: _socket.socket, path: str) -> None:
    """Binds so that no other user can connect before the mode is set. Raises OSError, CannotStart."""
    mask = os.umask(0o177)
    try:
        sock.bind(path)
    except OSError as error:
        if error.errno is None:  # "AF_UNIX path too long" carries no number
            raise CannotStart(f"cannot listen on unix:{path}: the path is too long") from error
        raise
    finally:
        os.umask(mask)


def clear_stale(path: str) -> None:
    """Removes a socket file without a listener. Raises CannotStart if a process listens on it."""
    try:
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise CannotStart(f"cannot listen on unix:{path}: there is a file, and it is not a socket")
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.connect(path)
    except ConnectionRefusedError:
        os.unlink(path)
        return
    except BlockingIOError:
        pass  # a full backlog: a process listens, and is busy
    finally:
        sock.close()
    raise PlaceTaken(f"cannot listen on unix:{path}: another process listens there")


def inode(path: str) -> tuple[int, int] | None:
    """Device and inode of what the path names; None: nothing."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


# ---- inherited -----------------------------------------------------------------------------------


def _adopt(address: Address, backlog: int) -> Listener:
    """Takes over a socket that the process which started us has opened."""
    sock = adopt(address.port)
    try:
        if sock.type != _socket.SOCK_STREAM:
            raise CannotStart(f"cannot listen on {address.text}: not a stream socket")
        if not sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN):
            sock.listen(backlog)
        url = _inherited_url(sock)
    finally:
        fd = sock.detach()
    os.set_inheritable(fd, False)
    return Listener(fd, address, url, backlog)


def _inherited_url(sock: _socket.socket) -> str:
    name = sock.getsockname()
    if sock.family == _socket.AF_UNIX:
        return f"unix:{os.fsdecode(name)}"
    return _url(name[0], name[1])


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


_LISTEN = {"tcp": _listen_tcp, "unix": _listen_unix, "fd": _adopt}
