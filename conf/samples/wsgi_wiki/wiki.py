"""A small wiki: pages are text files, editing takes a form and no JavaScript.

    fapws wiki.py                               # http://127.0.0.1:8888/
    WIKI=/srv/wiki fapws -w 2 wiki.py           # the folder of the pages; default: ./pages

Shows what a program needs that keeps what strangers write: names are checked before they become
file names, text is escaped before it becomes HTML, a page is replaced at once or not at all, and
whoever has edited an old version is told instead of undoing the work of others. There are no users
and no passwords: put a proxy in front that knows them, or keep it at home.

Markup: "= Title", "- list", *strong*, [[Page]], https://addresses; an empty line ends a paragraph.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import tempfile
from html import escape
from pathlib import Path

from fapws.contrib.headers import redirect

SERVER = "127.0.0.1:8888"
MAX_BODY_SIZE = 300_000  # bytes of a form; a page is less, because a form encodes it

FOLDER = Path(os.environ.get("WIKI", "pages")).absolute()
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")
NEW = "new"
"""The version of a page that is not there yet."""
HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    # No scripts, whatever somebody may find to smuggle into a page.
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"),
]
FRAME = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  body {{ max-width: 42rem; margin: auto; padding: 0 1rem 3rem; font: 1.1rem/1.5 sans-serif }}
  h1, p, li, pre {{ overflow-wrap: anywhere }}
  pre {{ white-space: pre-wrap }}
  textarea {{ box-sizing: border-box; width: 100%; height: 60vh; font: 1rem/1.4 monospace }}
  input, button {{ font-size: 1rem; padding: .4rem .8rem }}
  a.missing {{ color: #b00020 }}
</style>
<nav><a href="/">All pages</a></nav>
<h1>{title}</h1>
{body}
</html>
"""
NEW_PAGE = """\
<form>{}<input name="name" aria-label="Name of a page" required> <button>New page</button></form>
"""
FORM = """\
<form method="post">
<input type="hidden" name="version" value="{version}">
<p><textarea name="text" aria-label="Text of the page">
{text}</textarea>
<p><button>Save</button>
</form>
"""


# ---- What is served ------------------------------------------------------------------------------


def index(environ, start_response):
    """All pages, and a field for the name of a new one. It is the only thing right below /."""
    if environ["PATH_INFO"]:
        return not_found(start_response)
    wanted = environ["fapws.params"].get("name", [""])[0].strip().replace(" ", "-")
    if NAME.fullmatch(wanted):
        return redirect(start_response, f"/edit/{wanted}")
    problem = "<p>A name is made of up to 64 of A-Z, a-z, 0-9, - and _.\n" if wanted else ""
    pages = "".join(f'<li><a href="/page/{name}">{name}</a>\n' for name in page_names())
    start_response("200 OK", HEADERS)
    return FRAME.format(title="Pages", body=f"<ul>\n{pages}</ul>\n{NEW_PAGE.format(problem)}")


def page(environ, start_response):
    """A page as HTML; 304 for a browser that has this version already."""
    name = environ["PATH_INFO"]
    if not NAME.fullmatch(name):
        return not_found(start_response)
    text, version = load(name)
    if version == NEW:
        return redirect(start_response, f"/edit/{name}")
    # A page looks different when a page it links to appears, so those count as well.
    missing = [linked for linked in LINK.findall(text) if not path_of(linked).exists()]
    tag = f'"{version_of(f"{version} {missing}")}"'
    headers = [*HEADERS, ("ETag", tag), ("Cache-Control", "no-cache")]
    if environ.get("HTTP_IF_NONE_MATCH") == tag:
        start_response("304 Not Modified", headers[2:])
        return []
    start_response("200 OK", headers)
    return FRAME.format(title=name, body=to_html(text) + f'<p><a href="/edit/{name}">Edit</a>\n')


def edit(environ, start_response):
    """GET shows the form, POST saves it: 409 with both texts if somebody else was faster."""
    name = environ["PATH_INFO"]
    if not NAME.fullmatch(name):
        return not_found(start_response)
    if environ["REQUEST_METHOD"] == "POST":
        return save_form(name, environ, start_response)
    text, version = load(name)
    start_response("200 OK", [*HEADERS, ("Cache-Control", "no-store")])
    return FRAME.format(title=name, body=FORM.format(version=version, text=escape(text)))


def save_form(name, environ, start_response):
    """What the form sent; browsers write CR LF at the ends of lines."""
    # A form on somebody else's site must not write here in the name of our visitors.
    if environ.get("HTTP_SEC_FETCH_SITE", "none") not in ("none", "same-origin"):
        start_response("403 Forbidden", HEADERS)
        return FRAME.format(title="Not from another site", body="")
    form = environ["fapws.params"]
    text = "".join(form.get("text", [])).replace("\r\n", "\n")
    if save(name, text, based_on="".join(form.get("version", []))):
        return redirect(start_response, f"/page/{name}")
    theirs, version = load(name)
    start_response("409 Conflict", HEADERS)
    told = (
        "<p>Somebody has saved this page while you were writing. What stands there now is shown below "
        "your text: put together what belongs together, and save again.\n"
    )
    body = told + FORM.format(version=version, text=escape(text)) + f"<pre>{escape(theirs)}</pre>\n"
    return FRAME.format(title=name, body=body)


def not_found(start_response):
    """What is no address here, or a name that could not be a page's."""
    start_response("404 Not Found", HEADERS)
    return FRAME.format(title="There is no such page", body="")


# ---- Pages and files -----------------------------------------------------------------------------


def path_of(name):
    """The file of a page; its name has been checked against NAME, so it stays in the folder."""
    return FOLDER / f"{name}.txt"


def page_names():
    """Every page there is, by its name."""
    return sorted(path.stem for path in FOLDER.glob("*.txt") if NAME.fullmatch(path.stem))


def version_of(text):
    """Two texts have the same version only if they are the same."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def load(name):
    """A page's text and version."""
    try:
        text = path_of(name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return "", NEW
    return text, version_of(text)


def save(name, text, based_on):
    """Replaces a page, or says False if it is not the version any more that the text is based on.

    The lock holds between workers; the new file takes the old one's place in one step, so that
    readers see the one or the other, and a full disk leaves the old one.
    """
    with locked():
        if load(name)[1] != based_on:
            return False
        with tempfile.NamedTemporaryFile("w", dir=FOLDER, encoding="utf-8", newline="", delete=False) as file:
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                os.replace(file.name, path_of(name))
            except BaseException:
                os.unlink(file.name)
                raise
        return True


@contextlib.contextmanager
def locked():
    """One writer at a time."""
    with open(FOLDER / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# ---- Markup --------------------------------------------------------------------------------------

LINK = re.compile(r"\[\[([A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?)\]\]")
ADDRESS = re.compile(r"https?://(?:[^\s<>&\";]|&amp;)+(?<![.,:!?)])")
"""In escaped text, where only &amp; can be part of an address; without the mark that ends a sentence."""
STRONG = re.compile(r"\*(\S[^*\n]*)\*")


def to_html(text):
    """A page's text as HTML. It is escaped first: everything after that only adds our own tags."""
    blocks = re.split(r"\n\s*\n", escape(text).strip())
    return "".join(block_to_html(block) for block in blocks if block)


def block_to_html(block):
    """A title, a list or a paragraph."""
    if block.startswith("= ") and "\n" not in block:
        return f"<h2>{line_to_html(block[2:])}</h2>\n"
    lines = block.split("\n")
    if all(line.startswith("- ") for line in lines):
        return "<ul>\n" + "".join(f"<li>{line_to_html(line[2:])}\n" for line in lines) + "</ul>\n"
    return f"<p>{line_to_html(block)}\n"


def line_to_html(line):
    """Links and strong words. An address is left alone by the rest, because it comes in between."""
    pieces, at = [], 0
    for found in ADDRESS.finditer(line):
        pieces += [words_to_html(line[at : found.start()]), f'<a href="{found[0]}">{found[0]}</a>']
        at = found.end()
    return "".join([*pieces, words_to_html(line[at:])])


def words_to_html(words):
    """Text without addresses."""
    return LINK.sub(link_to_html, STRONG.sub(r"<strong>\1</strong>", words))


def link_to_html(found):
    """A link to a page; one that is not there yet is shown in red."""
    name = found[1]
    kind = "" if path_of(name).exists() else ' class="missing"'
    return f'<a href="/page/{name}"{kind}>{name}</a>'


FOLDER.mkdir(parents=True, exist_ok=True)
PATHS = [("/page/", page), ("/edit/", edit), ("/", index)]
