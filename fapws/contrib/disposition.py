"""The head of a part of a form: Content-Disposition and its parameters (RFC 7578 section 4.2)."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

_PARAMETER = re.compile(r';[ \t]*([^\s;="]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))', re.DOTALL)
_FOLD = re.compile(r"\r\n(?=[ \t])")
_CHARSETS = {"utf-8": "utf-8", "iso-8859-1": "latin-1"}
_FILENAME_MAX = 255
"""Characters; no system takes longer ones."""


class Disposition(NamedTuple):
    """What the head of a part says."""

    name: str
    filename: str | None
    """None: a field. Empty: a file without a name, or none was chosen."""
    content_type: str = "text/plain"


def parse_parameters(value: str) -> tuple[str, dict[str, str]]:
    """``kind; name=value; name="quoted"`` as the kind in lower case and its parameters; the first counts.

    What cannot be understood ends it: no parameter is guessed.
    """
    kind, _, _ = value.partition(";")
    parameters: dict[str, str] = {}
    at = len(kind)
    while at < len(value):
        match = _PARAMETER.match(value, at)
        if match is None:
            break
        quoted = match[2]
        # Browsers leave a backslash alone (it is part of a path then), others escape \ and ".
        text = re.sub(r'\\(["\\])', r"\1", quoted) if quoted is not None else match[3]
        parameters.setdefault(match[1].lower(), text)
        at = match.end()
        while value[at : at + 1] in (" ", "\t"):
            at += 1
    return kind.strip().lower(), parameters


def parse_disposition(head: bytes) -> Disposition:
    """From the fields of a part, without its empty line. Raises ValueError with the reason."""
    fields: dict[str, str] = {}
    lines = _FOLD.sub("", head.decode("utf-8", "replace")).split("\r\n") if head else []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise ValueError(f"this is no field: {line[:100]!r}")
        fields.setdefault(name.strip().lower(), value.strip(" \t"))
    kind, parameters = parse_parameters(fields.get("content-disposition", ""))
    if kind != "form-data" or "name" not in parameters:
        raise ValueError("no Content-Disposition with form-data and a name")
    coding = fields.get("content-transfer-encoding", "binary").lower()
    if coding not in ("7bit", "8bit", "binary"):
        raise ValueError(f"the transfer encoding {coding!r} is not one of forms (RFC 7578 section 4.7)")
    filename = parameters.get("filename")
    if filename is not None:
        filename = _from_browser(filename)
    filename = _extended(parameters.get("filename*")) or filename
    return Disposition(
        _from_browser(parameters["name"]),
        None if filename is None else safe_filename(filename),
        fields.get("content-type", "text/plain" if filename is None else "application/octet-stream"),
    )


def safe_filename(name: str) -> str:
    """The last part of a path of any system, without control characters; empty for what is no name."""
    name = name.replace("\\", "/").rpartition("/")[2]
    name = "".join(character for character in name if character.isprintable())[:_FILENAME_MAX].strip()
    return "" if name in (".", "..") else name


def _from_browser(text: str) -> str:
    """HTML encodes three characters of names (multipart/form-data encoding algorithm) and no others."""
    return text.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def _extended(value: str | None) -> str | None:
    """``UTF-8''na%C3%AFve`` (RFC 8187); None for what cannot be decoded."""
    charset, quote, rest = (value or "").partition("'")
    _, second, encoded = rest.partition("'")
    codec = _CHARSETS.get(charset.lower())
    if not (quote and second) or codec is None:
        return None
    try:
        return unquote_to_bytes(encoded).decode(codec)
    except UnicodeError:
        return None
