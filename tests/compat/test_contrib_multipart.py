"""fapws.contrib.multipart: forms as browsers and libraries write them, and as nobody should."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from support.plain import ask
from support.raw import Client, request
from support.server import Server
from urllib3.fields import RequestField
from urllib3.filepost import encode_multipart_formdata

from fapws.contrib.disposition import parse_parameters, safe_filename
from fapws.contrib.multipart import Limits, MultipartError, MultipartFormData, Upload, parse

B = "xYzZY"


def part(disposition: str, content: bytes = b"value", *fields: str, boundary: str = B) -> bytes:
    head = "\r\n".join([f"Content-Disposition: {disposition}", *fields])
    return b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary.encode(), head.encode(), content)


def end(boundary: str = B) -> bytes:
    return b"--%s--\r\n" % boundary.encode()


FIELD = part('form-data; name="a"')
ALMOST = b"\r\n--xYzZ\r\n\r--xYzZY\n--\r\n"
SAMPLE = (
    b"preamble\r\n"
    + FIELD
    + part('form-data; name="a"', b"")
    + part('form-data; name="f"; filename="x.bin"', ALMOST, "Content-Type: image/png")
    + part('form-data; name="\u00fc"', "\u00e9\r\n".encode())
    + part('form-data; name="f"; filename=""', b"", "Content-Type: application/octet-stream")
    + end()
    + b"epilogue"
)


def shown(form: MultipartFormData) -> dict[str, list[Any]]:
    """The result with what files hold."""
    with form:
        return {
            name: [
                (value.filename, value.content_type, value.size, value.file.read())
                if isinstance(value, Upload)
                else value
                for value in values
            ]
            for name, values in form.getvalue().items()
        }


def read(*pieces: bytes, **given: Any) -> dict[str, list[Any]]:
    form = MultipartFormData(**{"boundary": B, **given})
    for piece in pieces:
        form.write(piece)
    return shown(form)


EXPECTED = {
    "a": ["value", ""],
    "f": [
        ("x.bin", "image/png", 23, ALMOST),
        ("", "application/octet-stream", 0, b""),
    ],
    "ü": ["é\r\n"],
}


# ---- The result ------------------------------------------------------------------------------------


def test_fields_and_files_come_in_lists_by_name() -> None:
    assert read(SAMPLE) == EXPECTED


def test_byte_by_byte_is_the_same() -> None:
    assert read(*(SAMPLE[at : at + 1] for at in range(len(SAMPLE)))) == EXPECTED


@pytest.mark.parametrize("at", range(len(SAMPLE)))
def test_every_cut_in_two_is_the_same(at: int) -> None:
    assert read(SAMPLE[:at], SAMPLE[at:]) == EXPECTED


@settings(deadline=None)
@given(st.lists(st.integers(0, len(SAMPLE)), max_size=12))
def test_any_cut_is_the_same(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(SAMPLE)]
    assert read(*(SAMPLE[a:b] for a, b in zip(places, places[1:]))) == EXPECTED


SHARDS = [b"\r", b"\n", b"-", b"--", b"xYzZ", b"\r\n--xYzZ", b" ", b"Y", b"a"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.sampled_from(SHARDS)), max_size=9), st.integers(1, 40))
def test_content_like_a_boundary_survives_any_cut(contents: list[list[bytes]], step: int) -> None:
    wanted = [b"".join(pieces) for pieces in contents]
    wanted = [content for content in wanted if b"\r\n--xYzZY" not in b"\r\n" + content + b"\r\n"]
    data = b"".join(part('form-data; name="f"; filename="f"', content) for content in wanted) + end()
    got = read(*(data[at : at + step] for at in range(0, len(data), step)))
    assert [content for *_, content in got.get("f", [])] == wanted


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(1, 50))
def test_no_content_breaks_the_parser(junk: bytes, step: int) -> None:
    for data in (junk, FIELD[:-2] + junk, FIELD + junk + end()):
        form = MultipartFormData(boundary=B)
        try:
            for at in range(0, len(data), step):
                form.write(data[at : at + step])
            form.getvalue()
        except MultipartError:
            pass
        form.close()


def test_a_line_that_only_begins_like_the_boundary_is_content() -> None:
    content = b"one\r\n--xYzZYtwo\r\n--xYzZY-\r\n--xYzZY \tx\r\n--xYzZY" + b" " * 100 + b"\r\n"
    assert read(part('form-data; name="a"', content) + end())["a"] == [content.decode()]


def test_blanks_behind_a_boundary_are_allowed() -> None:
    data = FIELD.replace(b"xYzZY\r\n", b"xYzZY \t \r\n") + b"--xYzZY--"
    assert read(data) == {"a": ["value"]}


def test_the_first_line_tells_the_boundary_as_in_fapws3() -> None:
    data = FIELD + part('form-data; name="b"') + end()
    for step in (1, 3, 1000):
        form = MultipartFormData()
        for at in range(0, len(data), step):
            assert form.write(data[at : at + step]) == len(data[at : at + step])
        form.seek(0)
        assert form.getvalue() == {"a": ["value"], "b": ["value"]}
        assert (form.get("a"), form.get("z"), form.keys()) == (["value"], None, ["a", "b"])


def test_text_that_is_no_utf_8_is_replaced() -> None:
    assert read(part('form-data; name="a"', b"\xff") + end())["a"] == ["\ufffd"]


# ---- Names of files --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        ('filename="a.txt"', "a.txt"),
        ("filename=a.txt", "a.txt"),
        ('filename="na\\"me.txt"', 'na"me.txt'),
        ('filename="na%22me.txt"', 'na"me.txt'),
        ('filename="a;b=c.txt"', "a;b=c.txt"),
        ('filename="C:\\Users\\me\\a.txt"', "a.txt"),
        ('filename="../../etc/passwd"', "passwd"),
        ('filename="/etc/passwd"', "passwd"),
        ('filename=".."', ""),
        ('filename="a/"', ""),
        ('filename="a%0D%0Ab"', "ab"),
        ('filename="a\0b\x1b\u202e"', "ab"),
        ('filename="\u00e9.txt"', "\u00e9.txt"),
        ("filename*=UTF-8''na%C3%AFve.txt", "na\u00efve.txt"),
        ("filename=\"plain\"; filename*=utf-8'en'%e2%82%ac", "\u20ac"),
        ("filename*=ISO-8859-1''%E9; filename=x", "\u00e9"),
        ("filename=\"plain\"; filename*=UTF-8''%ff", "plain"),
        ("filename=\"plain\"; filename*=klingon''x", "plain"),
        ("filename=\"plain\"; filename*=UTF-8''..%2f..%2fx", "x"),
        (f'filename="{"n" * 400}"', "n" * 255),
        ('FileName = "a.txt"', "a.txt"),
    ],
)
def test_a_files_name_is_its_last_part(parameter: str, name: str) -> None:
    ((filename, _, size, _),) = read(part(f'form-data; name="f"; {parameter}') + end())["f"]
    assert (filename, size) == (name, 5)


def test_the_same_parameter_twice_is_the_first() -> None:
    assert parse_parameters('form-data; name="a"; name="b"; x') == ("form-data", {"name": "a"})


@settings(deadline=None)
@given(st.text())
def test_no_name_is_a_path(text: str) -> None:
    name = safe_filename(text)
    assert not set(name) & set("/\\\0\r\n") and name not in (".", "..") and len(name) <= 255


def test_files_go_to_the_folder_under_names_of_their_own(tmp_path: Path) -> None:
    form = MultipartFormData(tmp_path, B)
    for name in ("../../escape", "same", "same", "empty"):
        content = b"" if name == "empty" else name.encode()
        form.write(part(f'form-data; name="f"; filename="{name}"', content))
    form.write(end())
    uploads = form.get("f")
    paths = [upload.path for upload in uploads]
    assert {os.path.dirname(path) for path in paths} == {str(tmp_path)}
    assert sorted(os.listdir(tmp_path)) == sorted(os.path.basename(path) for path in paths)
    assert len(set(paths)) == 4 and not any("same" in path or "escape" in path for path in paths)
    assert [Path(path).read_bytes() for path in paths] == [b"../../escape", b"same", b"same", b""]
    assert all(os.stat(path).st_mode & 0o077 == 0 for path in paths)
    with form:
        assert [upload.file.read() for upload in uploads] == [b"../../escape", b"same", b"same", b""]
    assert all(os.path.exists(path) for path in paths)


@pytest.mark.parametrize("what", ["cut", "limit", "wrong"])
def test_a_form_that_fails_leaves_no_file(tmp_path: Path, what: str) -> None:
    form = MultipartFormData(tmp_path, B, Limits(total=5000))
    form.write(part('form-data; name="f"; filename="x"', b"x" * 1000) * 2)
    assert len(os.listdir(tmp_path)) == 1 + 1
    with pytest.raises(MultipartError):
        if what == "limit":
            form.write(b"x" * 5000)
        elif what == "wrong":
            form.write(b"--xYzZY\r\nno field\r\n\r\n")
        form.getvalue()
    assert os.listdir(tmp_path) == []
    with pytest.raises(MultipartError):
        form.getvalue()
    with pytest.raises(MultipartError):
        form.write(b"more")


def test_a_folder_that_cannot_be_written_is_the_systems_error(tmp_path: Path) -> None:
    form = MultipartFormData(tmp_path / "missing", B)
    with pytest.raises(FileNotFoundError):
        form.write(part('form-data; name="f"; filename="x"') + end())
    with pytest.raises(MultipartError, match="FileNotFoundError"):
        form.getvalue()


# ---- Limits and errors -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "limits", "reason"),
    [
        (FIELD * 4 + end(), Limits(parts=3), "more than 3 parts"),
        (part('form-data; name="f"; filename="x"') * 3 + end(), Limits(files=2), "more than 2 files"),
        (part('form-data; name="a"', b"", "X: " + "x" * 300), Limits(header=300), "head of a part"),
        (b"--xYzZY\r\nX: " + b"x" * 400, Limits(header=300), "head of a part"),
        (FIELD + part('form-data; name="b"', b"x" * 20) + end(), Limits(fields=20), "fields of the form"),
        (FIELD + b"x" * 1000, Limits(total=500), "longer than 500 bytes"),
        (FIELD + end() + b"x" * 1000, Limits(total=500), "longer than 500 bytes"),
        (FIELD, Limits(), "cut off"),
        (FIELD + b"--xYzZY-", Limits(), "cut off"),
        (b"", Limits(), "cut off"),
        (b"junk", Limits(), "cut off"),
        (b"--xYzZY\r\n\r\nvalue\r\n" + end(), Limits(), "no Content-Disposition"),
        (part("form-data"), Limits(), "no Content-Disposition"),
        (part('attachment; name="a"'), Limits(), "no Content-Disposition"),
        (b"--xYzZY\r\nno field\r\n\r\n", Limits(), "this is no field"),
        (part('form-data; name="a"', b"", "Content-Transfer-Encoding: base64"), Limits(), "transfer enc"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, limits: Limits, reason: str) -> None:
    for step in (1, 7, 100_000):
        with pytest.raises(MultipartError, match=reason):
            read(*(data[at : at + step] for at in range(0, len(data), step)), limits=limits)


@pytest.mark.parametrize("data", [b"no boundary", b"-x", b"\r\n--xYzZY\r\n", b"--\r\n", b"--" + b"x" * 200])
def test_a_first_line_that_is_no_boundary_is_said(data: bytes) -> None:
    with pytest.raises(MultipartError, match="boundary"):
        MultipartFormData().write(data)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("", "nothing that is named"),
        ("text/plain; boundary=x", "not multipart/form-data"),
        ("multipart/mixed; boundary=x", "not multipart/form-data"),
        ("multipart/form-data", "names no boundary"),
        ("multipart/form-data; boundary=", "names no boundary"),
        ('multipart/form-data; boundary=""', "names no boundary"),
        ("multipart/form-data; boundary=" + "x" * 71, "1 to 70"),
        ('multipart/form-data; boundary="a\tb"', "printable"),
        ('multipart/form-data; boundary="\u00e9"', "printable"),
    ],
)
def test_a_content_type_that_will_not_do_is_said(kind: str, reason: str) -> None:
    with pytest.raises(MultipartError, match=reason):
        parse({"CONTENT_TYPE": kind, "wsgi.input": io.BytesIO(SAMPLE), "CONTENT_LENGTH": "10"})


def test_no_more_is_read_than_content_length() -> None:
    data = io.BytesIO(FIELD + end() + b"the next request")
    length = len(FIELD + end())
    environ = {"CONTENT_TYPE": f"multipart/form-data; boundary={B}", "wsgi.input": data}
    assert parse({**environ, "CONTENT_LENGTH": str(length)}).get("a") == ["value"]
    assert data.read() == b"the next request"
    data.seek(0)
    with pytest.raises(MultipartError, match="cut off"):
        parse(environ)  # neither a length nor a server that tells the end


def test_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    tracemalloc = pytest.importorskip("tracemalloc", reason="CPython's: runs there", exc_type=ImportError)
    form = MultipartFormData(tmp_path, B)
    form.write(part('form-data; name="f"; filename="x"')[: -len("value\r\n")])
    block = b"\r\n--xYzZ" * 8192
    tracemalloc.start()
    try:
        for _ in range(200):
            form.write(block)
        form.write(b"\r\n" + end())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    (upload,) = form.get("f")
    assert upload.size == 200 * len(block)
    assert peak < 2_000_000


# ---- Other writers, real servers -------------------------------------------------------------------


@pytest.mark.parametrize("filename", ["a.txt", 'q"uote.txt', "ü ß.txt", "back\\slash", "a;b.txt"])
def test_what_urllib3_writes_is_read(filename: str) -> None:
    content = os.urandom(100_000)
    fields: dict[str, Any] = {"field": "wörld", 'odd"name': "x", "file": (filename, content, "image/x-test")}
    data, kind = encode_multipart_formdata(fields)
    form = parse({"CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(data)), "wsgi.input": io.BytesIO(data)})
    values = shown(form)
    assert values["field"] == ["wörld"] and values['odd"name'] == ["x"]
    assert values["file"] == [(filename.rpartition("\\")[2], "image/x-test", 100_000, content)]


def test_folded_and_other_fields_of_a_part_are_read() -> None:
    field = RequestField("a", b"value", headers={"X-Other": "1"})
    field.make_multipart(content_type="text/plain")
    data, kind = encode_multipart_formdata([field])
    data = data.replace(b"form-data; ", b"form-data;\r\n ")
    form = parse({"CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(data)), "wsgi.input": io.BytesIO(data)})
    assert form.get("a") == ["value"]


PROGRAM = """
import hashlib
from fapws.contrib import multipart

def upload(environ, start_response):
    try:
        form = multipart.parse(environ, limits=multipart.Limits(fields=1000))
    except multipart.MultipartError as error:
        start_response("400 Bad Request", [("Content-Type", "text/plain")])
        return [str(error).encode()]
    with form:
        (file,) = form.get("file")
        digest = hashlib.sha256(file.file.read()).hexdigest()
        told = (file.filename, str(file.size), digest, *form.get("note"))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["|".join(told).encode()]
"""


@pytest.mark.parametrize("how", ["PATHS = [('/', upload)]\n", "application = upload\n"])
def test_uploads_by_real_clients_arrive_whole(how: str) -> None:
    content = os.urandom(3_000_000)
    told = f"x.bin|3000000|{hashlib.sha256(content).hexdigest()}|hé"
    with Server(PROGRAM + how) as server:
        sent: Any = {"files": {"file": ("x.bin", content)}, "data": {"note": "hé"}, "timeout": 30}
        assert requests.post(server.url, **sent).content.decode() == told
        data, kind = encode_multipart_formdata({"file": ("x.bin", content), "note": "hé"})
        pieces = (data[at : at + 50_000] for at in range(0, len(data), 50_000))
        answer = requests.post(server.url, data=pieces, headers={"Content-Type": kind}, timeout=30)
        assert answer.content.decode() == told  # chunked: no length was told
        with Client(server.address) as client:
            for _ in range(2):
                client.send(request("/", f"Content-Type: {kind}", method="POST", body=data[:1000]))
                refused = client.read()
                assert (refused.status, b"cut off" in refused.body) == (400, True)


FAPWS3 = """
import sys
from fapws import base
from fapws.contrib import multipart

class Environ(base.Environ):
    def __init__(self):
        self["wsgi.input"] = multipart.MultipartFormData({folder!r})

def show(environ, start_response):
    form = environ["wsgi.input"]
    if not hasattr(form, "keys"):
        return form.read()
    return repr([(name, [getattr(value, "size", value) for value in form.get(name)]) for name in form.keys()])

PATHS = [("/", show)]
"""


def test_an_environ_that_brings_the_parser_has_it_filled_as_in_fapws3(tmp_path: Path) -> None:
    with Server(FAPWS3.format(folder=str(tmp_path))) as server:
        assert requests.get(server.url, timeout=30).text == "[]"
        sent: Any = {"files": {"file": ("x", b"x" * 200_000)}, "data": {"note": "hé"}, "timeout": 30}
        assert requests.post(server.url, **sent).text == "[('note', ['hé']), ('file', [200000])]"
        assert requests.post(server.url, data=b"other", timeout=30).text == "other"
        assert requests.post(server.url, data={"a": "b"}, timeout=30).text == "a=b"
    assert [os.stat(tmp_path / name).st_size for name in os.listdir(tmp_path)] == [200_000]


def test_a_form_that_nobody_sent_is_an_error_and_no_hang() -> None:
    def program(environ: Any, start_response: Any) -> list[bytes]:
        with pytest.raises(MultipartError):
            parse(environ)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b""]

    assert ask(program, method="POST", CONTENT_TYPE="multipart/form-data; boundary=x").code == 200


def test_an_upload_unpacks_as_the_pair_that_fapws3_had_in_its_place(tmp_path: Path) -> None:
    form = MultipartFormData(tmp_path)
    form.write(
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\nContent-Type: text/x\r\n\r\n'
        b"12345\r\n--b--\r\n"
    )
    ((path, info),) = form.get("f")
    assert Path(path).read_bytes() == b"12345"
    assert info == {"Content-Type": "text/x", "size": 5}
