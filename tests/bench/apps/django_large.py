"""A Django site of some 60 MB: what a shop has in memory when it has been imported."""

import django_pages

CATALOGUE = {number: {"name": f"article {number}", "price": number * 7 % 1000} for number in range(60_000)}
"""Rows that are read once and kept."""


def application(environ, start_response):  # type: ignore[no-untyped-def]
    """The page, after a look at some of the rows, which counts references there as any code does."""
    for number in range(0, 60_000, 997):
        assert CATALOGUE[number]["name"]
    return django_pages.application(environ, start_response)
