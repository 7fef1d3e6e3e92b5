"""What comes of each file of tests/cli/others, written down from the file and its server's manual."""

from __future__ import annotations

from support.translated import CPUS, Expected

_GUNICORN = {
    "backlog": "2048", "request_timeout": "30s", "drain_timeout": "30s", "keepalive_timeout": "2s",
    "max_uri": "4094",
}
_UWSGI = {"backlog": "100"}
_UNIT = {"max_body_size": "8m"}
"""What each does without being told."""

OF_OTHERS = {
    "gunicorn/figures.conf.py": Expected(
        {
            "figures": {
                **_GUNICORN, "listen": "0.0.0.0:8020", "workers": "3", "request_timeout": "25s",
                "keepalive_timeout": "4s", "access_log": "/dev/stdout", "drain_timeout": "20s",
                "max_requests": "900", "max_requests_jitter": "90", "backlog": "512", "autoreload": "no",
                "preload": "yes",
                "app": "figures:site",
            },
        },
        (
            "worker_class", "worker_connections", "when_ready", "on_starting", "worker_int", "on_exit",
            "post_fork", "read_settings(settings_path)",
        ),
        master={
            "error_log": "stderr",
        },
        application="figures:site",
    ),
    "gunicorn/letters.conf.py": Expected(
        {
            "letters": {
                **_GUNICORN, "listen": "127.0.0.1:8018", "workers": "3", "keepalive_timeout": "1s",
                "request_timeout": "45s", "app": "letters.site:site",
            },
        },
        (
            "def child_exit(...)", "worker_class", "worker_connections", "statsd_host",
            "apply_defaults(globals())",
        ),
        application="letters.site:site",
    ),
    "gunicorn/library.conf.py": Expected(
        {
            "lending": {
                **_GUNICORN, "directory": "/srv/library/lending", "app": "lending.web:wsgi",
                "access_log": "/var/log/library/requests.log", "max_uri": "8190", "max_headers": "80",
                "max_header_size": "32k", "user": "www-data", "group": "www-data",
                "listen": "127.0.0.1:8011", "workers": str(CPUS + 1), "max_requests": "700",
                "max_requests_jitter": "70", "pythonpath": "/srv/library_env, /srv/library/lending",
            },
        },
        (
            "threads",
        ),
        master={
            "error_log": "/var/log/library/errors.log",
        },
    ),
    "gunicorn/newsroom.conf.py": Expected(
        {
            "newsroom": {
                **_GUNICORN, "listen": "127.0.0.1:8012", "app": "newsroom:site", "workers": str(CPUS),
                "autoreload": "no", "keepalive_timeout": "45s", "request_timeout": "4m",
                "access_log": "/dev/stdout",
            },
        },
        (
            "post_worker_init", "disable_redirect_access_to_syslog", "logger_class",
        ),
        master={
            "error_log": "stderr",
        },
    ),
    "gunicorn/notes.conf.py": Expected(
        {
            "notes": {
                **_GUNICORN, "listen": "unix:/tmp/notes-web.sock", "workers": "3",
                "max_requests": "2000000", "max_requests_jitter": "500000", "app": "notes.app:app",
            },
        },
        given={
            "NOTES_WORKERS": "3",
        },
        application="notes.app:app",
    ),
    "gunicorn/papers.conf.py": Expected(
        {
            "papers": {
                **_GUNICORN, "listen": "127.0.0.1:8016", "workers": "3", "request_timeout": "75s",
                "app": "papers.wsgi:application",
            },
        },
        (
            "worker_class", "def pre_fork(...)", "def pre_exec(...)", "def when_ready(...)",
            "def worker_int(...)", "def worker_abort(...)",
        ),
        application="papers.wsgi:application",
    ),
    "gunicorn/parcels.conf.py": Expected(
        {
            "parcels": {
                **_GUNICORN, "listen": "0.0.0.0:8019", "workers": "2", "access_log": "/dev/stdout",
                "max_requests": "600", "max_requests_jitter": "25", "app": "parcels:site",
            },
        },
        (
            "def post_fork(...)", "threads", "secure_scheme_headers", "forwarded_allow_ips",
        ),
        master={
            "error_log": "stderr",
        },
        given={
            "PARCELS_WORKERS": "2", "PARCELS_THREADS": "4", "PARCELS_REQUESTS": "600",
        },
        application="parcels:site",
    ),
    "gunicorn/reader.conf.py": Expected(
        {
            "reader": {
                **_GUNICORN, "pythonpath": "/srv/reader/packages", "listen": "127.0.0.1:8014",
                "workers": "2", "app": "reader.site:site",
            },
        },
        (
            "threads", "logconfig_dict",
        ),
        application="reader.site:site",
    ),
    "gunicorn/samples.conf.py": Expected(
        {
            "samples": {
                **_GUNICORN, "app": "samples.site:site", "listen": "0.0.0.0:8013", "user": "nobody",
                "autoreload": "no", "workers": "3",
            },
        },
    ),
    "gunicorn/tuned.conf.py": Expected(
        {
            "tuned": {
                **_GUNICORN, "workers": str(max(CPUS // 2, 3)), "listen": "127.0.0.1:8015",
                "drain_timeout": "50s", "request_timeout": "70s", "keepalive_timeout": "15s",
                "app": "tuned.site:site",
            },
        },
        (
            "worker_class",
        ),
        master={
            "error_log": "stderr",
        },
        application="tuned.site:site",
        to_do=(
            "the application is ASGI, and Fapws serve",
        ),
    ),
    "unit/brains.json": Expected(
        {
            "brains": {
                **_UNIT, "listen": "0.0.0.0:8227", "workers": "3", "user": "www-data", "group": "www-data",
                "pythonpath": "/srv/brains", "app": "brains.web:application",
            },
        },
    ),
    "unit/catalogue.json": Expected(
        {
            "catalogue": {
                **_UNIT, "listen": "0.0.0.0:8226", "workers": "2", "app": "serve:application",
                "pythonpath": "/srv/catalogue",
            },
        },
    ),
    "unit/commons.json": Expected(
        {
            "commons": {
                **_UNIT, "listen": "0.0.0.0:8228", "virtualenv": "/srv/commons/.environment",
                "pythonpath": "/srv/commons/source", "app": "commons:site", "user": "nobody",
                "workers": "2",
            },
        },
        (
            "step {\"match\": {\"uri\": \"/.well-known/acme-challeng", "listener \"*:8443\" with tls",
        ),
        environment={
            "COMMONS_PASSWORDS": "/srv/commons/.passwords", "COMMONS_MAIL": "/srv/commons/.mail",
        },
    ),
    "unit/events.json": Expected(
        {
            "events": {
                **_UNIT, "listen": "0.0.0.0:8223", "workers": "3", "directory": "/srv/events",
                "pythonpath": "/srv/events", "app": "events.asgi:application", "user": "nobody",
                "max_requests": "20000",
            },
            "figures": {
                **_UNIT, "listen": "0.0.0.0:8224", "workers": "1", "directory": "/srv/events/tools",
                "pythonpath": "/srv/events/tools", "app": "figures:application", "user": "nobody",
            },
        },
        (
            "step {\"match\": {\"uri\": [\"/figures\"]}, \"action\": {\"",
            "step {\"match\": {\"uri\": [\"/state\"]}, \"action\": {\"pr",
            "listener \"*:8225\" with pass routes/state", "application \"events\": protocol",
        ),
        to_do=(
            "name the WSGI application: 'events.asgi:", "the application is ASGI, and Fapws serve",
        ),
    ),
    "unit/garage.json": Expected(
        {
            "garage": {
                **_UNIT, "listen": "0.0.0.0:8230", "static": "/pictures:/srv/pictures",
                "static_fallthrough": "yes", "pythonpath": "/srv/garage", "app": "garage.wsgi:application",
                "workers": "4", "header_timeout": "20s", "body_timeout": "40s", "write_timeout": "50s",
                "keepalive_timeout": "2m", "max_body_size": "20m",
            },
        },
        (
            "step {\"match\": {\"uri\": \"~\\\\.png\"}, \"action\": {\"sha",
            "step {\"match\": {\"uri\": \"~\\\\.png\"}, \"action\": {\"sha",
            "step {\"match\": {\"uri\": \"/pictures/*\"}, \"action\": {",
            "step {\"match\": {\"uri\": [\"/cars/*\", \"/alive\"]}, \"ac",
            "step {\"match\": {\"uri\": [\"*.php\", \"*.php/*\", \"/offi",
            "step {\"action\": {\"share\": \"/srv/office/$uri\", \"fal",
            "application \"office\" of type php", "settings.http.log_route",
        ),
    ),
    "unit/racks.json": Expected(
        {
            "racks": {
                **_UNIT, "listen": "0.0.0.0:8221, [::]:8221", "static": "/files:/srv/racks/web/files",
                "static_fallthrough": "yes", "forwarded": "x-forwarded-for, x-forwarded-proto",
                "trusted_proxies": "10.1.0.0/16, 172.20.0.0/14, 192.168.7.0/24, fd00::/8, fe80::/10",
                "pythonpath": "/srv/racks/web", "app": "racks.wsgi:application",
                "virtualenv": "/srv/racks/environment", "workers": "3", "access_log": "/dev/stdout",
                "max_body_size": "50m",
            },
        },
        (
            "step {\"match\": {\"uri\": \"/figures/*\"}, \"action\": {\"",
            "listener \"0.0.0.0:8222\" with pass routes/figures",
            "listener \"[::]:8222\" with pass routes/figures",
        ),
    ),
    "unit/relief.json": Expected(
        {
            "relief": {
                **_UNIT, "listen": "0.0.0.0:8231", "workers": "4", "pythonpath": "/srv/relief",
                "app": "relief:site", "max_body_size": "100m",
            },
        },
        environment={
            "HOME": "/srv/relief",
        },
    ),
    "unit/reports.json": Expected(
        {
            "reports": {
                **_UNIT, "listen": "0.0.0.0:8229", "static": "/:/srv/reports/pages",
                "static_fallthrough": "yes", "directory": "/srv/reports", "pythonpath": "/srv/reports",
                "app": "reports.web:site",
            },
        },
        (
            "step {\"match\": {\"uri\": \"/data/v2/*\"}, \"action\": {\"",
        ),
    ),
    "unit/stack.json": Expected(
        {
            "static": {
                **_UNIT, "listen": "0.0.0.0:8233", "static": "/:/srv/stack/files",
            },
            "data": {
                **_UNIT, "listen": "0.0.0.0:8235", "pythonpath": "/srv/stack/data",
                "virtualenv": "/srv/stack/data/environment", "app": "asgi:site",
            },
        },
        (
            "listener \"*:8234\" with pass applications/pages", "application \"pages\" of type external",
        ),
        to_do=(
            "name the WSGI application: 'asgi:site' l",
        ),
    ),
    "unit/switches.json": Expected(
        {
            "switches": {
                **_UNIT, "listen": "0.0.0.0:8232", "static": "/files:/srv/switches/web/files",
                "static_fallthrough": "yes", "pythonpath": "/srv/switches/web",
                "app": "switches.wsgi:application", "virtualenv": "/srv/switches/environment",
                "workers": "3", "access_log": "/dev/stdout", "max_body_size": "512m",
            },
        },
    ),
    "uwsgi/addons.ini": Expected(
        {
            "addons": {
                **_UWSGI, "directory": "/srv/addons", "workers": "2", "listen": "0.0.0.0:8115",
                "user": "www-data", "group": "www-data", "max_requests": "3000",
                "app": "addons.wsgi:application", "access_log": "/srv/addons/log/server-access.log",
            },
        },
        (
            "vaccum", "enable-threads", "fs-reload", "attach-daemon", "honour-stdin",
        ),
        master={
            "pidfile": "/srv/addons/parts/addons-master-fapws.pid",
            "error_log": "/srv/addons/log/server.log",
        },
        environment={
            "DJANGO_SETTINGS_MODULE": "addons.settings",
        },
    ),
    "uwsgi/buildings.ini": Expected(
        {
            "survey": {
                **_UWSGI, "directory": "/srv/buildings", "listen": "unix:/tmp/buildings.sock?mode=666",
                "workers": "3", "max_requests": "2500", "user": "1000", "group": "1000",
                "request_timeout": "5m", "app": "survey.site:wsgi", "access_log": "/dev/stdout",
            },
        },
        (
            "cheaper-initial",
        ),
    ),
    "uwsgi/channels.ini": Expected(
        {
            "channels": {
                **_UWSGI, "directory": "/app", "virtualenv": "/app/environment",
                "listen": "unix:/app/channels.sock?mode=777, 127.0.0.1:8111", "static": "/files:/app/files",
                "static_fallthrough": "yes", "workers": "2", "max_header_size": "32k", "body_timeout": "5m",
                "write_timeout": "5m", "app": "channels.site:wsgi", "access_log": "/dev/stdout",
            },
        },
        (
            "exec-pre", "attach-daemon", "attach-daemon", "attach-daemon", "attach-daemon", "attach-daemon",
            "http-timeout", "gevent", "gevent-early-monkey-patch", "import", "log-4xx", "log-5xx",
            "logformat-strftime", "log-date", "log-format",
        ),
        environment={
            "DJANGO_SETTINGS_MODULE": "channels.settings", "CHANNELS_BEHIND_NGINX": "yes",
        },
        given={
            "CHANNELS_WORKERS": "2",
        },
    ),
    "uwsgi/jobs.ini": Expected(
        {
            "main": {
                **_UWSGI, "directory": "/srv/jobs/source", "workers": "5", "listen": "0.0.0.0:8117",
                "virtualenv": "/srv/jobs/environment", "max_header_size": "12k",
                "script": "/srv/jobs/source/jobs/site/main.py:site",
                "access_log": "/srv/jobs/log/server-access.log",
            },
        },
        (
            "honour-stdin", "stats", "log-date", "log-maxsize", "log-backupname", "log-reopen",
            "log-format",
        ),
        master={
            "error_log": "/srv/jobs/log/server.log",
        },
        environment={
            "HOME": "/srv/jobs", "LANG": "de_CH.UTF-8",
        },
    ),
    "uwsgi/packages.ini": Expected(
        {
            "packages": {
                **_UWSGI, "listen": "0.0.0.0:8119", "proxy_protocol": "yes", "max_header_size": "16383",
                "static": "/files:/app/files", "static_fallthrough": "yes", "request_timeout": "1m",
                "app": "packages.wsgi:application", "workers": "1", "access_log": "/dev/stdout",
            },
        },
        (
            "http-timeout", "threads", "stats", "log-x-forwarded-for", "route-if",
        ),
        given={
            "PACKAGES_FILES": "/app/files",
        },
    ),
    "uwsgi/pager.ini": Expected(
        {
            "pager": {
                **_UWSGI, "directory": "/srv/pager", "listen": "0.0.0.0:8116", "workers": "3",
                "request_timeout": "310s", "max_requests": "2000", "max_header_size": "32767",
                "access_format": "from=pager status=$status verb=$request_method path=$request_uri took="
                "$request_time trace=$http_x_trace protocol=$server_protocol size=$body"
                "_bytes_sent content=$http_content_length",
                "app": "pager.wsgi:application", "access_log": "/dev/stdout",
            },
        },
        (
            "http-timeout", "route-if", "log-encoder",
        ),
        master={
            "pidfile": "/tmp/pager-master-fapws.pid", "error_log": "stderr",
        },
    ),
    "uwsgi/pages.ini": Expected(
        {
            "pages": {
                **_UWSGI, "directory": "/app",
                "listen": "unix:/tmp/pages.sock?mode=664&user=www-data&group=www-data", "workers": "2",
                "user": "www-data", "group": "www-data", "drain_timeout": "8s", "max_header_size": "6k",
                "app": "pages.web:site", "max_uri": "6k",
            },
        },
        (
            "hook-master-start", "threads", "vacuum", "reload-mercy",
        ),
        master={
            "pidfile": "/tmp/pages-fapws.pid",
        },
        environment={
            "HOME": "/app",
        },
    ),
    "uwsgi/pings.ini": Expected(
        {
            "pings": {
                **_UWSGI, "directory": "/srv/pings", "listen": "0.0.0.0:8114", "request_timeout": "20s",
                "workers": "3", "rlimit_nofile": "5000", "app": "pings.wsgi:application",
                "access_log": "/dev/stdout",
            },
        },
        (
            "hook-pre-app", "attach-daemon", "attach-daemon",
        ),
    ),
    "uwsgi/signals.ini": Expected(
        {
            "signals": {
                **_UWSGI, "directory": "/srv/signals/web", "listen": "0.0.0.0:8112, 0.0.0.0:8113",
                "workers": "3", "user": "www-data", "group": "www-data", "max_requests": "800",
                "max_lifetime": "2h", "max_rss": "1g", "drain_timeout": "40s", "access_log": "/dev/stdout",
                "app": "signals.wsgi:application",
            },
        },
        (
            "log-4xx", "log-5xx", "log-route", "log-route", "log-encoder", "log-encoder", "log-encoder",
            "log-format", "log-req-encoder", "log-req-encoder",
        ),
        master={
            "error_log": "stderr",
        },
        environment={
            "SIGNALS_JSON": "1",
        },
    ),
    "uwsgi/verses.yaml": Expected(
        {
            "verses": {
                **_UWSGI, "listen": "unix:/run/verses/verses.sock?mode=660", "user": "www-data",
                "group": "www-data", "app": "verses:site", "workers": "1",
            },
        },
        (
            "gevent", "http-websockets",
        ),
    ),
}
