"""pypiserver over the folder PACKAGES; uploads need a login."""

from __future__ import annotations

import os

import pypiserver

application = pypiserver.app(
    roots=[os.environ["PACKAGES"]],
    authenticate=["update"],
    auther=lambda name, word: (name, word) == ("uploader", "tests only"),
    # Nothing is looked up elsewhere.
    disable_fallback=True,
)
