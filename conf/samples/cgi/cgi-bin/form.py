#!/usr/bin/env python3
"""A CGI script with a form: the content of a POST comes by standard input."""

import html
import os
import sys
from urllib.parse import parse_qs

length = int(os.environ.get("CONTENT_LENGTH") or 0)
form = parse_qs(sys.stdin.buffer.read(length).decode("ascii", "replace"))
name = html.escape(form.get("name", ["you"])[0])

sys.stdout.reconfigure(encoding="utf-8")
print("Content-Type: text/html; charset=utf-8")
print()
print(f"<!doctype html><title>Hello</title><p>Hello {name}!")
print('<form method="post"><input name="name" aria-label="Your name"> <button>Go</button></form>')
