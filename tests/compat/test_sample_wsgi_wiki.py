"""conf/samples/wsgi_wiki: pages made, edited, linked, in conflict, and names that are none."""

from __future__ import annotations

import html
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from support.raw import fetch
from support.samples import SAMPLES, running
from support.server import Server


def form_of(page: requests.Response) -> dict[str, str]:
    """What a browser would send back unchanged."""
    version = re.findall('name="version" value="(.*?)"', page.text)[0]
    text = re.findall(r"<textarea[^>]*>\n(.*?)</textarea>", page.text, re.DOTALL)[0]
    return {"version": version, "text": html.unescape(text)}


def test_wsgi_wiki_page_is_made_edited_and_shown(tmp_path: Path, browser: requests.Session) -> None:
    with running("wsgi_wiki/wiki.py", tmp_path, WIKI=str(tmp_path / "wiki")) as server:
        url = server.url
        assert browser.get(url + "/?name=First Page", timeout=30).url == url + "/edit/First-Page"
        form = form_of(browser.get(url + "/page/First-Page", timeout=30))
        assert form == {"version": "new", "text": ""}
        form["text"] = (
            "= Title & more\r\n\r\nSome *strong* words, [[First-Page]], [[Other]]\r\n"
            "https://example.org/a_b?c=1&d=*2*/.\r\n\r\n- one\r\n- <script>two</script>\r\n"
        )
        saved = browser.post(url + "/edit/First-Page", data=form, timeout=30)
        assert (saved.url, saved.status_code) == (url + "/page/First-Page", 200)
        assert "<h2>Title &amp; more</h2>" in saved.text
        assert "<strong>strong</strong>" in saved.text
        assert '<a href="/page/First-Page">First-Page</a>' in saved.text
        assert '<a href="/page/Other" class="missing">Other</a>' in saved.text
        assert '<a href="https://example.org/a_b?c=1&amp;d=*2*/">' in saved.text
        assert "<li>&lt;script&gt;two&lt;/script&gt;" in saved.text
        kept = form["text"].replace("\r\n", "\n")
        assert (tmp_path / "wiki" / "First-Page.txt").read_bytes() == kept.encode()
        assert '<a href="/page/First-Page">' in browser.get(url, timeout=30).text
        again = form_of(browser.get(url + "/edit/First-Page", timeout=30))
        assert again["text"] == kept
        assert "width=device-width" in saved.text

        tag = {"If-None-Match": saved.headers["ETag"]}
        assert browser.get(url + "/page/First-Page", headers=tag, timeout=30).status_code == 304
        browser.post(url + "/edit/Other", data={"version": "new", "text": "is here now"}, timeout=30)
        page = browser.get(url + "/page/First-Page", headers=tag, timeout=30)
        assert (page.status_code, 'class="missing"' in page.text) == (200, False)


def test_wsgi_wiki_conflict_loses_no_text(tmp_path: Path, browser: requests.Session) -> None:
    with running("wsgi_wiki/wiki.py", tmp_path, WIKI=str(tmp_path / "wiki")) as server:
        address = server.url + "/edit/Page"
        form = form_of(browser.get(address, timeout=30))
        browser.post(address, data={**form, "text": "faster"}, timeout=30)
        late = browser.post(address, data={**form, "text": "<slower>"}, timeout=30)
        assert late.status_code == 409
        assert "<pre>faster</pre>" in late.text
        joined = form_of(late)
        assert joined["text"] == "<slower>"
        both = browser.post(address, data={**joined, "text": "faster, slower"}, timeout=30)
        assert (both.status_code, "faster, slower" in both.text) == (200, True)


def test_wsgi_wiki_of_many_writers_at_once_one_wins(tmp_path: Path) -> None:
    program = SAMPLES / "wsgi_wiki" / "wiki.py"
    env = {"WIKI": str(tmp_path / "wiki"), "PYTHONDONTWRITEBYTECODE": "1"}
    with Server(program, options="workers = 2", env=env) as server:
        form = "Content-Type: application/x-www-form-urlencoded"

        def save(number: int) -> int:
            body = b"version=new&text=" + b"%d" % number * 20_000
            return fetch(server.address, "/edit/Page", form, method="POST", body=body).status

        with ThreadPoolExecutor(16) as writers:
            answers = list(writers.map(save, range(16)))
        assert sorted(answers) == [302] + [409] * 15
        winner = answers.index(302)
        assert (tmp_path / "wiki" / "Page.txt").read_text() == str(winner) * 20_000
        assert [path.name for path in (tmp_path / "wiki").iterdir() if path.suffix != ".txt"] == [".lock"]


def test_wsgi_wiki_takes_no_name_that_leaves_its_folder(tmp_path: Path) -> None:
    with running("wsgi_wiki/wiki.py", tmp_path, WIKI=str(tmp_path / "wiki")) as server:
        (tmp_path / "secret.txt").write_text("secret")
        form = ("Content-Type: application/x-www-form-urlencoded",)
        for name in ("..%2fsecret", "../secret", ".lock", "a/b", "a%00", "", "-a", "a" * 65, "%C3%A9"):
            assert fetch(server.address, f"/page/{name}").status == 404
            written = fetch(server.address, f"/edit/{name}", *form, method="POST", body=b"version=new&text=x")
            assert written.status == 404
        assert (tmp_path / "secret.txt").read_text() == "secret"
        cross = ("Sec-Fetch-Site: cross-site", *form)
        body = b"version=new&text=x"
        assert fetch(server.address, "/edit/a", *cross, method="POST", body=body).status == 403
        assert [path.name for path in (tmp_path / "wiki").iterdir() if path.suffix == ".txt"] == []
