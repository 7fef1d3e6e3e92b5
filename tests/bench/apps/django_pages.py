"""A page of Django, without and with a session. Every WSGI server runs this file.

Django sends the signal request_finished when its response is closed. /closed tells how often that was:
PEP 3333 has a server call close() of what an application returns, and Django gives back database
connections there.
"""

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished
from django.http import HttpResponse
from django.urls import path

COUNT = {"closed": 0}


def hello(request):  # type: ignore[no-untyped-def]
    if hasattr(request, "session"):
        request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse("Hello world!", content_type="text/plain")


def closed(request):  # type: ignore[no-untyped-def]
    return HttpResponse(str(COUNT["closed"]), content_type="text/plain")


def _count(**signal):  # type: ignore[no-untyped-def]
    COUNT["closed"] += 1


MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        MIDDLEWARE=MIDDLEWARE,
        ROOT_URLCONF=(path("", hello), path("closed", closed)),
        SECRET_KEY="the same for every server",
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    )
request_finished.connect(_count)
application = WSGIHandler()
# A handler reads the setting once, when it is made.
settings.MIDDLEWARE = [*MIDDLEWARE, "django.contrib.sessions.middleware.SessionMiddleware"]
with_session = WSGIHandler()
