"""The options of uWSGI, one by one."""

from __future__ import annotations

from fapws.cli.translate import uwsgi_takes as take
from fapws.cli.translate.rows import ALWAYS, Row, by_name, megabytes

_TLS = "TLS is the proxy's in front: Caddy, nginx, HAProxy or relayd"
_ROUTER = "there is no router in front of the workers: they accept connections themselves"
_MANAGER = "each service is a master of its own, or a pool in one INI file; systemd or rc.d starts them"
_QUEUE = "Fapws only serves requests: such work belongs into a program of its own, or a queue"
_METRICS = "status = 127.0.0.1:9117 in [fapws] has the master tell its figures: docs/monitoring.md"

ROWS = (
    Row("module wsgi w pypy-wsgi", "app", "module alone means its application, or the callable", take.later),
    Row("wsgi-file file pypy-wsgi-file", "script", "with callable: file.py:callable", take.later),
    Row("callable wsgi-callable call", "app", "stands behind the : of app or script", take.with_application),
    Row("mount", "script_name", "one application a pool", take.later),
    Row("manage-script-name", ALWAYS, "script_name goes from PATH_INFO to SCRIPT_NAME"),
    Row("http-socket http http11-socket", "listen", "", take.listen),
    Row("socket uwsgi-socket s suwsgi-socket", "listen", f"{take.UWSGI_PROTOCOL}", take.listen),
    Row("shared-socket undeferred-shared-socket", "listen", "where something takes it by =0", take.shared),
    Row("fastcgi-socket scgi-socket fastcgi-nph-socket", "listen", f"{take.UWSGI_PROTOCOL}", take.listen),
    Row("chmod-socket chmod", "listen", "unix:PATH?mode=660; without it the mode is 666", take.socket_owner),
    Row("chown-socket chown", "listen", "unix:PATH?user=www&group=www", take.socket_owner),
    Row("protocol", "", f"{take.UWSGI_PROTOCOL}", take.protocol),
    Row("listen", "backlog"),
    Row("processes workers p", "workers", "workers = auto starts one for each processor", take.workers),
    Row("threads", "", f"{take.ONE_AT_A_TIME}: as many workers as threads serve as many", take.threads),
    Row(
        "cheaper cheaper-*",
        "",
        "all workers run all the time; min_workers = 0 lets all leave without clients, and "
        "fapwsctl scale changes their number",
    ),
    Row("idle", "idle_timeout", "with min_workers = 0: the next client starts them again", take.idle),
    Row("cheap", ALWAYS, "min_workers = 0, where idle is set, starts workers with the first client"),
    Row("die-on-idle", "", "workers leave, the master stays and listens"),
    Row("chdir", "directory"),
    Row("chdir2", "directory"),
    Row("pythonpath python-path pp", "pythonpath"),
    Row("home virtualenv venv pyhome pyh", "virtualenv"),
    Row("env", "[app:NAME:env]", "a section of its own", take.environment),
    Row("unenv", "", "clean_env = yes leaves a worker nothing of the master's environment"),
    Row("pyargv", "args"),
    Row("uid", "user", "takes a master that runs as root"),
    Row("gid", "group"),
    Row("umask", "umask", "", take.umask),
    Row("chroot", "chroot", "takes user, and a master that runs as root"),
    Row("harakiri", "request_timeout", "the Python stack of a worker that is killed is in the error log"),
    Row("harakiri-verbose", ALWAYS, "a worker that is killed leaves its Python stack in the error log"),
    Row("max-requests", "max_requests", "the next worker serves before the old one leaves"),
    Row("max-requests-delta", "max_requests_jitter"),
    Row("max-worker-lifetime", "max_lifetime"),
    Row(
        "min-worker-lifetime",
        ALWAYS,
        "a worker that dies again and again is started after a pause that grows",
    ),
    Row("reload-on-rss", "max_rss", "of resident memory", megabytes),
    Row("evil-reload-on-rss", "max_rss", "where there is no reload-on-rss", take.evil),
    Row("reload-on-as evil-reload-on-as", "", "max_rss looks at resident memory, rlimit_as bounds the other"),
    Row("limit-as", "rlimit_as", "", megabytes),
    Row("limit-nproc", "", "the system's limits hold for it: systemd's TasksMax"),
    Row("max-fd", "rlimit_nofile"),
    Row("limit-post", "max_body_size", "", take.body_size),
    Row("buffer-size", "max_header_size", "counts the whole head, 64k at most", take.header_size),
    Row(
        "post-buffering post-buffering-bufsize",
        ALWAYS,
        "request content is there before the application is called",
    ),
    Row("chunked-input-limit", "", "max_body_size holds for chunked content too"),
    Row("chunked-input-timeout", "body_timeout"),
    Row("worker-reload-mercy", "drain_timeout"),
    Row("reload-mercy", "drain_timeout", "where there is no worker-reload-mercy", take.mercy),
    Row("mule-reload-mercy", "", f"{_QUEUE}"),
    Row("socket-timeout", "body_timeout", "and write_timeout", take.both_timeouts),
    Row("http-timeout http-connect-timeout http-headers-timeout", "", f"of uWSGI's router; {_ROUTER}"),
    Row("http-keepalive", ALWAYS, "connections are kept open, for keepalive_timeout"),
    Row(
        "http-auto-chunked http-chunked-input add-header-connection",
        ALWAYS,
        "the core frames contents itself",
    ),
    Row(
        "http-websockets websockets-*", "", "WebSockets are not served: such an application stays where it is"
    ),
    Row("http-to http-processes http-workers http-modifier1 http-*", "", f"{_ROUTER}"),
    Row("https https-* ssl-*", "", f"{_TLS}"),
    Row(
        "pidfile pidfile2 safe-pidfile safe-pidfile2",
        "pidfile",
        "by another name, so that both can run side by side",
        take.pidfile,
    ),
    Row(
        "logto logto2 daemonize daemonize2",
        "error_log",
        "what the application prints is there too; fapwsctl start serves in the background",
        take.log,
    ),
    Row("logger", "error_log", "a file or syslog:FACILITY", take.logger),
    Row("req-logger logger-req", "access_log", "a file or syslog:FACILITY", take.logger),
    Row("disable-logging", "access_log", "off by itself", take.requests_off),
    Row("log-format logformat", "access_format", "with variables such as $status", take.access_format),
    Row("log-slow", "slow_request", "with the Python stack of the request, while it runs", take.slow),
    Row(
        "log-master log-master-bufsize threaded-logger log-buffering",
        ALWAYS,
        "the master writes the error log, the core the access log, without holding up a response",
    ),
    Row(
        "log-zero log-4xx log-5xx log-big log-sendfile log-ioerror",
        "",
        "the access log has each response or none: what reads it picks those of a status",
    ),
    Row(
        "log-date logdate logformat-strftime log-format-strftime log-prefix log-micros",
        "",
        "lines of the error log begin with their time; what the access log says is access_format's",
    ),
    Row(
        "log-maxsize log-backupname log-reopen touch-logreopen touch-logrotate",
        "",
        "logs are rotated by logrotate or newsyslog with fapwsctl reopen: conf/logrotate, conf/newsyslog",
    ),
    Row(
        "log-x-forwarded-for",
        "",
        "trusted_proxies names the proxy whose X-Forwarded-For is believed; the access log has the "
        "client then, and for what the server answers by itself, as files of static, $forwarded_for",
    ),
    Row(
        "logfile-chown logfile-chmod logger-list log-encoder log-req-encoder log-route log-req-route "
        "log-filter log-drain",
        "",
        "the log is error_log, as JSON with error_log_format = json",
    ),
    Row("static-map static-map2", "static", "", take.static),
    Row("check-static", "static", "/ with static_fallthrough = yes", take.check_static),
    Row("static-index", "", "a folder is shown by its index.html"),
    Row(
        "static-expires static-expires-uri static-expires-path-info",
        "static_max_age",
        "one age for all files",
        take.expires,
    ),
    Row(
        "static-gzip-all static-gzip-dir static-gzip static-gzip-ext static-gzip-suffix",
        ALWAYS,
        ".br, .zst and .gz siblings are sent to clients that take them",
    ),
    Row(
        "static-safe static-skip-ext static-expires-*",
        "",
        "static_symlinks and static_immutable are what there is",
    ),
    Row("static-cache-paths static-cache-*", ALWAYS, "static_cache keeps what was asked for a moment ago"),
    Row("mimefile mime-file", "static_types"),
    Row(
        "offload-threads offload-thread",
        ALWAYS,
        "the core sends files and large responses while Python does other things",
    ),
    Row("file-serve-mode fileserve-mode", ALWAYS, "files go out by sendfile"),
    Row("py-autoreload py-auto-reload python-autoreload python-auto-reload", "autoreload", "once a second"),
    Row(
        "touch-reload touch-chain-reload touch-workers-reload touch-* fs-reload fs-*",
        "",
        "fapwsctl reload, or SIGHUP to the master: a deployment says itself when it is done",
    ),
    Row("reuse-port", "reuseport", "", take.flag),
    Row("stats stats-server stats-http stats-*", "", f"{_METRICS}"),
    Row("carbon carbon-* metric metric-* enable-metrics snmp snmp-* statsd*", "", f"{_METRICS}"),
    Row("memory-report", "", "fapwsctl status and top show the memory of each worker; metrics have it too"),
    Row("master", ALWAYS, "there is always a master", take.always_if_on),
    Row("vacuum", ALWAYS, "sockets and pidfile are removed at the end", take.always_if_on),
    Row("die-on-term exit-on-reload", ALWAYS, "TERM stops gracefully, HUP reloads", take.always_if_on),
    Row("need-app", ALWAYS, "without an application nothing starts", take.always_if_on),
    Row(
        "lazy-apps lazy",
        ALWAYS,
        "each worker loads the application itself, so that a reload brings new code",
    ),
    Row("single-interpreter", ALWAYS, "a worker has one interpreter", take.always_if_on),
    Row("enable-threads", ALWAYS, "threads of the application run", take.always_if_on),
    Row("thunder-lock thunder-lock-*", ALWAYS, "a client wakes one worker (Linux)"),
    Row("no-orphans", ALWAYS, "workers end when their master has died"),
    Row("strict", ALWAYS, "an option that does not exist is a mistake", take.always_if_on),
    Row(
        "auto-procname procname procname-*",
        ALWAYS,
        "processes are called fapws: master FILE, fapws: worker POOL/N",
    ),
    Row(
        "ignore-sigpipe ignore-write-errors write-errors-tolerance disable-write-exception "
        "write-errors-exception-only",
        ALWAYS,
        "a client that leaves is no line in the log, and no exception of the application",
    ),
    Row(
        "close-on-exec close-on-exec2",
        ALWAYS,
        "processes of the application hold no socket of the server's",
    ),
    Row("py-call-osafterfork py-call-uwsgi-fork-hooks", ALWAYS, "os.fork() made the workers"),
    Row(
        "plugin plugins plugins-dir plugin-dir plugins-list need-plugin need-plugins",
        ALWAYS,
        "Python is all it serves, by the interpreter that it is installed for",
    ),
    Row(
        "no-defer-accept so-keepalive tcp-nodelay so-send-timeout so-reuseport so-sndbuf so-rcvbuf "
        "tcp-fast-open",
        ALWAYS,
        "the core sets up its sockets itself",
    ),
    Row("show-config print printf inject-before inject-after", "", "fapwsctl dump shows every option"),
    Row("set set-placeholder set-ph", ALWAYS, "a name of this file's own"),
    Row(
        "ini include include-if-exists yaml yml json xml inherit config config-py",
        "",
        "its lines are taken in, where it can be read here; else translate that file too",
    ),
    Row("plugins-path", ALWAYS, "Python is all it serves"),
    Row("py-tracebacker pytracebacker", "", "fapwsctl stack shows what workers do"),
    Row("profiler", "", "fapwsctl profile shows where a worker spends its time"),
    Row("catch-exceptions", "", "fapws --reload shows the traceback in the browser, on this machine alone"),
    Row("wsgi-env-behaviour wsgi-env-behavior", ALWAYS, "each request has an environ of its own"),
    Row(
        "add-header header del-header response-header response-headers http-raw-body "
        "collect-header pull-header",
        "",
        "headers are the application's, or the proxy's in front",
    ),
    Row(
        "gevent gevent-* async asyncio ugreen greenlet tornado coroae fiber loop loop-*",
        "",
        f"{take.ONE_AT_A_TIME}, and nothing is patched to take turns: as many workers as requests that "
        "wait at one time",
    ),
    Row("threads-stacksize thread-stacksize thread-stack-size", "", "threads are the application's own"),
    Row(
        "route route-* error-route* response-route* final-route*",
        "",
        "rules for requests are the application's, or the proxy's in front",
    ),
    Row(
        "spooler spooler-* mule mules mule-* farm farm-* cron cron2 unique-cron legion-cron timer "
        "timer2 rbtimer signal worker-exec programmed-exit",
        "",
        f"{_QUEUE}",
    ),
    Row(
        "attach-daemon attach-daemon2 attach-control-daemon smart-attach-daemon "
        "smart-attach-daemon2 legion-attach-daemon daemons-*",
        "",
        f"{_QUEUE}; systemd or rc.d starts it",
    ),
    Row(
        "exec-* hook-* call-* after-* cmd-* master-fifo fifo",
        "",
        "Fapws runs no commands of a configuration; fapwsctl tells a master what to do",
    ),
    Row(
        "emperor emperor-* vassal* zerg zerg-* legion legion-* subscribe-* subscribe-to "
        "subscription-* fastrouter fastrouter-* rawrouter* sslrouter* corerouter*",
        "",
        f"{_MANAGER}",
    ),
    Row(
        "cache cache2 cache-* sharedarea queue queue-* lock locks ftok",
        "",
        "Fapws keeps nothing for applications: a cache is memcached's or Redis'",
    ),
    Row("add-gid additional-gid", "", "a worker has the groups of its user"),
    Row("master-as-root", ALWAYS, "the master stays what it is started as; workers are of user and group"),
    Row("drop-after-init drop-after-apps", "", "a worker is of its user before the application is loaded"),
    Row("reaper", "", "children of the application are for it to wait for"),
    Row("ksm", "", "merging of equal pages is the kernel's; fapwsctl status shows what each worker needs"),
    Row(
        "wsgi-disable-file-wrapper",
        ALWAYS,
        "wsgi.file_wrapper sends what is no file of the system, such as a BytesIO, by reading it",
    ),
    Row("pypy-*", "", "the interpreter is the one that Fapws is installed for, PyPy too"),
    Row("cpu-affinity", "", "the kernel shares out processors; systemd's CPUAffinity binds them"),
    Row(
        "nice cgroup cgroup-* ns-* unshare namespace* setns*",
        "",
        "systemd has it: Nice, Slice, PrivateTmp, ...",
    ),
    Row("buffer-*", "", "the core has buffers of its own"),
    Row("honour-stdin never-swap mlockall binary-path", "", "has no use here"),
    Row(
        "paste ini-paste ini-paste-logged paste-logger pecan",
        "",
        "pserve serves a PasteDeploy file: use = egg:fapws (docs/embedding.md)",
    ),
    Row(
        "import shared-import pymodule-alias pyshell pyshell-oneshot python-raw pyrun pyimport "
        "shared-pyimport python-import shared-python-import py-* python-*",
        "",
        "a worker imports the application and nothing else",
    ),
    Row("auto-snapshot snapshot reload-os-env skip-atexit skip-zero disable-sendfile", "", "has no use here"),
    Row("plugins-*", ALWAYS, "Python is all it serves"),
    Row(
        "http-socket-modifier1 http-socket-modifier2 socket-modifier1 modifier1",
        ALWAYS,
        "it is Python that is served",
    ),
    Row("hook-accepting hook-accepting-once", "", "READY comes when all workers serve; systemd is told"),
    Row("disable-threads", "", "threads of the application run"),
    Row("proxy-protocol http-enable-proxy-protocol enable-proxy-protocol", "proxy_protocol", "", take.flag),
)
TABLE = by_name(ROWS)
