"""Forms, redirects, cookies and files, in the form of fapws3's documentation."""

import os

import fapws._evwsgi as evwsgi
from fapws import base
from fapws.contrib import headers, log, views, zip

HERE = os.path.dirname(os.path.abspath(__file__))


def post(environ, start_response):
    if "multipart/form-data" in environ["HTTP_CONTENT_TYPE"]:
        what = environ["wsgi.input"].getvalue()
    elif "application/x-www-form-urlencoded" in environ["HTTP_CONTENT_TYPE"]:
        what = environ["fapws.params"]
    else:
        what = environ["wsgi.input"].read()
    return [f"params: {what!r}"]


def query(environ, start_response):
    told = environ["fapws.params"]
    same = evwsgi.parse_query(environ["QUERY_STRING"])
    return [f"{sorted(told.items())} {told == same}"]


def old(environ, start_response):
    return headers.redirect(start_response, "/query?from=old")


def moved(environ, start_response):
    return headers.redirect(start_response, "/query?from=moved", permanent=True)


def cookie(environ, start_response):
    start_response.set_cookie("first", "1", max_age=3600)
    start_response.set_cookie("second", "2", path="/cookie")
    start_response.delete_cookie("third")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ.get("HTTP_COOKIE", "no cookies")]


@log.Log()
@zip.Gzip()
def zipped(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["long " * 1000]


evwsgi.start("127.0.0.1", os.environ.get("PORT", "8080"))
evwsgi.set_base_module(base)
evwsgi.wsgi_cb(("/post", post))
evwsgi.wsgi_cb(("/query", query))
evwsgi.wsgi_cb(("/old", old))
evwsgi.wsgi_cb(("/moved", moved))
evwsgi.wsgi_cb(("/cookie", cookie))
evwsgi.wsgi_cb(("/zipped", zipped))
evwsgi.wsgi_cb(("/static", views.Staticfile(os.path.join(HERE, "static"), maxage=3600)))
evwsgi.wsgi_cb(("/one", views.Staticfile(os.path.join(HERE, "static", "short.txt"))))
evwsgi.run()
