"""The files that ``fapws init`` writes, as texts."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import textwrap

from fapws.cli.init.answers import Answers
from fapws.settings.options import MASTER_OPTIONS, POOL_OPTIONS

SYSTEMS = ("systemd", "openbsd", "freebsd", "none")
INI = "fapws.ini"
_WIDTH = 100
_OFTEN = (
    "access_log",
    "max_body_size",
    "request_timeout",
    "slow_request",
    "max_requests",
    "warmup",
    "static",
    "trusted_proxies",
    "ready_path",
)
"""Options of a pool that stand in the file as comments."""
_EXAMPLES = {"status": "127.0.0.1:9117", "access_log": "log/access.log", "static": "/static:static"}
"""What those of them show that are off."""
_WARMUP = (
    "Django reads urls.py only with the first request: without this line a reload brings broken views, or an "
    "ALLOWED_HOSTS that lacks the site, to the clients. The host is that which clients ask for, the page one "
    "that needs the site's parts, and behind it stands the status that it has, such as 302 where it leads on."
)
_HEAD = """\
; Fapws serves {what} by this file.
;
; Relative paths start at the directory of this file. Sizes take k, m, g; times take ms, s, m, h. Comments
; stand on lines of their own. A line behind a # is not in force, and shows the default where its comment
; does not call it an example. All options: fapws.ini(5). Mistakes, with their lines:
;   {ctl} configtest
"""


def fapwsctl() -> str:
    """The program, by a path that systemd and rc can use."""
    beside = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0] or "fapws")), "fapwsctl")
    for candidate in (
        beside,
        os.path.join(os.path.dirname(sys.executable), "fapwsctl"),
        shutil.which("fapwsctl"),
    ):
        if candidate and os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
            return candidate
    return "/usr/local/bin/fapwsctl"


def controlling(answers: Answers) -> str:
    """fapwsctl with this configuration, as it is typed."""
    return f"{fapwsctl()} -c {shlex.quote(os.path.join(answers.directory, INI))}"


def all_files(answers: Answers) -> dict[str, str]:
    """Each file's text by its name."""
    texts = {INI: ini(answers)}
    if answers.system == "systemd":
        texts["fapws.service"] = unit(answers)
    elif answers.system == "openbsd":
        texts["fapws.rc"] = openbsd(answers)
    elif answers.system == "freebsd":
        texts["fapws.rc"] = freebsd(answers)
    if answers.system in ("systemd", "none"):
        texts["fapws.logrotate"] = logrotate(answers)
    else:
        texts["fapws.newsyslog"] = newsyslog(answers)
    texts["fapws.nginx.conf"] = nginx(answers)
    return texts


# ---- fapws.ini -----------------------------------------------------------------------------------


def ini(answers: Answers) -> str:
    """The configuration, each option with its help."""
    script = answers.app.partition(":")[0].endswith(".py")
    pool = {
        ("script" if script else "app"): answers.app,
        "directory": ".",
        "virtualenv": answers.virtualenv,
        "user": answers.user,
        "listen": answers.listen,
        "workers": answers.workers,
        "static": answers.static,
        "trusted_proxies": _proxies(answers),
        "warmup": answers.warmup,
    }
    master = {"pidfile": "run/fapws.pid", "control": "run/fapws.sock", "error_log": "log/error.log"}
    lines = [_HEAD.format(what=answers.app or "files", ctl=controlling(answers)), "[fapws]"]
    for name, value in master.items():
        lines += _option(name, value)
    lines += _unset("control_group") + _unset("status")
    lines.append(f"[app:{answers.name}]")
    for name, value in pool.items():
        if value:
            lines += _option(name, value, _WARMUP if name == "warmup" else "")
    for name in _OFTEN:
        if not pool.get(name):
            lines += _unset(name)
    lines += ["; Environment of the workers.", f"[app:{answers.name}:env]"]
    lines += [f"{name} = {value}" for name, value in answers.environment] or ["#NAME = value"]
    return "\n".join(lines) + "\n"


def _proxies(answers: Answers) -> str:
    """This machine's nginx, as fapws.nginx.conf has it; none where others may connect themselves."""
    if answers.listen.startswith("unix:"):
        return "unix"
    return "127.0.0.1" if answers.listen.startswith(("127.", "localhost:")) else ""


def _option(name: str, value: str, more: str = "") -> list[str]:
    option = MASTER_OPTIONS.get(name) or POOL_OPTIONS[name]
    return [*_comment(option.help), *_comment(more), f"{name} = {value}", ""]


def _unset(name: str) -> list[str]:
    option = MASTER_OPTIONS.get(name) or POOL_OPTIONS[name]
    example = _EXAMPLES.get(name)
    text = f"{option.help}; off where it is not set, an example:" if example else option.help
    return [*_comment(text), f"#{name} = {example or option.default}".rstrip(), ""]


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="; ", subsequent_indent="; ", break_on_hyphens=False)


# ---- The system's own ------------------------------------------------------------------------------


_CAPABILITIES = "CAP_SETUID CAP_SETGID CAP_CHOWN CAP_FOWNER CAP_DAC_OVERRIDE CAP_KILL CAP_NET_BIND_SERVICE"
_HARDENED = f"""\
NoNewPrivileges=yes
CapabilityBoundingSet={_CAPABILITIES}
ProtectSystem=full
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
PrivateMounts=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
"""


def service(answers: Answers) -> str:
    """What the system calls it."""
    return f"fapws-{answers.name}" if answers.name != "fapws" else "fapws"


def unit(answers: Answers) -> str:
    """For systemd; as conf/systemd/fapws.service, where everything lies in the folder."""
    # In a unit a % begins a specifier, and blanks part words.
    places = " ".join(_of_unit(os.path.join(answers.directory, name)) for name in ("run", "log"))
    user = f"User={answers.runs_as}\n" if answers.runs_as else ""
    words = f"{_of_unit(fapwsctl())} -c {_of_unit(os.path.join(answers.directory, INI))}"
    return f"""\
# Copy to /etc/systemd/system/{service(answers)}.service, then: systemctl daemon-reload
# systemctl enable --now {service(answers)}

[Unit]
Description=Fapws WSGI server {answers.name}
After=network-online.target
Wants=network-online.target

[Service]
# Told by the master itself: when it serves, reloads, stops; and a sign of life at half of WatchdogSec.
Type=notify
NotifyAccess=main
WatchdogSec=30
{user}ExecStartPre={words} configtest
ExecStart={words} start -F
ExecReload={words} reload
# TERM goes to the master alone, which lets its workers finish; what is left after the time below is killed.
# The time is more than drain_timeout (25 s); a stop_delay comes on top of it.
KillMode=mixed
TimeoutStopSec=40
Restart=on-failure
LimitNOFILE=65536
# What neither the master nor a worker needs is taken away. What needs more gets it by `systemctl edit`:
# PrivateDevices=no, ReadWritePaths=/home/shop/data; a pool with `chroot` takes
# CapabilityBoundingSet=CAP_SYS_CHROOT and SystemCallFilter=chroot.
ReadWritePaths={places}
{_HARDENED}
[Install]
WantedBy=multi-user.target
"""


def _of_unit(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if set(" \t'\"\\;") & set(text) else escaped


def openbsd(answers: Answers) -> str:
    """For rc.d of OpenBSD."""
    name = service(answers).replace("-", "_")
    user = f"daemon_user={shlex.quote(answers.runs_as)}\n" if answers.runs_as else ""
    return f"""\
#!/bin/ksh
#
# Copy to /etc/rc.d/{name}, then: rcctl enable {name}; rcctl start {name}

daemon={shlex.quote(fapwsctl())}
daemon_flags="-c {shlex.quote(os.path.join(answers.directory, INI))}"
daemon_timeout=60
{user}
. /etc/rc.d/rc.subr

# fapwsctl knows its process by the control socket and the locked pidfile, which is surer than a name.
rc_check() {{
	${{daemon}} ${{daemon_flags}} status >/dev/null 2>&1
}}

rc_configtest() {{
	${{daemon}} ${{daemon_flags}} configtest
}}

rc_start() {{
	rc_exec "${{daemon}} ${{daemon_flags}} start"
}}

rc_reload() {{
	${{daemon}} ${{daemon_flags}} reload
}}

rc_stop() {{
	${{daemon}} ${{daemon_flags}} stop
}}

rc_cmd $1
"""


def freebsd(answers: Answers) -> str:
    """For rc.d of FreeBSD."""
    name = service(answers).replace("-", "_")
    become = f"su -m {shlex.quote(answers.runs_as)} -c '" if answers.runs_as else ""
    done = "'" if answers.runs_as else ""
    return f"""\
#!/bin/sh
#
# Copy to /usr/local/etc/rc.d/{name}, then in /etc/rc.conf: {name}_enable="YES"

# PROVIDE: {name}
# REQUIRE: LOGIN NETWORKING
# KEYWORD: shutdown

. /etc/rc.subr

name="{name}"
desc="Fapws WSGI server {answers.name}"
rcvar="{name}_enable"

load_rc_config $name
: ${{{name}_enable:="NO"}}
: ${{{name}_config:={shlex.quote(os.path.join(answers.directory, INI))}}}

command={shlex.quote(fapwsctl())}
required_files="${{{name}_config}}"
extra_commands="reload reopen configtest status"

# fapwsctl waits for the end of what it does, and its exit status is the answer.
fapws_run() {{
	{become}"${{command}}" -c "${{{name}_config}}" "$1"{done}
}}

start_precmd="fapws_run configtest"
start_cmd="fapws_run start"
stop_cmd="fapws_run stop"
restart_cmd="fapws_run restart"
reload_cmd="fapws_run reload"
reopen_cmd="fapws_run reopen"
status_cmd="fapws_run status"
configtest_cmd="fapws_run configtest"

run_rc_command "$1"
"""


def logrotate(answers: Answers) -> str:
    """For Linux."""
    return f"""\
# Copy to /etc/logrotate.d/{service(answers)}
"{os.path.join(answers.directory, "log")}"/*.log {{
    daily
    rotate 7
    compress
    delaycompress
    missingok
    notifempty
    sharedscripts
    postrotate
        {controlling(answers)} reopen >/dev/null
    endscript
}}
"""


def newsyslog(answers: Answers) -> str:
    """For the BSDs."""
    folder = os.path.join(answers.directory, "log")
    if answers.system == "freebsd":
        pidfile = os.path.join(answers.directory, "run", "fapws.pid")
        return (
            f"# Copy to /usr/local/etc/newsyslog.conf.d/{service(answers)}.conf. Signal 30 is SIGUSR1.\n"
            f"{folder}/*.log\troot:wheel\t640  7     *    @T00  GZC   {pidfile}\t30\n"
        )
    return (
        "# Add to /etc/newsyslog.conf, one line for each log.\n"
        f"{folder}/error.log\troot:wheel\t640  7     *    $D0  Z      "
        f'"{controlling(answers)} reopen >/dev/null"\n'
    )


def nginx(answers: Answers) -> str:
    """A proxy in front, as conf/proxy/ has it."""
    place = answers.listen.partition("?")[0]
    if place.startswith("unix:"):
        server = "unix:" + os.path.normpath(os.path.join(answers.directory, place[len("unix:") :]))
        trusted = "unix"
    else:
        server = place.replace("0.0.0.0:", "127.0.0.1:") if not place.startswith(":") else f"127.0.0.1{place}"
        trusted = "127.0.0.1"
    upstream = service(answers).replace("-", "_")
    names = f"server_name {' '.join(answers.hosts)};" if answers.hosts else "# server_name www.example.org;"
    first = answers.hosts[0].lstrip(".") if answers.hosts else "www.example.org"
    return f"""\
# nginx in front: a file for {_nginx_folder(answers)}/ (Debian: or sites-enabled/).
# To be changed: server_name, and the certificate. What goes with it in fapws.ini, where `listen` has the
# place of the upstream, too:
#
#     trusted_proxies = {trusted}

upstream {upstream} {{
    server {server};
    keepalive 16;
    # Shorter than keepalive_timeout of Fapws (1m): nginx never sends on a connection that is being closed.
    keepalive_timeout 50s;
}}

server {{
    # Where another server takes port 80 for all names, as Debian's sites-enabled/default does, nginx comes
    # here only for names that stand here: set yours, or remove that file.
    listen 80;
    # listen [::]:80;    # where this machine has an IPv6 address
    {names}

    # TLS ends here: these lines in place of `listen 80`, and a server of port 80 that redirects.
    # `certbot --nginx` writes all of that. X-Forwarded-Proto below tells the application of https.
    # listen 443 ssl;
    # ssl_certificate /etc/letsencrypt/live/{first}/fullchain.pem;
    # ssl_certificate_key /etc/letsencrypt/live/{first}/privkey.pem;

    # Not below max_body_size of Fapws (10m), which then decides.
    client_max_body_size 10m;

    location / {{
        proxy_pass http://{upstream};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
    }}
}}
"""


def next_commands(answers: Answers) -> str:
    """What to type now."""
    ctl = controlling(answers)
    name = service(answers)
    here = shlex.quote(answers.directory)
    rc = name.replace("-", "_")
    said = [
        "Now, as the one who wrote this:",
        f"  {ctl} configtest",
        f"  {ctl} start        # in the background; it says where it serves",
        f"  {ctl} status",
        f"  {ctl} reload       # after each change of the code or of {INI}",
        f"  {ctl} stop",
        "",
        "As a service of this machine, as root:",
    ]
    if answers.system == "systemd":
        said += [
            f"  cp {here}/fapws.service /etc/systemd/system/{name}.service",
            "  systemctl daemon-reload",
            f"  systemctl enable --now {name}",
            f"  cp {here}/fapws.logrotate /etc/logrotate.d/{name}",
        ]
    elif answers.system == "openbsd":
        said += [
            f"  install -m 555 {here}/fapws.rc /etc/rc.d/{rc}",
            f"  rcctl enable {rc}",
            f"  rcctl start {rc}",
            f"  cat {here}/fapws.newsyslog >> /etc/newsyslog.conf",
        ]
    elif answers.system == "freebsd":
        said += [
            f"  install -m 555 {here}/fapws.rc /usr/local/etc/rc.d/{rc}",
            f"  sysrc {rc}_enable=YES",
            f"  service {rc} start",
            f"  cp {here}/fapws.newsyslog /usr/local/etc/newsyslog.conf.d/{rc}.conf",
        ]
    else:
        said.append(f"  cp {here}/fapws.logrotate /etc/logrotate.d/{name}")
    said += [
        *_nginx_commands(answers),
        *(_boot_without_manager(ctl, answers.runs_as) if answers.system == "none" else ()),
        "",
        f"A deployment ends with: {ctl} reload",
    ]
    if not answers.runs_as and not answers.user:
        said += [
            "",
            f"NOTE: the workers will run as root. Name another user in {INI}: user = www-data, or www.",
        ]
    return "\n".join(said) + "\n"


def _nginx_folder(answers: Answers) -> str:
    return "/usr/local/etc/nginx/conf.d" if answers.system == "freebsd" else "/etc/nginx/conf.d"


_NGINX_READS = {
    "systemd": "systemctl reload-or-restart nginx",
    "openbsd": "rcctl enable nginx && { rcctl reload nginx || rcctl start nginx; }",
    "freebsd": "sysrc nginx_enable=YES && { service nginx reload || service nginx start; }",
    "none": "{ nginx -s reload || nginx; }",
}
"""How nginx is brought to read its files, whether it runs or not."""


def _nginx_commands(answers: Answers) -> list[str]:
    folder = _nginx_folder(answers)
    todo = f"server_name there: {' '.join(answers.hosts)}" if answers.hosts else "and set server_name there"
    place = f"{folder}/{service(answers)}.conf"
    said = [f"  cp {shlex.quote(answers.directory)}/fapws.nginx.conf {place}    # {todo}"]
    if answers.system in ("openbsd", "freebsd"):
        said = [f"  mkdir -p {folder}    # in http {{ }} of nginx.conf: include {folder}/*.conf;", *said]
    return [*said, f"  nginx -t && {_NGINX_READS[answers.system]}"]


def _of_crontab(command: str) -> str:
    """There a % ends the command."""
    return command.replace("%", "\\%")


def _boot_without_manager(ctl: str, user: str) -> list[str]:
    line = f"{_of_crontab(ctl)} start"
    return [
        "",
        "No service manager that is known here runs this machine; --system systemd, openbsd or freebsd",
        "writes the file for one all the same. What starts programs at boot (rc.local) calls",
        f"  {ctl} start",
        f"which as a line in {user or 'root'}'s crontab (crontab -e) is",
        f"  @reboot {line}",
        "A line that cron runs each minute, in its place, also starts again what was killed (starting what",
        "runs is a success, and changes nothing); one who stops the server on purpose takes the line out",
        "before, or it runs again within a minute:",
        f"  * * * * * {line} >/dev/null",
        "What watches over programs (runit, s6, supervisord, a container) calls",
        f"  {ctl} start -F",
    ]
