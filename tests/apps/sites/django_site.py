"""A Django site in one file: uploads to temporary files, conditions, streams, messages, addresses."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.views.decorators.http import condition, require_http_methods

FOLDER = Path(os.environ["FOLDER"])

settings.configure(
    SECRET_KEY="for tests only",
    ALLOWED_HOSTS=["127.0.0.1", "example.com", "localhost"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DEFAULT_CHARSET="utf-8",
    FILE_UPLOAD_HANDLERS=["django.core.files.uploadhandler.TemporaryFileUploadHandler"],
    MIDDLEWARE=[
        "django.middleware.gzip.GZipMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    MESSAGE_STORAGE="django.contrib.messages.storage.session.SessionStorage",
    INSTALLED_APPS=["django.contrib.sessions", "django.contrib.messages"],
)
if hasattr(django, "setup"):
    django.setup()


def page(request: HttpRequest) -> HttpResponse:
    """Long enough to be worth gzip."""
    return HttpResponse("a page of text\n" * 100, content_type="text/plain")


@condition(etag_func=lambda request: '"fixed"')
def tagged(request: HttpRequest) -> HttpResponse:
    """With a tag of its own."""
    return HttpResponse("tagged")


@require_http_methods(["GET", "HEAD"])
def stream(request: HttpRequest) -> StreamingHttpResponse:
    """A generator."""

    def rows() -> Iterator[str]:
        for number in range(1000):
            yield f"row {number} \u20ac\n"

    return StreamingHttpResponse(rows(), content_type="text/plain")


def file(request: HttpRequest, name: str) -> FileResponse:
    """By wsgi.file_wrapper; Django closes it with the answer."""
    return FileResponse((FOLDER / name).open("rb"), as_attachment="save" in request.GET)


def upload(request: HttpRequest) -> JsonResponse:
    """Files that Django wrote to its temporary folder while it parsed the form."""
    files = {}
    for name, upload in request.FILES.items():
        on_disk = Path(upload.temporary_file_path()).read_bytes()
        files[name] = [upload.name, upload.size, hashlib.sha256(on_disk).hexdigest()]
    return JsonResponse({"form": dict(request.POST.lists()), "files": files})


def read(request: HttpRequest) -> JsonResponse:
    """The content without parsing, piece by piece."""
    digest, total = hashlib.sha256(), 0
    while True:
        piece = request.read(10_000)
        if not piece:
            return JsonResponse({"total": total, "digest": digest.hexdigest()})
        digest.update(piece)
        total += len(piece)


def where(request: HttpRequest) -> JsonResponse:
    """Addresses as Django puts them together."""
    return JsonResponse(
        {
            "absolute": request.build_absolute_uri(),
            "other": request.build_absolute_uri(reverse("file", args=["a b"])),
            "path": request.path,
            "info": request.path_info,
            "host": request.get_host(),
            "port": request.get_port(),
            "secure": request.is_secure(),
            "scheme": request.scheme,
            "headers": {key: value for key, value in request.headers.items() if key.startswith("X-")},
        }
    )


def move(request: HttpRequest) -> Any:
    """To another page."""
    return redirect("file", name="page.html", permanent="for-good" in request.GET)


def cookies(request: HttpRequest) -> JsonResponse:
    """Cookies plain and signed, and a session."""
    request.session["count"] = request.session.get("count", 0) + 1
    answer = JsonResponse({"cookies": sorted(request.COOKIES), "count": request.session["count"]})
    answer.set_cookie("plain", "v", max_age=60, samesite="Lax")
    answer.set_signed_cookie("signed", "w", salt="s", httponly=True)
    answer.delete_cookie("gone")
    return answer


urlpatterns = [
    path("page/", page),
    path("tagged/", tagged),
    path("stream/", stream),
    path("file/<str:name>", file, name="file"),
    path("upload/", upload),
    path("read/", read),
    path("where/", where),
    path("move/", move),
    path("cookies/", cookies),
]

application = get_wsgi_application()
