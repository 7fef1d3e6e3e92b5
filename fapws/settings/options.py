"""Every option there is, declared once: name, place, type, default, bounds, help.

What reads the INI file (fapws.settings.build), what renders conf/fapws.ini (tools/shipped_ini.py) and
the error texts all use this table. An option stands here only when it works.
"""

from __future__ import annotations

from fapws.lean import Any, NamedTuple
from fapws.settings.core_limits import FIELDS_MAX
from fapws.settings.kinds import KINDS
from fapws.settings.model import WORKERS_MAX

MASTER = "master"
"""Options of ``[fapws]``."""
POOL = "pool"
"""Options of ``[app:NAME]``; those with ``shared`` may also stand in ``[fapws]``, as default of all
pools."""


class Option(NamedTuple):
    """One option; kind is a key of KINDS, low and high bound a number (bytes, seconds, count)."""

    name: str
    section: str
    kind: str
    default: str
    """As it would be written in the INI file; empty: not set."""
    help: str
    low: int = 0
    high: int = 0
    """0: the kind has no bounds."""
    shared: bool = True


DEFAULT_LISTEN = "127.0.0.1:8888"
DAY = 86_400
"""Seconds; the longest time that makes sense in any option."""

# fmt: off
OPTIONS: tuple[Option, ...] = (
    Option("pidfile", MASTER, "file", "",
           "file that holds the master's process id, of mode 600: a process that can lock it is taken for "
           "the master; empty: none"),
    Option("control", MASTER, "socket", "",
           "unix socket on which fapwsctl talks to the master; empty: none"),
    Option("control_group", MASTER, "group", "",
           "group whose members may use control too; empty: only root and the master's user"),
    Option("error_log", MASTER, "log", "stderr",
           "where the master's lines go, and what workers and applications print: stderr, a file, or "
           "syslog:FACILITY (daemon, user, local0 to local7)"),
    Option("error_log_format", MASTER, "log_format", "text",
           "text, or json: an object a line, for programs that collect logs"),
    Option("log_mode", MASTER, "mode", "640",
           "permission bits of log files that are made, in octal"),
    Option("isolate", MASTER, "boolean", "yes",
           "with several pools each worker starts in a Python of its own, where nothing of other pools is; "
           "no: workers share the master's memory, and may find there what it knows of all pools"),
    Option("status", MASTER, "own_address", "",
           "where the master itself answers /livez, /readyz, /metrics, /status.json and a page for people: "
           "host:port or unix:PATH; whoever can connect sees the requests in hand; empty: nowhere"),
    Option("agent", MASTER, "own_address", "",
           "where the master tells HAProxy's agent-check whether to send clients: host:port or unix:PATH; "
           "empty: nowhere"),
    Option("app", POOL, "app", "",
           "the application: package.module:callable or module:factory()", shared=False),
    Option("script", POOL, "script", "",
           "instead of app: a Python file with application, app or PATHS, or a program of fapws3; "
           "file.py:callable names another", shared=False),
    Option("args", POOL, "words", "",
           "what the program finds in sys.argv behind its own name, in quotes as for a shell where need "
           "be; the server's own command line is never there", shared=False),
    Option("directory", POOL, "directory", "",
           "working directory of the workers and first place to import from"),
    Option("virtualenv", POOL, "virtualenv", "",
           "virtual environment whose packages the application uses"),
    Option("pythonpath", POOL, "directories", "",
           "more directories to import from, separated by commas"),
    Option("user", POOL, "user", "",
           "user that the workers become, by name or number; takes a master that runs as root; "
           "empty: the master's"),
    Option("group", POOL, "group", "",
           "group that the workers become; empty: the user's own"),
    Option("umask", POOL, "umask", "",
           "permission bits that files made by the application do not get, such as 027; empty: "
           "unchanged"),
    Option("chroot", POOL, "directory", "",
           "directory that becomes the workers' / once the application is imported; takes user, "
           "and a master that runs as root"),
    Option("pledge", POOL, "pledge", "",
           "OpenBSD only: promises of pledge(2) that a worker makes before it serves, such as stdio "
           "rpath inet recvfd"),
    Option("unveil", POOL, "unveil", "",
           "OpenBSD only: what a worker still sees of the file system, as PATH:PERMISSIONS of "
           "unveil(2), separated by commas"),
    Option("clean_env", POOL, "boolean", "no",
           "workers get nothing of the master's environment but PATH, LANG, LC_*, TZ and TMPDIR; no: all "
           "of it"),
    Option("rlimit_nofile", POOL, "integer", "0",
           "descriptors that a worker may have open; 0: unchanged", 0, 2**24),
    Option("rlimit_as", POOL, "address_space", "0",
           "address space that a worker may take, beyond which Python raises MemoryError; max_rss well "
           "below it replaces the worker before; 0: unchanged", 0, 2**50),
    Option("listen", POOL, "addresses", DEFAULT_LISTEN,
           "where to listen: host:port, [IPv6]:port, :port, unix:PATH?mode=660&user=www&group=www, fd:N; "
           "several are separated by commas", shared=False),
    Option("backlog", POOL, "integer", "1024",
           "connections the kernel keeps until a worker takes them", 1, 65535),
    Option("workers", POOL, "workers", "1",
           "worker processes; auto: one for each processor that this process may use, or that the quota of "
           "its cgroup leaves", 1, WORKERS_MAX),
    Option("reuseport", POOL, "reuseport", "no",
           "Linux only: a queue of its own for each worker and TCP address, by SO_REUSEPORT; see "
           "fapws.ini(5)"),
    Option("boot_timeout", POOL, "time", "1m",
           "time a worker may take to load the application; one that takes longer is killed, and its "
           "Python stack is told", 1, 3600),
    Option("drain_timeout", POOL, "time", "25s",
           "time a leaving worker may take to finish its requests; then it is killed", 0, 3600),
    Option("stop_delay", POOL, "time", "0",
           "at a graceful stop, time to serve on without being ready, so that balancers look away first; "
           "of several pools the longest counts", 0, 3600),
    Option("request_timeout", POOL, "time", "5m",
           "a worker that gives no sign of life for this long, or takes none of the clients that wait, is "
           "killed, its Python stack in the error log; 0: off", 0, DAY),
    Option("slow_request", POOL, "time", "0",
           "a request with which the application is busy for longer is told in the error log while it runs, "
           "with its stack, and when it is over; 0: off", 0, DAY),
    Option("max_requests", POOL, "integer", "0",
           "a worker that has served so many requests is replaced; 0: off", 0, 10**9),
    Option("max_requests_jitter", POOL, "integer", "0",
           "up to so many more, another number for each worker", 0, 10**9),
    Option("max_rss", POOL, "size", "0",
           "a worker with more resident memory is replaced, with preload (Linux) one with more of its own; "
           "it is looked at each second, but not in its first ten, and may be larger in between; 0: off",
           0, 2**50),
    Option("max_lifetime", POOL, "time", "0",
           "an older worker is replaced; 0: off", 0, 365 * DAY),
    Option("min_workers", POOL, "integer", "1",
           "0: start on demand; the first client starts the workers, and after idle_timeout without "
           "clients they leave", 0, 1),
    Option("idle_timeout", POOL, "time", "5m",
           "with min_workers = 0: how long workers stay without a client", 1, DAY),
    Option("reload", POOL, "reload", "rolling",
           "rolling: a new worker serves before an old one leaves; frugal: after a trial, each old "
           "worker leaves before its successor starts, for want of memory"),
    Option("reload_watch", POOL, "time", "0",
           "time that the first new worker of a reload serves beside the old ones before others follow; if "
           "it dies, hangs or gives more responses of 5xx than they do, the old ones stay; 0: off", 0, 3600),
    Option("preload", POOL, "boolean", "no",
           "a process that serves nobody imports the application once, and forks the workers, which share "
           "its memory and start in milliseconds; each reload makes a new one"),
    Option("preload_unsafe", POOL, "boolean", "no",
           "with preload: fork also where the import has left threads, connections or event loops behind, "
           "which no fork takes along; a warning at each start names them"),
    Option("rollback_window", POOL, "time", "0",
           "with preload: how long the process that a reload has replaced is kept, so that fapwsctl rollback "
           "can have the workers forked by it again; 0: not at all", 0, 7 * DAY),
    Option("autoreload", POOL, "boolean", "no",
           "restart the workers when a source file of the application changes"),
    Option("access_log", POOL, "access_log", "off",
           "where each response is logged: off, a file, or syslog:FACILITY"),
    Option("access_format", POOL, "access_format", "combined",
           "combined, json, or a line with variables such as $client_addr \"$request\" $status; see "
           "fapws.ini(5)"),
    Option("request_id", POOL, "boolean", "no",
           "name each request: a trusted proxy's X-Request-ID, or one that is made; in environ, the access "
           "log ($request_id), error lines and the response"),
    Option("ready_path", POOL, "path", "",
           "path that the core itself answers, such as /healthz: 200, or 503 when the pool is not to be sent "
           "clients; for balancers that see only the pool's own address; empty: none"),
    Option("log_ready", POOL, "boolean", "no",
           "write what ready_path is answered to the access log too"),
    Option("warmup", POOL, "warmups", "",
           "requests that a new worker makes of its application before clients come, such as "
           "GET http://shop.example/health 200; an exception, a status of 500 or above, or another one than "
           "that behind the URL, if one is there, is a failed boot, and a reload then changes nothing; "
           "several are separated by commas", shared=False),
    Option("static", POOL, "statics", "",
           "folders whose files the core serves itself, without the application, as PATH:FOLDER such as "
           "/static:/srv/blog/static; several are separated by commas; the longest path counts",
           shared=False),
    Option("static_cache", POOL, "size", "8m",
           "memory of a worker for files of static that were asked for not long ago: small ones, up to 16 "
           "KB, and what is known of larger ones, which stay open; 0: each request opens its file", 0, 2**40),
    Option("static_max_age", POOL, "time", "0",
           "how long clients keep a file of static without asking whether it has changed; 0: they ask each "
           "time", 0, 10 * 365 * DAY),
    Option("static_immutable", POOL, "name_patterns", "",
           "patterns of names, such as *.[0-9a-f]{8,}.*, whose files never change: clients keep them for a "
           "year and do not ask; several are separated by spaces"),
    Option("static_types", POOL, "types", "",
           "file in the form of mime.types whose media types count before those built in; empty: none"),
    Option("static_symlinks", POOL, "symlinks", "no",
           "symbolic links in folders of static that are followed, if they do not leave the folder: no; "
           "owner, those whose owner has what they lead to, too; yes"),
    Option("static_fallthrough", POOL, "boolean", "no",
           "what no folder of static has is the application's; no: it is 404"),
    Option("script_name", POOL, "prefix", "",
           "path under which a proxy shows the application, such as /blog", shared=False),
    Option("strict_paths", POOL, "boolean", "no",
           "a prefix of a program's PATHS matches whole segments, and PATH_INFO begins with /, as in WSGI; "
           "no: as in fapws3, /env also serves /envelope"),
    Option("trusted_proxies", POOL, "networks", "",
           "proxies whose word about the client is taken: addresses, networks such as 10.0.0.0/8, "
           "unix for every peer on a unix socket; several are separated by commas"),
    Option("forwarded", POOL, "forwarded", "x-forwarded-for, x-forwarded-proto",
           "the fields by which trusted proxies tell it: x-forwarded-for, x-forwarded-proto and "
           "x-forwarded-host, or some of them, or forwarded alone; "
           "name only what the proxy sets itself, for the rest may come from the client"),
    Option("proxy_protocol", POOL, "boolean", "no",
           "each connection begins with a PROXY header, version 1 or 2, from one of trusted_proxies (if "
           "it is empty: from anybody); others are refused"),
    Option("max_body_size", POOL, "size", "10m",
           "largest request content", 0, 2**50),
    Option("max_header_size", POOL, "size", "32k",
           "largest request head", 1024, 65536),
    Option("max_headers", POOL, "integer", "100",
           "most header fields of a request", 1, FIELDS_MAX),
    Option("max_uri", POOL, "size", "8k",
           "longest request target", 64, 65536),
    Option("max_connections", POOL, "integer", "10000",
           "most open connections of a worker", 1, 10**6),
    Option("reserved_descriptors", POOL, "integer", "32",
           "descriptors of a worker that connections leave to the application; half of them, if need "
           "be, to content on its way in", 0, 65536),
    Option("header_timeout", POOL, "time", "10s",
           "from the first byte of a request head to its end; 0: off", 0, DAY),
    Option("body_timeout", POOL, "time", "20s",
           "between two pieces of request content; 0: off", 0, DAY),
    Option("keepalive_timeout", POOL, "time", "1m",
           "from a response to the next request; 0: off", 0, DAY),
    Option("write_timeout", POOL, "time", "30s",
           "without progress in sending a response; 0: off", 0, DAY),
    Option("min_body_rate", POOL, "size", "500",
           "bytes a second below which request content comes too slowly, measured every 20 seconds; "
           "0: off", 0, 2**30),
    Option("max_spool", POOL, "size", "256m",
           "most request content that a worker holds in temporary files, of all requests together, "
           "but never less than max_body_size; more is refused with 503; what all workers hold has to "
           "fit into spool_directory, and into memory where that is a tmpfs; 0: off", 0, 2**50),
    Option("body_memory", POOL, "size", "3m",
           "request content of known length up to this size waits in memory, mostly the kernel's, until all "
           "of it is there; larger content goes to the memory of body_pool; 0: all above 64 KB goes to a "
           "temporary file", 0, 3 * 2**20),
    Option("body_pool", POOL, "size", "32m",
           "memory that request content of known length, of all requests of a worker, may take together; "
           "what is larger, or finds no room within a second, goes to a temporary file, and so does what "
           "comes slowly while other content waits for room; unused, it goes back to the system after 10 "
           "seconds", 0, 2**40),
    Option("request_buffering", POOL, "boolean", "yes",
           "no: the application starts at the end of the request head and reads content from the client as "
           "it comes; meanwhile the worker serves nobody else, and a client that sends no slower than "
           "min_body_rate holds it for as long as its content lasts: for servers that only a proxy that "
           "buffers can reach, and programs that pass uploads on"),
    Option("spool_directory", POOL, "spool", "/tmp",
           "directory for the temporary files of large request content; with chroot it lies inside, and "
           "the default is the tmp in there"),
    Option("early_hints", POOL, "boolean", "no",
           "offer applications wsgi.early_hints(headers), which sends a 103 response ahead"),
    Option("debug", POOL, "integer", "0",
           "what the error log tells beside mistakes: 1, each request that the core refuses, and why; "
           "2, each request and its response too; 3, their fields and the beginning of their contents too, "
           "passwords among them", 0, 3),
    Option("server_header", POOL, "field", "fapws",
           "value of the Server header field; empty: none is sent"),
)
# fmt: on

MASTER_OPTIONS = {option.name: option for option in OPTIONS if option.section == MASTER}
POOL_OPTIONS = {option.name: option for option in OPTIONS if option.section == POOL}
SHARED_OPTIONS = {option.name: option for option in OPTIONS if option.section == POOL and option.shared}


def parse(option: Option, text: str, base_directory: str) -> Any:
    """The value of a text for an option. Raises ValueError saying what is allowed."""
    if "\0" in text:
        raise ValueError("must not contain a zero byte")
    kind = KINDS[option.kind]
    if "\n" in text and not kind.lines:
        raise ValueError("must stand on one line; the indented lines below it belong to its value")
    value = kind.parse(text, base_directory)
    if option.high and not option.low <= value <= option.high:
        raise ValueError(f"must be from {kind.format(option.low)} to {kind.format(option.high)}")
    return value


def default_of(option: Option) -> Any:
    """The value that an option has by itself.

    A directory that nobody has named need not be there: the worker says so, and serves without it.
    """
    return option.default if option.kind == "spool" else parse(option, option.default, "/")


def format_value(option: Option, value: Any) -> str:
    """The text that parses to a value."""
    return KINDS[option.kind].format(value)
