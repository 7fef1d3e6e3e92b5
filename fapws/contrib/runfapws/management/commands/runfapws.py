"""The command: becomes ``fapws``, so that a worker imports the project anew after each change."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

SITE = "fapws.contrib.runfapws.site:application()"


class Command(BaseCommand):  # type: ignore[misc]  # Django carries no types
    """Options of ``fapws``, in the words of runserver."""

    help = "Serves the project by Fapws; with DEBUG it shows static files and follows changed sources."
    requires_system_checks = ()

    def add_arguments(self, parser: Any) -> None:
        """[ADDRESS] [--workers N] [--noreload]"""
        parser.add_argument("address", nargs="?", default="127.0.0.1:8000", help="[host:]port or unix:PATH")
        parser.add_argument("--workers", "-w", type=int, default=1)
        parser.add_argument("--noreload", action="store_true", help="do not follow changed sources")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Never returns."""
        address = options["address"]
        if address.isdigit():
            address = f"127.0.0.1:{address}"
        words = ["-b", address, "-w", str(options["workers"])]
        if settings.DEBUG and not options["noreload"]:
            words.append("--reload")
        project = os.path.dirname(os.path.abspath(sys.argv[0]))
        places = [project, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(places))
        os.environ["DJANGO_SETTINGS_MODULE"] = settings.SETTINGS_MODULE
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, "-m", "fapws", *words, SITE])
