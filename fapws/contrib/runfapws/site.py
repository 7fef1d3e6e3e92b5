"""What runfapws serves: the project, and with DEBUG its static files, as runserver shows them."""

from __future__ import annotations

from typing import Any, Callable


def application() -> Callable[..., Any]:
    """Made in each worker."""
    import django

    django.setup(set_prefix=False)
    from django.apps import apps
    from django.conf import settings
    from django.core.servers.basehttp import get_internal_wsgi_application

    site: Callable[..., Any] = get_internal_wsgi_application()
    if settings.DEBUG and apps.is_installed("django.contrib.staticfiles"):
        from django.contrib.staticfiles.handlers import StaticFilesHandler

        site = StaticFilesHandler(site)
    return site
