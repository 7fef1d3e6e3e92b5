"""Fapws: a small, fast, pre-forking WSGI server on libuv."""

__version__ = "5.0.0.dev1"
