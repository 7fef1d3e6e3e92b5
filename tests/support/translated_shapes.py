"""What comes of each file of tests/cli/shapes, written down by hand from the file and its server's manual.

They are small, and each has forms of its kind that few files have: tests/cli/others has what people write.
"""

from __future__ import annotations

from support.translated import CPUS, Expected

_GUNICORN_DEFAULTS = {"keepalive_timeout": "2s", "backlog": "2048", "drain_timeout": "30s", "max_uri": "4094"}

OF_SHAPES = {
    "gunicorn/plain_flask.conf.py": Expected(
        {
            "storefront": {
                **_GUNICORN_DEFAULTS,
                "app": "storefront:create_app()",
                "listen": "127.0.0.1:8001",
                "workers": "3",
                "request_timeout": "1m",
            }
        }
    ),
    "gunicorn/cores.conf.py": Expected(
        {
            "ledger": {
                "app": "ledger.wsgi:application",
                "directory": "/srv/ledger",
                "listen": "0.0.0.0:8002",
                "workers": str(CPUS * 2 + 1),
                "max_requests": "2000",
                "max_requests_jitter": "200",
                "keepalive_timeout": "5s",
                "request_timeout": "30s",
                "access_log": "/var/log/ledger/access.log",
                "access_format": "combined",
            }
        },
        master={"error_log": "/var/log/ledger/error.log"},
    ),
    "gunicorn/container.conf.py": Expected(
        {
            "lemonade": {
                "app": "lemonade.app:application",
                "listen": "0.0.0.0:8003",
                "workers": "2",
                "request_timeout": "0",
                "drain_timeout": "20s",
                "access_log": "/dev/stdout",
            }
        },
        ("worker_class", "threads", "def post_fork", "def when_ready"),
        {"error_log": "stderr"},
    ),
    "gunicorn/unix_socket.conf.py": Expected(
        {
            "registry": {
                "app": "registry.wsgi:application",
                "directory": "/srv/registry",
                "listen": "unix:/run/registry/web.sock?mode=660&user=www-data&group=www-data, 127.0.0.1:8004",
                "umask": "007",
                "user": "www-data",
                "group": "www-data",
                "workers": str(min(CPUS, 4)),
                "max_uri": "8190",
                "max_headers": "60",
                "max_header_size": "32k",
            }
        },
        (),
        {"pidfile": "/run/registry/web-fapws.pid", "error_log": "/var/log/registry/web.log"},
        {"DJANGO_SETTINGS_MODULE": "registry.settings", "LANG": "de_DE.UTF-8"},
    ),
    "gunicorn/conditions.conf.py": Expected(
        {"polls": {"app": "polls.wsgi:application", "listen": "127.0.0.1:8005", "workers": "4"}},
    ),
    "gunicorn/helper.conf.py": Expected(
        {
            "brew": {
                "app": "brew:app",
                "listen": "0.0.0.0:8006",
                "workers": "2",
                "max_requests": "500",
                "max_requests_jitter": "50",
                "backlog": "2048",
                "keepalive_timeout": "75s",
            }
        },
        ("def on_exit",),
    ),
    "gunicorn/async_workers.conf.py": Expected(
        {
            "chat": {
                "app": "chat.server:app",
                "listen": "[::1]:8007",
                "workers": "2",
                "request_timeout": "90s",
            }
        },
        (
            "worker_class",
            "worker_connections",
            "statsd_host",
            "statsd_prefix",
            "logger_class",
            "certfile",
            "keyfile",
        ),
    ),
    "gunicorn/proxied.conf.py": Expected(
        {
            "atlas": {
                "app": "atlas.wsgi:application",
                "listen": "127.0.0.1:8008",
                "workers": "2",
                "trusted_proxies": "127.0.0.1, 10.0.0.0/8",
                "proxy_protocol": "no",
                "reuseport": "yes",
                "access_log": "/var/log/atlas/access.log",
                "access_format": '$http_x_forwarded_for [$time_local] "$request" $status $body_bytes_sent '
                "$request_time",
            }
        },
        ("secure_scheme_headers", "disable_redirect_access_to_syslog"),
    ),
    "gunicorn/every_default.conf.py": Expected(
        {
            "depot": {
                **_GUNICORN_DEFAULTS,
                "app": "depot.web:application",
                "listen": "127.0.0.1:8009",
                "workers": "1",
                "max_requests": "0",
                "max_headers": "100",
                "reuseport": "no",
                "access_format": "combined",
            }
        },
        ("worker_connections",),
        {"error_log": "stderr"},
    ),
    "gunicorn/odd_names.conf.py": Expected(
        {
            "probe": {
                "app": "probe.web:application",
                "listen": "0.0.0.0:8010",
                "workers": "2",
                "script_name": "/probe",
                "request_timeout": "20s",
            }
        },
        ("syslog_addr", "errorlog"),
        {"error_log": "syslog:local3"},
    ),
    "uwsgi/django.ini": Expected(
        {
            "bazaar": {
                "app": "bazaar.wsgi:application",
                "directory": "/srv/bazaar",
                "virtualenv": "/srv/bazaar/venv",
                "listen": "unix:/run/bazaar/web.sock?mode=660&user=www-data&group=www-data",
                "workers": "4",
                "request_timeout": "30s",
                "max_requests": "5000",
                "backlog": "100",
            }
        },
        environment={"DJANGO_SETTINGS_MODULE": "bazaar.settings"},
    ),
    "uwsgi/docker.ini": Expected(
        {
            "service": {
                "script": "/app/web/service.py:app",
                "listen": "0.0.0.0:8101",
                "workers": str(CPUS + 1),
                "max_header_size": "32k",
                "max_body_size": "50m",
            }
        },
        ("threads",),
    ),
    "uwsgi/conditions.ini": Expected(
        {
            "tickets": {
                "app": "tickets.wsgi:application",
                "directory": "/srv/tickets",
                "listen": "127.0.0.1:8102",
                "workers": "3",
                "autoreload": "no",
                "user": "www-data",
                "group": "www-data",
                "umask": "027",
                "access_log": "/var/log/tickets/uwsgi-access.log",
            }
        },
        master={"error_log": "/var/log/tickets/uwsgi.log"},
    ),
    "uwsgi/statics.ini": Expected(
        {
            "gallery": {
                "script": "/srv/gallery/gallery/wsgi.py",
                "listen": "0.0.0.0:8103",
                "workers": "2",
                "static": "/static:/srv/gallery/static, /media:/srv/gallery/media, /:/srv/gallery/public",
                "static_fallthrough": "yes",
                "static_max_age": "24h",
            }
        },
        ("route", "stats"),
    ),
    "uwsgi/cheap.ini": Expected(
        {
            "seldom": {
                "app": "seldom:app",
                "listen": "127.0.0.1:8104",
                "workers": "8",
                "min_workers": "0",
                "idle_timeout": "10m",
                "max_rss": "200m",
                "max_lifetime": "1h",
                "drain_timeout": "45s",
            }
        },
        ("cheaper", "cheaper-algo", "cheaper-step", "evil-reload-on-rss", "reload-mercy"),
    ),
    "uwsgi/placeholders.ini": Expected(
        {
            "orchard": {
                "app": "orchard.main:make()",
                "listen": "0.0.0.0:8105",
                "workers": "2",
                "backlog": "128",
                "rlimit_nofile": "4096",
            }
        },
        ("touch-reload",),
        {"pidfile": "/tmp/placeholders-fapws.pid"},
    ),
    "uwsgi/queues.ini": Expected(
        {
            "mailer": {
                "app": "mailer.wsgi:application",
                "listen": "127.0.0.1:8106",
                "workers": "2",
                "access_format": '$client_addr - $remote_user [$time_local] "$request_method $request_uri '
                '$server_protocol" $status $body_bytes_sent "$http_referer" "$http_user_agent"',
            }
        },
        (
            "spooler",
            "spooler-processes",
            "mule",
            "cron",
            "attach-daemon",
            "cache2",
            "hook-asap",
            "gevent",
        ),
        {"error_log": "syslog:local2"},
    ),
    "uwsgi/emperor_vassal.yaml": Expected(
        {
            "almanac": {
                "app": "almanac:application",
                "directory": "/srv/almanac",
                "listen": "127.0.0.1:8107",
                "workers": "2",
                "request_timeout": "2m",
                "slow_request": "2500ms",
            }
        },
        (),
        {"error_log": "/var/log/almanac/uwsgi.log"},
        {"ALMANAC_YEAR": "2026", "TZ": "UTC"},
    ),
    "uwsgi/json_form.json": Expected(
        {
            "census": {
                "script": "/srv/census/census.py",
                "listen": "127.0.0.1:8108",
                "workers": "3",
                "static": "/assets:/srv/census/assets",
            }
        },
        ("memory-report",),
    ),
    "uwsgi/mounts.ini": Expected(
        {
            "wiki": {
                "script": "/srv/wiki/wiki.py:app",
                "script_name": "/wiki",
                "listen": "127.0.0.1:8109",
                "workers": "2",
                "access_log": "/var/log/wiki/requests.log",
            }
        },
        ("http-timeout", "frobnicate"),
        {"error_log": "/var/log/wiki/error.log"},
    ),
    "unit/flask.json": Expected(
        {
            "postcards": {
                "app": "postcards:app",
                "pythonpath": "/srv/postcards",
                "virtualenv": "/srv/postcards/venv",
                "listen": "0.0.0.0:8201",
                "workers": "2",
                "max_body_size": "8m",
            }
        }
    ),
    "unit/django.json": Expected(
        {
            "museum": {
                "app": "museum.wsgi:application",
                "directory": "/srv/museum",
                "listen": "0.0.0.0:8202",
                "static": "/static:/srv/museum/static",
                "user": "www-data",
                "group": "www-data",
                "workers": "3",
                "request_timeout": "30s",
                "max_requests": "1000",
            }
        },
        environment={"DJANGO_SETTINGS_MODULE": "museum.settings"},
    ),
    "unit/two_sites.json": Expected(
        {
            "shop": {
                "app": "shop.wsgi:application",
                "pythonpath": "/srv/shop",
                "listen": "127.0.0.1:8203",
                "workers": "4",
                "access_log": "/var/log/unit/access.log",
            },
            "stock": {
                "app": "stock.web:create()",
                "listen": "127.0.0.1:8204, [::1]:8205",
                "access_log": "/var/log/unit/access.log",
            },
        },
        ('application "stock": threads',),
    ),
    "unit/fallback.json": Expected(
        {
            "recipes": {
                "app": "recipes:application",
                "listen": "0.0.0.0:8206",
                "static": "/:/srv/recipes/public",
                "static_fallthrough": "yes",
                "forwarded": "x-forwarded-for, x-forwarded-proto",
                "trusted_proxies": "10.0.0.0/8, 127.0.0.1",
            }
        },
        ('route "forgotten"',),
    ),
    "unit/many_routes.json": Expected(
        {
            "forum": {
                "app": "forum.wsgi:application",
                "listen": "0.0.0.0:8207",
                "static": "/static:/srv/forum/files/static, /media:/srv/forum/files/media",
                "workers": "2",
            },
            "api": {"app": "forum.api:application", "workers": "1"},
        },
        ('step {"match": {"uri": "/api/*"}', 'step {"match": {"uri": "/old"}', 'step {"match": {"host"'),
    ),
    "unit/settings.json": Expected(
        {
            "scans": {
                "app": "scans:application",
                "listen": "127.0.0.1:8208",
                "workers": "2",
                "header_timeout": "10s",
                "body_timeout": "15s",
                "write_timeout": "20s",
                "keepalive_timeout": "2m",
                "max_body_size": "25m",
                "spool_directory": "/var/tmp/uploads",
                "access_log": "/var/log/scans/access.log",
                "access_format": '$client_addr - - [$time_local] "$request" $status $body_bytes_sent '
                '"$http_referer"',
            }
        },
        ('application "scans": isolation.namespaces', "settings.http.static.mime_types"),
    ),
    "unit/on_demand.json": Expected(
        {
            "archive": {
                "app": "archive.wsgi:application",
                "listen": "unix:/run/archive/web.sock",
                "workers": "3",
                "min_workers": "0",
                "idle_timeout": "1m",
                "script_name": "/archive",
            }
        }
    ),
    "unit/mixed_languages.json": Expected(
        {"office": {"app": "office:application", "listen": "0.0.0.0:8211"}},
        (
            'listener "*:8210"',
            'listener "*:8443" with tls',
            'listener "*:8212"',
            'application "blog"',
            "upstreams",
        ),
    ),
    "unit/targets.json": Expected(
        {
            "lab-front": {"app": "lab.front:app", "listen": "127.0.0.1:8213"},
            "lab-back": {"app": "lab.back:app", "listen": "127.0.0.1:8214"},
        }
    ),
    "unit/control_api.json": Expected(
        {
            "library": {
                "app": "library.wsgi:application",
                "listen": "127.0.0.1:8215",
                "workers": "5",
                "user": "nobody",
            }
        },
        environment={"LANG": "C.UTF-8", "TZ": "Europe/Zurich"},
    ),
}
