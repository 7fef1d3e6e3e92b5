"""fapws3's way to run a Django project: ``handler`` is a WSGI application.

    import os
    from fapws.contrib.django_handler import handler

    os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
    PATHS = [("/", handler)]

Django is imported with the first request, so that the settings may be named after this module was
imported. ``fapws mysite.wsgi:application`` needs nothing of this and starts complete.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

__all__ = ["DjangoHandler", "handler"]

Environ = dict[str, Any]


class DjangoHandler:
    """Makes Django's own handler at its first use."""

    def __init__(self) -> None:
        self._application: Callable[..., Iterable[bytes]] | None = None
        self._lock = threading.Lock()  # Django's set-up is not to run twice at once

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Raises RuntimeError, saying what is missing; the next request tries again."""
        if self._application is None:
            with self._lock:
                if self._application is None:
                    self._application = _load()
        name = environ.get("SCRIPT_NAME", "")
        if name.endswith("/"):  # routed by fapws3's rule; Django would make //path of it
            environ["SCRIPT_NAME"] = name[:-1]
            environ["PATH_INFO"] = "/" + environ.get("PATH_INFO", "")
        return self._application(environ, start_response)


def _load() -> Callable[..., Iterable[bytes]]:
    try:
        settings = import_module("django.conf").settings
        get_wsgi_application = import_module("django.core.wsgi").get_wsgi_application
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] != "django":
            raise
        raise RuntimeError("Django is not installed for this Python: pip install Django") from error
    if not settings.configured and not os.environ.get("DJANGO_SETTINGS_MODULE"):
        raise RuntimeError(
            "DJANGO_SETTINGS_MODULE is not set: name the settings of the project, as in "
            'os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"'
        )
    application: Callable[..., Iterable[bytes]] = get_wsgi_application()
    return application


handler = DjangoHandler()
"""One for the process: Django itself has one configuration."""
