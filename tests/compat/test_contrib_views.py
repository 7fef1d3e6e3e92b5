"""fapws.contrib.views.Staticfile: what is served, and how; see test_contrib_views_safe.py for what is not."""

from __future__ import annotations

import email.utils
import gzip
import io
import mimetypes
import os
from pathlib import Path
from typing import Any

import pytest
from support.plain import Plain, ask

from fapws.contrib.views import Staticfile

TEXT = b"0123456789" * 10


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "sub").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "a.txt").write_bytes(TEXT)
    (folder / "none").write_bytes(b"")
    (folder / "sub" / "index.html").write_bytes(b"<p>index</p>")
    os.utime(folder / "a.txt", (1_700_000_000, 1_700_000_000))
    return folder


def get(root: Path, path: str, maxage: Any = None, **environ: Any) -> Plain:
    return ask(Staticfile(root, maxage), path, **environ)


# ---- Whole files -----------------------------------------------------------------------------------


def test_a_file_comes_with_what_a_client_needs_to_keep_it(root: Path) -> None:
    answer = get(root, "/a.txt")
    assert (answer.status, answer.body) == ("200 OK", TEXT)
    assert answer.get("Content-Type") == "text/plain; charset=utf-8"
    assert answer.get("Content-Length") == "100"
    assert answer.get("Last-Modified") == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert answer.get("Accept-Ranges") == "bytes"
    etag = answer.get("ETag")
    assert etag is not None and etag.startswith('"') and etag.endswith('"')
    assert answer.get("Cache-Control") is None and answer.get("Expires") is None


def test_head_has_the_same_fields_and_no_content(root: Path) -> None:
    answer = get(root, "/a.txt", method="HEAD")
    assert (answer.fields, answer.body) == (get(root, "/a.txt").fields, b"")
    assert get(root, "/missing", method="HEAD").body == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_405(root: Path, method: str) -> None:
    answer = get(root, "/a.txt", method=method)
    assert (answer.code, answer.get("Allow")) == (405, "GET, HEAD")


def test_maxage_is_a_number_of_seconds_and_not_a_time(root: Path) -> None:
    answer = get(root, "/a.txt", 3600)
    assert answer.get("Cache-Control") == "max-age=3600"
    expires = email.utils.parsedate_to_datetime(answer.get("Expires") or "")
    assert abs(expires.timestamp() - email.utils.localtime().timestamp() - 3600) < 100
    assert get(root, "/a.txt", 0).get("Cache-Control") == "max-age=0"
    for wrong in (-1, float("inf"), float("nan"), 10**12):
        with pytest.raises(ValueError, match="seconds"):
            Staticfile(root, wrong)
    assert get(root, "/a.txt", 100 * 365 * 86400).code == 200


def test_the_root_may_be_a_single_file_also_by_a_link(root: Path, tmp_path: Path) -> None:
    for prefix in ("/one", "/"):
        answer = ask(Staticfile(root / "a.txt"), "", SCRIPT_NAME=prefix, valid=prefix != "/")
        assert (answer.code, answer.body) == (200, TEXT)
        assert answer.get("Content-Type") == "text/plain; charset=utf-8"
    elsewhere = tmp_path / "linked.txt"
    elsewhere.symlink_to(root / "a.txt")
    assert ask(Staticfile(elsewhere), "", SCRIPT_NAME="/one").body == TEXT
    for path in ("/", "/a.txt", "/../sub", "ZZZ"):
        assert ask(Staticfile(root / "a.txt"), path, SCRIPT_NAME="/one", valid=path[0] == "/").code == 404


def test_the_root_may_be_relative_to_the_start(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    here, below = Staticfile(), Staticfile("sub")
    monkeypatch.chdir("/")
    assert ask(here, "/a.txt").body == TEXT
    assert ask(below, "/").body == b"<p>index</p>"


@pytest.mark.parametrize(
    ("name", "kind", "coding"),
    [
        ("x.html", "text/html; charset=utf-8", None),
        ("x.css", "text/css; charset=utf-8", None),
        ("x.png", "image/png", None),
        ("x.json", "application/json", None),
        ("x.unknown-kind", "application/octet-stream", None),
        ("x", "application/octet-stream", None),
        ("x.txt.gz", "text/plain; charset=utf-8", "gzip"),
        ("x.gz", "application/gzip", None),
        ("x.txt.bz2", "application/x-bzip2", None),
        ("x.txt.xz", "application/x-xz", None),
        # mimetypes takes a URL; a file's name must not be one.
        ("data:,x.html", "text/html; charset=utf-8", None),
        ("http:x.html", "text/html; charset=utf-8", None),
    ],
)
def test_the_name_tells_type_and_coding(root: Path, name: str, kind: str, coding: str | None) -> None:
    (root / name).write_bytes(b"x")
    answer = get(root, f"/{name}")
    assert (answer.get("Content-Type"), answer.get("Content-Encoding")) == (kind, coding)


def test_scripts_have_a_charset_too(root: Path) -> None:
    (root / "x.js").write_bytes(b"x")
    assert (get(root, "/x.js").get("Content-Type") or "").endswith("javascript; charset=utf-8")


def test_a_program_may_add_types(root: Path) -> None:
    mimetypes.add_type("application/x-fapws-test", ".fapwstest")
    (root / "x.fapwstest").write_bytes(b"x")
    assert get(root, "/x.fapwstest").get("Content-Type") == "application/x-fapws-test"


def test_a_packed_file_is_sent_as_it_is(root: Path) -> None:
    (root / "x.txt.gz").write_bytes(gzip.compress(TEXT))
    assert gzip.decompress(get(root, "/x.txt.gz").body) == TEXT


@pytest.mark.parametrize(
    "name", ["ü.txt", "a b.txt", "a%2fb.txt", "a;b&c=d.txt", "\udcff\udcfe.txt", "back\\slash"]
)
def test_a_name_is_bytes(root: Path, name: str) -> None:
    octets = os.fsencode(name)
    (root / name).write_bytes(octets)
    assert get(root, "/" + octets.decode("latin-1")).body == octets


# ---- Folders ---------------------------------------------------------------------------------------


def test_a_folder_is_its_index(root: Path) -> None:
    answer = get(root, "/sub/")
    assert (answer.code, answer.body) == (200, b"<p>index</p>")
    assert answer.get("Content-Type") == "text/html; charset=utf-8"


def test_a_folder_without_index_is_404_and_not_listed(root: Path) -> None:
    assert [get(root, path).code for path in ("/", "/empty/")] == [404, 404]
    (root / "empty" / "index.html").mkdir()
    assert get(root, "/empty/").code == 404


@pytest.mark.parametrize(
    ("script", "path", "query", "location"),
    [
        ("", "/sub", "", "/sub/"),
        ("/static", "/sub", "a=b&c", "/static/sub/?a=b&c"),
        ("/static", "", "", "/static/"),
        ("/static/", "sub", "", "/static/sub/"),
        ("//evil.example", "/sub", "", "/evil.example/sub/"),
    ],
)
def test_a_folder_without_slash_is_where_it_has_one(
    root: Path, script: str, path: str, query: str, location: str
) -> None:
    answer = ask(Staticfile(root), path, valid=False, SCRIPT_NAME=script, QUERY_STRING=query)
    assert (answer.code, answer.get("Location")) == (301, location)


def test_a_file_with_a_slash_is_404(root: Path) -> None:
    assert [get(root, path).code for path in ("/a.txt/", "/a.txt/x")] == [404, 404]


# ---- Conditions ------------------------------------------------------------------------------------


def tag_of(root: Path) -> str:
    return get(root, "/a.txt").get("ETag") or ""


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("TAG", 304),
        ("W/TAG", 304),
        ("*", 304),
        ('"other", TAG', 304),
        ('"with, comma" ,W/"x",TAG', 304),
        ('"other"', 200),
        ('W/"other"', 200),
        ("TAG-without-quotes", 304),
        ("", 200),
        ('"', 200),
    ],
)
def test_if_none_match(root: Path, field: str, code: int) -> None:
    sent = field.replace("TAG", tag_of(root))
    assert get(root, "/a.txt", HTTP_IF_NONE_MATCH=sent).code == code
    assert get(root, "/a.txt", HTTP_IF_NONE_MATCH=sent, method="HEAD").code == code


def test_304_keeps_what_200_said_and_has_no_content(root: Path) -> None:
    answer = get(root, "/a.txt", 60, HTTP_IF_NONE_MATCH="*")
    assert {name for name, _ in answer.fields} == {"ETag", "Last-Modified", "Cache-Control", "Expires"}
    assert answer.body == b""


def test_another_content_is_another_tag(root: Path) -> None:
    before = tag_of(root)
    (root / "a.txt").write_bytes(TEXT + b"!")
    os.utime(root / "a.txt", (1_700_000_000, 1_700_000_000))
    assert tag_of(root) != before


@pytest.mark.parametrize(
    ("date", "code"),
    [
        ("Tue, 14 Nov 2023 22:13:20 GMT", 304),
        ("Tue, 14 Nov 2023 22:13:21 GMT", 304),
        ("Tue, 14 Nov 2023 22:13:19 GMT", 200),
        ("Tuesday, 14-Nov-23 22:13:20 GMT", 304),
        ("Tue Nov 14 22:13:20 2023", 304),
        ("Tue Nov 14 22:13:19 2023", 200),
        ("yesterday", 200),
        ("", 200),
        ("Tue, 99 Nov 99999999999 22:13:20 GMT", 200),
    ],
)
def test_if_modified_since(root: Path, date: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")  # dates without zone mean UTC
    assert get(root, "/a.txt", HTTP_IF_MODIFIED_SINCE=date).code == code


def test_if_modified_since_does_not_count_beside_if_none_match(root: Path) -> None:
    since = {"HTTP_IF_MODIFIED_SINCE": "Tue, 14 Nov 2023 22:13:20 GMT"}
    assert get(root, "/a.txt", HTTP_IF_NONE_MATCH='"other"', **since).code == 200


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"HTTP_IF_MATCH": "TAG"}, 200),
        ({"HTTP_IF_MATCH": "*"}, 200),
        ({"HTTP_IF_MATCH": '"other", TAG'}, 200),
        ({"HTTP_IF_MATCH": "W/TAG"}, 412),
        ({"HTTP_IF_MATCH": '"other"'}, 412),
        ({"HTTP_IF_UNMODIFIED_SINCE": "Tue, 14 Nov 2023 22:13:20 GMT"}, 200),
        ({"HTTP_IF_UNMODIFIED_SINCE": "Tue, 14 Nov 2023 22:13:19 GMT"}, 412),
        ({"HTTP_IF_UNMODIFIED_SINCE": "no date"}, 200),
        ({"HTTP_IF_MATCH": "TAG", "HTTP_IF_UNMODIFIED_SINCE": "Tue, 14 Nov 2023 22:13:19 GMT"}, 200),
        ({"HTTP_IF_MATCH": "TAG", "HTTP_IF_NONE_MATCH": "TAG"}, 304),
    ],
)
def test_preconditions_in_their_order(root: Path, fields: dict[str, str], code: int) -> None:
    sent = {name: value.replace("TAG", tag_of(root)) for name, value in fields.items()}
    assert get(root, "/a.txt", **sent).code == code


# ---- Ranges ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "content", "told"),
    [
        ("bytes=0-9", TEXT[:10], "bytes 0-9/100"),
        ("bytes=95-", TEXT[95:], "bytes 95-99/100"),
        ("bytes=95-1000", TEXT[95:], "bytes 95-99/100"),
        ("bytes=-3", b"789", "bytes 97-99/100"),
        ("bytes=-1000", TEXT, "bytes 0-99/100"),
        ("bytes=99-99", b"9", "bytes 99-99/100"),
        ("BYTES = 7-7", b"7", "bytes 7-7/100"),
        (f"bytes=90-{'9' * 5000}", TEXT[90:], "bytes 90-99/100"),
        (f"bytes={'0' * 5000}9-9", b"9", "bytes 9-9/100"),
    ],
)
def test_one_range(root: Path, field: str, content: bytes, told: str) -> None:
    answer = get(root, "/a.txt", HTTP_RANGE=field)
    assert (answer.code, answer.body) == (206, content)
    assert (answer.get("Content-Range"), answer.get("Content-Length")) == (told, str(len(content)))
    assert answer.get("ETag") == tag_of(root)


@pytest.mark.parametrize(
    "field",
    [
        "bytes=0-1,3-4",
        "bytes=5-4",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "lines=0-1",
        "bytes 0-1",
        "bytes=1--2",
        "",
        "bytes=٣-٤",  # digits, but none of HTTP
    ],
)
def test_what_is_not_one_range_is_the_whole(root: Path, field: str) -> None:
    answer = get(root, "/a.txt", HTTP_RANGE=field)
    assert (answer.code, answer.body) == (200, TEXT)


@pytest.mark.parametrize("field", ["bytes=100-", "bytes=100-200", "bytes=-0", f"bytes={'9' * 5000}-"])
def test_a_range_behind_the_end_is_416(root: Path, field: str) -> None:
    answer = get(root, "/a.txt", HTTP_RANGE=field)
    assert (answer.code, answer.get("Content-Range")) == (416, "bytes */100")


def test_ranges_of_nothing(root: Path) -> None:
    assert get(root, "/none", HTTP_RANGE="bytes=0-").code == 416
    assert get(root, "/none", HTTP_RANGE="bytes=-5").code == 200


def test_head_has_no_ranges(root: Path) -> None:
    assert get(root, "/a.txt", HTTP_RANGE="bytes=0-1", method="HEAD").get("Content-Length") == "100"


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("TAG", 206),
        ("W/TAG", 200),
        ('"other"', 200),
        ("Tue, 14 Nov 2023 22:13:20 GMT", 206),
        ("Tue, 14 Nov 2023 22:13:21 GMT", 200),
        ("no date", 200),
    ],
)
def test_if_range(root: Path, condition: str, code: int) -> None:
    sent = condition.replace("TAG", tag_of(root))
    assert get(root, "/a.txt", HTTP_RANGE="bytes=0-1", HTTP_IF_RANGE=sent).code == code
    # It asks for a part; one that cannot be had is the whole then, and no 416.
    behind = get(root, "/a.txt", HTTP_RANGE="bytes=100-", HTTP_IF_RANGE=sent)
    assert behind.code == (416 if code == 206 else 200)


def test_a_date_of_this_second_is_no_strong_validator(root: Path) -> None:
    os.utime(root / "a.txt")
    date = get(root, "/a.txt").get("Last-Modified") or ""
    ahead = os.stat(root / "a.txt").st_mtime + 100
    os.utime(root / "a.txt", (ahead, ahead))
    assert get(root, "/a.txt", HTTP_RANGE="bytes=0-1", HTTP_IF_RANGE=date).code == 200


def test_a_part_is_read_and_nothing_else(root: Path) -> None:
    with (root / "big").open("wb") as file:
        file.truncate(2**40)
    answer = get(root, "/big", HTTP_RANGE=f"bytes={2**39}-{2**39 + 9}")
    assert (answer.code, answer.body) == (206, bytes(10))


# ---- Servers ---------------------------------------------------------------------------------------


class Noted:
    """A wsgi.file_wrapper."""

    def __init__(self, file: Any, size: int = 8192) -> None:
        self.file = file
        self.size = size
        self.close = file.close

    def __iter__(self) -> Any:
        return iter(lambda: self.file.read(self.size), b"")


def test_a_server_that_sends_descriptors_finds_position_and_end(root: Path) -> None:
    answer = ask(
        Staticfile(root), "/a.txt", valid=False, HTTP_RANGE="bytes=10-19", **{"wsgi.file_wrapper": Noted}
    )
    assert answer.body == TEXT[10:20]
    file = answer.result.file
    assert isinstance(file, io.FileIO) and file.closed


@pytest.mark.parametrize("how", ["read", "readall", "readinto", "buffered"])
def test_every_way_to_read_ends_with_the_part(root: Path, how: str) -> None:
    environ = {"HTTP_RANGE": "bytes=10-19", "REQUEST_METHOD": "GET", "PATH_INFO": "/a.txt"}
    wrapper = Staticfile(root)({**environ, "wsgi.file_wrapper": Noted}, lambda *given: None)
    with wrapper.file as file:
        if how == "readinto":
            buffer = bytearray(50)
            assert file.readinto(buffer) == 10
            data = bytes(buffer[:10])
        elif how == "buffered":
            with io.BufferedReader(file) as buffered:
                data = buffered.read()
        else:
            data = getattr(file, how)()
        assert data == TEXT[10:20]


def test_a_file_that_grows_meanwhile_ends_where_its_length_said(root: Path) -> None:
    head: list[Any] = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/a.txt"}
    result = Staticfile(root)(environ, lambda *given: head.append(given))
    with (root / "a.txt").open("ab") as file:
        file.write(b"more")
    assert b"".join(result) == TEXT
    result.close()


def test_no_descriptor_is_left_open(root: Path) -> None:
    def count() -> int:
        return len(os.listdir("/dev/fd"))

    before = count()
    asked = [{}, {"HTTP_RANGE": "bytes=1000-"}, {"HTTP_IF_NONE_MATCH": "*"}, {"HTTP_IF_MATCH": '"x"'}]
    for path in ("/a.txt", "/sub", "/sub/", "/missing", "/a.txt/", "/empty/", "/none"):
        for fields in asked:
            get(root, path, **fields)
            get(root, path, method="HEAD", **fields)
    assert count() == before
