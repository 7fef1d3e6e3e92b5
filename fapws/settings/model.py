"""The configuration as the master and the workers see it: plain data, checked before it gets here.

Times are seconds (float), sizes are bytes (int). NamedTuples, because dataclasses cost memory in
master and workers.
"""

from __future__ import annotations

from fapws.lean import NamedTuple
from fapws.settings.environment import Environment

WORKERS_MAX = 1024
"""Of one pool."""


class Address(NamedTuple):
    """One place to listen on, or a socket that is inherited."""

    text: str
    """As the user wrote it, for messages."""
    kind: str
    """``tcp``, ``unix`` or ``fd``."""
    host: str = ""
    """tcp: a numeric IPv4 or IPv6 address, or a name; without brackets."""
    port: int = 0
    """tcp: 0 lets the kernel choose. fd: the descriptor's number."""
    path: str = ""
    """unix: absolute path of the socket file."""
    mode: int = 0o666
    """unix: permission bits of the socket file."""
    user: str = ""
    """unix: user that owns the socket file; empty: the master's."""
    group: str = ""
    """unix: group that owns the socket file; empty: unchanged."""
    numeric: str = ""
    """tcp: what the host was found to be; empty: nobody has looked it up."""


class Network(NamedTuple):
    """Peers of one kind: an address, a network, or every peer that comes by a unix socket."""

    text: str
    """As the user wrote it."""
    version: int = 0
    """4 or 6; 0: unix sockets."""
    first: int = 0
    """The lowest address, as a number."""
    mask: int = 0


class Limits(NamedTuple):
    """What a client may take; see docs/http.md and ``fw_settings`` in csrc/fapws.h."""

    max_body_size: int = 10 * 2**20
    max_header_size: int = 32 * 2**10
    max_headers: int = 100
    max_uri: int = 8192
    max_connections: int = 10_000
    reserved_descriptors: int = 32
    max_spool: int = 2**28
    body_memory: int = 3 * 2**20
    body_pool: int = 32 * 2**20
    header_timeout: float = 10.0
    body_timeout: float = 20.0
    keepalive_timeout: float = 60.0
    write_timeout: float = 30.0
    min_body_rate: int = 500
    """Bytes a second."""
    static_cache: int = 8 * 2**20


class Pool(NamedTuple):
    """One ``[app:NAME]`` section: an application, its workers and its listeners."""

    name: str
    app: str = ""
    """``package.module:callable`` or ``module:factory()``; empty if script is set."""
    script: str = ""
    """Absolute path of a Python file, optionally ``:callable`` behind it; empty if app is set."""
    args: tuple[str, ...] = ()
    """``sys.argv[1:]`` of the application."""
    directory: str = ""
    """The workers' working directory and first entry of sys.path; empty: the master's."""
    virtualenv: str = ""
    pythonpath: tuple[str, ...] = ()
    env: Environment = Environment()
    clean_env: bool = False
    user: str = ""
    """Name or number; empty: the master's. See fapws.worker.privileges for these."""
    group: str = ""
    """Name or number; empty: the user's own."""
    umask: int = -1
    """-1: unchanged."""
    chroot: str = ""
    rlimit_nofile: int = 0
    pledge: str = ""
    unveil: tuple[tuple[str, str], ...] = ()
    """Paths and permissions; as ``pledge`` only on OpenBSD."""
    rlimit_as: int = 0
    """Bytes. 0: unchanged, here and above."""
    listen: tuple[Address, ...] = ()
    backlog: int = 1024
    workers: int = 1
    automatic: str = ""
    """What ``workers = auto`` has counted; empty: the number was written down."""
    reuseport: bool = False
    """Each worker has sockets of its own for the TCP addresses; see fapws.reuse_port."""
    boot_timeout: float = 60.0
    """Seconds from fork to READY."""
    drain_timeout: float = 25.0
    """Seconds a worker may take to finish what it has; then it is killed."""
    stop_delay: float = 0.0
    """Seconds that the service goes on after SIGTERM, out of sight of balancers."""
    min_workers: int = 1
    """0: workers start when the first client comes."""
    idle_timeout: float = 300.0
    """Seconds without a client after which they leave again."""
    reload: str = "rolling"
    """``rolling``, or ``frugal``: stop one, start one."""
    reload_watch: float = 0.0
    """Seconds that the first worker of a reload serves beside the old ones before others follow; 0: off."""
    request_timeout: float = 300.0
    """Seconds without a sign of life after which a worker is killed; 0: off."""
    slow_request: float = 0.0
    """Seconds after which a request that still runs is told in the log; 0: off."""
    max_requests: int = 0
    max_requests_jitter: int = 0
    max_rss: int = 0
    """Bytes."""
    max_lifetime: float = 0.0
    """Seconds. Beyond any of these four a worker is replaced; 0: off."""
    preload: bool = False
    """One process of each generation imports the application, and forks the workers."""
    preload_unsafe: bool = False
    """It does so whatever the import has left behind."""
    rollback_window: float = 0.0
    """Seconds that what a reload has replaced can be gone back to; 0: it cannot."""
    autoreload: bool = False
    """Restart the workers when a source file of the application changes (development)."""
    traceback_page: bool = False
    """Show what has failed in the browser, on this machine alone: fapws --reload, and no option of a file."""
    access_log: str = "off"
    """``off``, ``syslog:FACILITY`` or an absolute path."""
    access_format: str = "combined"
    request_id: bool = False
    """Each request has a name, see fapws.wsgi.request_ids."""
    static: tuple[tuple[str, str], ...] = ()
    """Folders whose files the core serves: what their paths begin with (empty, or /... without a slash at its
    end), and where they are."""
    static_max_age: float = 0.0
    """Seconds."""
    static_immutable: tuple[str, ...] = ()
    """Patterns of fapws.settings.name_patterns."""
    static_types: str = ""
    """A file; see fapws.settings.media_types."""
    static_symlinks: str = "no"
    """``no``, ``owner`` or ``yes``."""
    static_fallthrough: bool = False
    warmup: tuple[str, ...] = ()
    """Requests before READY, each as ``GET http://shop.example/health 200``; see fapws.settings.warmups."""
    ready_path: str = ""
    """The core's own path that tells whether clients may be sent here; empty: none."""
    log_ready: bool = False
    script_name: str = ""
    strict_paths: bool = False
    """PATHS are matched by WSGI's rule instead of fapws3's; see fapws.compat.paths."""
    trusted_proxies: tuple[Network, ...] = ()
    forwarded: tuple[str, ...] = ("x-forwarded-for", "x-forwarded-proto")
    """Which fields the trusted proxies set, in lower case; ``forwarded`` stands alone."""
    proxy_protocol: bool = False
    """Every connection begins with a PROXY header; only trusted_proxies, if there are any, may send one."""
    limits: Limits = Limits()
    server_header: str = ""
    """Value of the Server field; empty: none is sent."""
    early_hints: bool = False
    request_buffering: bool = True
    """False: the application starts before the content has come, and reads it from the client."""
    spool_directory: str = "/tmp"
    """As seen from outside chroot, if that is set."""
    debug: int = 0
    """1: refusals in the error log; 2: requests and responses; 3: fields and contents."""


class Config(NamedTuple):
    """Everything the master needs to run."""

    path: str
    """Absolute path of the INI file; empty when the command line said everything."""
    pools: tuple[Pool, ...]
    pidfile: str = ""
    control: str = ""
    """Path of the control socket; empty: none."""
    error_log: str = "stderr"
    """``stderr``, ``syslog:FACILITY`` or an absolute path."""
    error_log_format: str = "text"
    """``text`` or ``json``."""
    log_mode: int = 0o640
    """Permission bits of log files that are made."""
    control_group: str = ""
    """Name or number of the group that may use the control socket too; empty: no other group may."""
    isolate: bool = True
    """Whether workers start in a Python of their own where the master knows other pools than theirs."""
    status: Address | None = None
    """Where the master answers HTTP about itself; None: nowhere."""
    agent: Address | None = None
    """Where it speaks HAProxy's agent-check; None: nowhere."""


class ScriptSettings(NamedTuple):
    """What a script sets, as text; empty: it does not."""

    server: str = ""
    max_body_size: str = ""
    has_paths: bool = False
    """Whether it is written for fapws4: PATHS is bound at its top level."""
    debug: str = ""
    """DEBUG of a script with PATHS; others may mean something else by it."""
    start: str = ""
    """The address of its one call of fapws._evwsgi.start(), as the INI file has it."""
    mistake: str = ""
    """What is wrong with PATHS, as far as it can be told before the script is served."""
    mistake_line: int = 0
    """Where; 0: not known."""
    unknown: str = ""
    """Why it cannot be told what the script sets."""


def split_callable(text: str) -> tuple[str, str]:
    """``file.py:callable`` to its two parts; the second is empty if only a file is named."""
    path, colon, name = text.rpartition(":")
    if colon and "/" not in name:
        return path, name
    return text, ""
