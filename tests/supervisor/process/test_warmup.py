"""warmup: a new worker answers requests of its own before clients come, or it does not come to serve."""

from __future__ import annotations

import ast
import re
import socket

import pytest
from support.house import HALF_THE_TIME_FOR_A_STACK, House, Load, Until
from support.rooted import OTHER, needs_root, other

WARMUP = "warmup = GET http://shop.example/health"
LAZY = """
import os

class Content:
    def __init__(self, *pieces):
        self.pieces = iter(pieces)
    def __iter__(self):
        return self.pieces
    def close(self):
        print("closed", flush=True)

def application(environ, start_response):
    if environ["PATH_INFO"] == "/health":
        BODY
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"GREETING %d" % os.getpid()]
"""


def lazy(body: str, greeting: str = "hello") -> str:
    """An application that works but for /health, of which the body is given."""
    return LAZY.replace("BODY", body.replace("\n", "\n        ")).replace("GREETING", greeting)


FINE = lazy('start_response("200 OK", [])\nreturn Content(b"a", b"b")')
IMPORTS = lazy("import not_there_at_all")


def test_reload_fails_with_the_traceback_and_no_request_is_lost(house: House, load: type[Load]) -> None:
    house.write_app(FINE)
    house.configure(workers=2, pool=WARMUP)
    house.start()
    before = set(house.workers())
    with load(house, house.port()) as clients:
        house.write_app(IMPORTS)
        told = house.ctl("reload", expect=1)
        assert "warmup: GET http://shop.example/health: the application failed" in told
        assert "ModuleNotFoundError: No module named 'not_there_at_all'" in told
        assert "in application" in told and "fapws/worker" not in told
        clients.more(20)
        assert set(house.workers()) == before
        house.write_app(FINE.replace("hello", "new"))
        house.ctl("reload")
        clients.forget()
        clients.more(20)
        assert all(content.startswith(b"new") for content in clients.contents)
    clients.check()
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_worker_that_a_client_wakes_is_tried_before_it_hears_him(house: House, until: Until) -> None:
    house.write_app(FINE)
    house.configure(listen=f"unix:{house.unix}", pool=WARMUP + "\nmin_workers = 0\nidle_timeout = 1s")
    house.start()
    house.wait_log("closed")
    until(lambda: not house.status()["workers"], "the worker has left")
    house.write_app(FINE.replace("hello", "woken").replace("Content(b", "Content(b'woken', b"))
    assert house.get(None).startswith(b"woken")
    until(lambda: house.log().count("closed") == 2, "what it has printed comes to the log by the master")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_upgrade_in_place_tries_the_new_workers(house: House) -> None:
    house.write_app(FINE)
    house.configure(listen=f"unix:{house.unix}", workers=2, pool=WARMUP)
    house.start()
    pid, before = house.pid, set(house.workers())
    house.write_app(IMPORTS)
    assert "No module named 'not_there_at_all'" in house.ctl("upgrade", expect=1)
    assert set(house.workers()) == before
    house.write_app(FINE)
    house.ctl("upgrade")
    assert house.pid == pid
    assert not before & set(house.workers())
    house.ctl("stop")
    house.assert_nothing_is_left()


@needs_root
def test_requests_are_made_below_chroot_without_rights(public_house: House) -> None:
    house = public_house
    jail = house.directory / "jail"
    (jail / "tmp").mkdir(parents=True)
    house.write_app("import os\n" + lazy("raise LookupError(os.getresuid(), os.listdir('/'))"))
    house.configure(pool=f"user = {OTHER}\nchroot = {jail}\n{WARMUP}")
    uid = other().pw_uid
    assert f"LookupError: (({uid}, {uid}, {uid}), ['tmp'])" in house.ctl("start", expect=1)
    house.write_app(FINE)
    house.start()
    house.wait_log("closed")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_without_it_a_reload_takes_what_fails_with_the_first_request(house: House) -> None:
    house.write_app(FINE)
    house.configure()
    house.start()
    house.write_app(IMPORTS)
    house.ctl("reload")


def test_first_start_fails_too(house: House) -> None:
    house.write_app(IMPORTS)
    house.configure(pool=WARMUP)
    assert "No module named 'not_there_at_all'" in house.ctl("start", expect=1)
    house.assert_nothing_is_left()


def test_traceback_that_a_framework_has_logged_is_told(house: House) -> None:
    body = """
try:
    1 / 0
except ZeroDivisionError:
    import logging
    logging.getLogger("shop").error("at %s", environ["PATH_INFO"], exc_info=True)
start_response("500 Internal Server Error", [])
return [b"sorry"]"""
    house.write_app("import logging\n" + FINE)
    house.configure(pool=WARMUP)
    house.start()
    house.write_app("import logging\n" + lazy(body))
    told = house.ctl("reload", expect=1)
    assert "the response was 500 Internal Server Error" in told
    assert "ZeroDivisionError: division by zero" in told


ECHO = """
def application(environ, start_response):
    keys = [key for key in environ if key.isupper()] + ["wsgi.url_scheme", "wsgi.multiprocess"]
    told = {key: environ[key] for key in keys}
    told["types"] = {key: type(environ[key]).__name__ for key in environ}
    told["input"] = environ["wsgi.input"].read()
    if environ["HTTP_USER_AGENT"] == "fapws-warmup":
        print("told", told, flush=True)
    start_response("200 OK", [])("told".encode())
    return [repr(told).encode()]
"""


def test_environ_is_like_that_of_a_client(house: House) -> None:
    house.write_app(ECHO)
    house.configure(
        workers=2,
        pool="script_name = /blog\nearly_hints = yes\ntrusted_proxies = 127.0.0.1\n"
        "warmup = GET http://shop.example:81/blog/a%20b?c=d, HEAD https://shop.example/blog/",
    )
    house.start()
    house.wait_log("'REQUEST_METHOD': 'HEAD'")
    first, second = (ast.literal_eval(line) for line in re.findall(r"told (\{.*\})", house.log())[:2])
    real = ast.literal_eval(_ask(house).removeprefix("told"))
    assert set(first["types"].items()) ^ set(real["types"].items()) == set()
    changing = {"REMOTE_PORT"}
    assert {key: value for key, value in first.items() if key not in changing} == {
        key: value for key, value in real.items() if key not in changing
    }
    assert (first["SCRIPT_NAME"], first["PATH_INFO"], first["QUERY_STRING"]) == ("/blog", "/a b", "c=d")
    assert (second["REQUEST_METHOD"], second["wsgi.url_scheme"], second["SERVER_PORT"]) == (
        "HEAD",
        "https",
        "443",
    )


def _ask(house: House) -> str:
    with socket.create_connection(("127.0.0.1", house.port()), 20) as client:
        client.sendall(
            b"GET /blog/a%20b?c=d HTTP/1.1\r\nHost: shop.example:81\r\nUser-Agent: fapws-warmup\r\n\r\n"
        )
        text = b""
        while b"}" not in text or b"'input': b''" not in text:
            piece = client.recv(65536)
            assert piece, text
            text += piece
    found = re.search(r"\{.*'input': b''\}", text.decode())
    assert found
    return found[0]


def test_boot_that_hangs_in_it_leaves_its_stack_in_the_log(house: House) -> None:
    house.write_app(FINE)
    house.change(HALF_THE_TIME_FOR_A_STACK)
    house.configure(pool=WARMUP)
    house.start()
    before = house.workers()
    house.configure(pool=WARMUP + "\nboot_timeout = 10s")
    house.write_app(lazy("import time\ntime.sleep(600)"))
    assert "boot_timeout" in house.ctl("reload", expect=1)
    house.wait_log("in application")
    assert house.workers() == before
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_process_that_the_first_request_forks_serves_nobody(house: House) -> None:
    house.write_app(lazy('os.fork()\nstart_response("200 OK", [])\nreturn [b""]'))
    house.configure(pool=WARMUP)
    house.start()
    house.wait_log("which the application has forked, comes back to the server")
    assert house.get(house.port()).startswith(b"hello ")
    house.ctl("stop")
    house.assert_nothing_is_left()


DJANGO = """
import os, sys
from django.conf import settings
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
settings.configure(
    ROOT_URLCONF="shop_urls", ALLOWED_HOSTS=["shop.example"], SECRET_KEY="x", MIDDLEWARE=MIDDLEWARE
)
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
"""
URLS = """
from django.http import HttpResponse
from django.urls import path

def health(request):
    VIEW
    return HttpResponse("fine")

urlpatterns = [path("health", health)]
"""


def test_django_whose_urls_are_wrong_serves_on(house: House) -> None:
    pytest.importorskip("django", reason="runs where Django is installed")
    place = house.directory / "shop_urls.py"
    place.write_text(URLS.replace("VIEW", ""), encoding="utf-8")
    house.write_app(DJANGO)
    house.configure(pool=WARMUP)
    house.start()
    before = house.workers()
    for urls, told in (
        (URLS.replace("VIEW", "1 / 0"), "ZeroDivisionError: division by zero"),
        (URLS.replace("VIEW", "").replace("import path", "import pathh"), "cannot import name 'pathh'"),
    ):
        place.write_text(urls, encoding="utf-8")
        said = house.ctl("reload", expect=1)
        assert said.count(told) == 1, "once, though each of the middlewares has asked for an error page"
        assert house.workers() == before


def test_deployment_whose_allowed_hosts_lack_the_site_changes_nothing(house: House) -> None:
    pytest.importorskip("django", reason="runs where Django is installed")
    place = house.directory / "shop_urls.py"
    place.write_text(URLS.replace("VIEW", ""), encoding="utf-8")
    house.write_app(DJANGO)
    house.configure(pool=f"{WARMUP} 200")
    house.start()
    before = house.workers()
    house.write_app(DJANGO.replace('["shop.example"]', '["shop.exmaple"]'))
    said = house.ctl("reload", expect=1)
    assert "health 200: the response was 400 Bad Request, not 200; name a host" in said
    assert "You may need to add 'shop.example' to ALLOWED_HOSTS." in said, "Django's own words"
    assert said.endswith("fapws: the old workers serve on\n")
    assert house.workers() == before
    assert f": {WARMUP} 200\n" in house.ctl("why"), "the line that has to be looked at"


MOVED = lazy(
    'start_response("301 Moved", [("Location", "https://" + environ["HTTP_HOST"] + "/health")])\nreturn []'
)


def test_request_that_is_turned_away_is_told_once_and_fails_nothing(house: House) -> None:
    house.write_app(MOVED)
    house.configure(workers=2, pool=WARMUP)
    doubt = (
        "pool hello: warmup: GET http://shop.example/health: the response was 301 Moved, so little was tried;"
        " name the place that it leads to, https://shop.example/health\n"
    )
    told = house.start()
    assert told.endswith(f"\nfapws: {doubt}") and told.count("warmup") == 1
    house.configure(workers=2, pool=f"{WARMUP}\npreload = yes")
    told = house.ctl("reload")
    assert told.startswith("fapws: reload done: ")
    assert told.endswith(f"\nfapws: {doubt}") and told.count("warmup") == 1
    assert house.log().count(f"master: {doubt}") == 2, "one for the start, one for the reload"
    house.write_app(FINE)
    house.configure(workers=2, pool=WARMUP)
    assert "warmup" not in house.ctl("reload")
    house.ctl("stop")
    house.assert_nothing_is_left()


FAPWS3 = """
import fapws._evwsgi as evwsgi
from fapws import base

def health(environ, start_response):
    HEALTH
    return [b"fine"]

evwsgi.start("127.0.0.1", "8080")
evwsgi.set_base_module(base)
evwsgi.wsgi_cb(("/health", health))
try:
    evwsgi.run()
except Exception:
    print("swallowed", flush=True)
"""


def test_program_of_fapws3_is_tried_too(house: House) -> None:
    house.write_app(FAPWS3.replace("HEALTH", "start_response('200 OK', [])"))
    house.configure(pool=WARMUP)
    house.start()
    before = house.workers()
    house.write_app(FAPWS3.replace("HEALTH", "1 / 0"))
    assert "ZeroDivisionError" in house.ctl("reload", expect=1)
    assert house.workers() == before
