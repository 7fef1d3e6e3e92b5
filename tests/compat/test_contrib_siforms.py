"""fapws.contrib.siforms: what is shown is escaped, what is entered is checked and shown again."""

from __future__ import annotations

import datetime
import html.parser
from typing import Any

import pytest
import requests
from support.server import Server

from fapws.contrib.multipart import Upload
from fapws.contrib.siforms import forms, widgets
from fapws.contrib.siforms.widgets import EMPTY

HOSTILE = "\"'><script>alert(1)</script>&amp;"


class Elements(html.parser.HTMLParser):
    """The elements of a page, as a browser sees them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute twice: {attrs}"
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of each element of a kind."""
        return [attrs for name, attrs in self.found if name == tag]


def control(widget: widgets.Widget, value: Any = None, name: str = "n") -> dict[str, str | None]:
    """The attributes of the one input."""
    (found,) = Elements(widget.render(name, value)).all("input")
    return found


class Order(forms.Form):
    """One of each."""

    title = widgets.Text("Title", required=True, class_="wide")
    secret = widgets.Password("Secret")
    note = widgets.Area("Note")
    count = widgets.Integer("Count", default=7)
    agreed = widgets.Check("Agreed")
    colour = widgets.Dropdown("Colour", options=[(-1, "----"), (1, "red"), (2, "blue")])
    size = widgets.Radio("Size", options=[("s", "small"), ("l", "large")], default="s")
    day = widgets.Date("Day")
    time = widgets.DateTime("Time")
    token = widgets.Hidden(default="t")
    file = widgets.File("File")
    send = widgets.Submit("Send")


# ---- Showing ---------------------------------------------------------------------------------------


def test_every_widget_is_shown_in_its_order() -> None:
    page = Elements(Order(action="/order", id="f").render_form())
    assert page.all("form") == [
        {"action": "/order", "method": "post", "enctype": "multipart/form-data", "id": "f"}
    ]
    kinds = [attrs.get("type", "text") for attrs in page.all("input")]
    assert " ".join(map(str, kinds)) == (
        "text password text checkbox radio radio date text hidden file submit"
    )
    assert [attrs["name"] for attrs in page.all("textarea") + page.all("select")] == ["note", "colour"]


def test_a_label_points_to_its_control() -> None:
    page = Elements(Order().render_form())
    ids = {attrs["id"] for _, attrs in page.found if "id" in attrs}
    assert {attrs["for"] for attrs in page.all("label") if "for" in attrs} <= ids
    assert 'class="required"' in widgets.Text("L", required=True).render("n")
    assert widgets.Text("L", id="own").id("n") == "own"


@pytest.mark.parametrize(
    "widget",
    [
        widgets.Text(HOSTILE, title=HOSTILE),
        widgets.ReadonlyText(HOSTILE),
        widgets.Password(HOSTILE),
        widgets.Hidden(HOSTILE),
        widgets.Integer(HOSTILE),
        widgets.Area(HOSTILE),
        widgets.Check(HOSTILE),
        widgets.Dropdown(HOSTILE, options=[(HOSTILE, HOSTILE)]),
        widgets.Radio(HOSTILE, options=[(HOSTILE, HOSTILE)]),
        widgets.Date(HOSTILE),
        widgets.DateTime(HOSTILE),
        widgets.File(HOSTILE),
        widgets.Submit(HOSTILE),
    ],
    ids=lambda widget: type(widget).__name__,
)
def test_nothing_breaks_out(widget: widgets.Widget) -> None:
    class One(forms.Form):
        field = widget

    form = One(action=HOSTILE, title=HOSTILE)
    form.entered, form.errors = {"field": HOSTILE}, {"field": [HOSTILE]}
    form.submit([(HOSTILE, HOSTILE, {"title": HOSTILE})])
    page = form.render_form()
    assert "<script" not in page
    assert Elements(page).all("script") == []
    assert Elements(page).all("form")[0]["action"] == HOSTILE
    Elements(widget.render(HOSTILE, HOSTILE))


@pytest.mark.parametrize("name", ["on click", "a=b", "", "x>", "1a", "a\n"])
def test_a_name_that_is_no_attribute_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name of an attribute"):
        widgets.Text("L", **{name: "x"})
    with pytest.raises(ValueError, match="no name of an attribute"):
        forms.Form(**{name: "x"})


def test_values_are_shown_again_and_secrets_are_not() -> None:
    assert control(widgets.Text(default="d"))["value"] == "d"
    assert control(widgets.Text(default="d"), "")["value"] == ""
    assert control(widgets.Text(), "a\tb")["value"] == "a\tb"
    assert "value" not in control(widgets.Password(default="d"), "secret")
    assert "value" not in control(widgets.File(), "x")
    assert "checked" in control(widgets.Check(default=True))
    assert "checked" not in control(widgets.Check(default=True), "")
    # The line end behind the tag is the tag's; one of the text is not lost by it.
    assert ">\n\nx</textarea>" in widgets.Area().render("n", "\nx")
    options = Elements(Order.datas["colour"].render("n", "2")).all("option")
    assert [option["value"] for option in options if "selected" in option] == ["2"]
    radios = Elements(Order.datas["size"].render("n")).all("input")
    assert [radio["value"] for radio in radios if "checked" in radio] == ["s"]


# ---- Checking --------------------------------------------------------------------------------------


def entered(**given: Any) -> dict[str, Any]:
    return {"title": ["T"], **{name: [value] for name, value in given.items()}}


def test_what_was_right_is_converted() -> None:
    form = Order()
    given = entered(count=" 12 ", agreed="1", colour="2", size="l", note="n\r\nm")
    assert form.validate({**given, "day": ["2026-02-28"], "time": ["2026-02-28 10:11:12"]})
    assert form.errors == {}
    assert form.values == {
        "title": "T",
        "secret": "",
        "note": "n\r\nm",
        "count": 12,
        "agreed": True,
        "colour": 2,
        "size": "l",
        "day": datetime.date(2026, 2, 28),
        "time": datetime.datetime(2026, 2, 28, 10, 11, 12),
        "token": "",
        "file": None,
    }


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("title", "", EMPTY),
        ("title", "  ", EMPTY),
        ("title", "a\nb", "Value must be one line"),
        ("count", "1.5", "Value is not an integer"),
        ("count", "9" * 5000, "Value is not an integer"),
        ("count", "٣", "Value is not an integer"),
        ("colour", "3", "Value not in the list"),
        ("size", "m", "Value not in the list"),
        ("day", "2026-02-30", "Date must have the format yyyy-mm-dd"),
        ("time", "2026-02-28", "Date must have the format yyyy-mm-dd HH:MM:SS"),
    ],
)
def test_what_is_wrong_is_said_beside_what_was_entered(name: str, value: str, error: str) -> None:
    form = Order()
    assert not form.validate(entered(**{name: value}))
    assert form.errors == {name: [error]} and name not in form.values
    page = form.render_form([name])
    assert f'<ul class="errorlist"><li>{error}</li></ul></li>' in page and '<li class="error">' in page
    if name in ("title", "count") and "\n" not in value:
        assert Elements(page).all("input")[0]["value"] == value


def test_required_choices_must_be_made() -> None:
    assert widgets.Dropdown(options=[(-1, "-"), (1, "a")], required=True).isvalid("-1") == [EMPTY]
    assert widgets.Check(required=True).isvalid("") == [EMPTY]
    assert widgets.File(required=True).isvalid(Upload("", "", None)) == [EMPTY]
    assert widgets.File(required=True).isvalid(Upload("x", "", None)) == []


def test_a_file_sent_for_a_text_and_a_text_sent_for_a_file_are_nothing() -> None:
    class Both(forms.Form):
        title = widgets.Text(required=True)
        file = widgets.File(required=True)
        note = widgets.Area()

    form = Both()
    file = Upload("x", "", None)
    assert not form.validate({"title": [file], "file": ["x"], "note": [file]})
    assert form.errors == {"title": [EMPTY], "file": [EMPTY]}
    assert form.values == {"note": ""}
    assert "object at" not in form.render_form()


def test_a_validator_says_it_as_it_likes() -> None:
    def raising(value: Any) -> None:
        raise ValueError("bad")

    for validator, errors in [
        (lambda value: None, []),
        (lambda value: "", []),
        (lambda value: "no", ["no"]),
        (lambda value: ["no", "never"], ["no", "never"]),
        (raising, ["bad"]),
    ]:
        assert widgets.Text(validator=validator).isvalid("x") == errors
    assert widgets.Integer(validator=lambda value: "odd" if value % 2 else None).isvalid("3") == ["odd"]
    assert widgets.Text(validator=raising).isvalid("") == []


def test_values_without_lists_are_taken_as_in_fapws3() -> None:
    form = Order()
    assert form.validate({"title": "T", "colour": 1, "count": 4}, ["title", "colour", "count"])
    assert form.values == {"title": "T", "colour": 1, "count": 4}


def test_only_the_names_asked_for_count() -> None:
    form = Order()
    assert form.validate({}, ["note"]) and form.values == {"note": ""}
    assert Elements(form.render_form(["note"])).all("input") == []
    assert "enctype" not in Elements(form.render_form(["note"])).all("form")[0]


# ---- Classes ---------------------------------------------------------------------------------------


def test_options_of_one_form_are_not_those_of_another() -> None:
    one = Order()
    one.colour.options = [(9, "own")]
    assert one.validate({"colour": "9"}, ["colour"])
    assert not Order().validate({"colour": "9"}, ["colour"])


def test_a_form_inherits_and_may_name_fapws3s_metaclass() -> None:
    class More(Order, metaclass=forms.FormFactory):
        extra = widgets.Text("Extra")

    assert list(More().widgets) == [*Order().widgets, "extra"]
    assert "extra" not in Order().widgets


def test_a_widget_that_would_hide_something_of_the_form_is_refused() -> None:
    for name in ("values", "errors", "validate", "action"):
        with pytest.raises(TypeError, match=name):
            type("Bad", (forms.Form,), {name: widgets.Text()})


def test_buttons_as_in_fapws3() -> None:
    form = Order()
    form.submit([("send", "bt1", ""), ("cancel", "bt2")])
    shown = Elements(form.render_form([])).all("input")
    assert [(attrs["value"], attrs["name"]) for attrs in shown] == [("send", "bt1"), ("cancel", "bt2")]


def test_a_token_is_of_its_session() -> None:
    token = forms.csrf_token(b"secret", "me")
    assert forms.csrf_valid(b"secret", "me", token)
    assert not forms.csrf_valid(b"other", "me", token)
    assert not forms.csrf_valid(b"secret", "you", token)
    assert not forms.csrf_valid(b"secret", "me", "\ud800é")


# ---- A real server ---------------------------------------------------------------------------------

PROGRAM = """
from fapws.contrib import multipart
from fapws.contrib.siforms import forms, widgets

class Order(forms.Form):
    title = widgets.Text("Title", required=True)
    count = widgets.Integer("Count")

class Upload(forms.Form):
    file = widgets.File("File", required=True)

def order(environ, start_response):
    form = Order(action="/order")
    if environ["REQUEST_METHOD"] == "POST" and form.validate(environ["fapws.params"]):
        return "title=" + form.values["title"]
    return form.render_form()

def upload(environ, start_response):
    form = Upload(action="/upload")
    if environ["REQUEST_METHOD"] == "POST":
        with multipart.parse(environ) as content:
            if form.validate(content.getvalue()):
                return "got " + form.values["file"].filename
    return form.render_form()

PATHS = [("/order", order), ("/upload", upload)]
"""


def test_a_form_is_filled_in_by_a_client() -> None:
    with Server(PROGRAM) as server:
        first = requests.get(f"{server.url}/order", timeout=30)
        assert "errorlist" not in first.text and Elements(first.text).all("form")[0]["action"] == "/order"
        again = requests.post(f"{server.url}/order", data={"title": "", "count": "né<"}, timeout=30)
        assert again.text.count("errorlist") == 2
        assert Elements(again.text).all("input")[1]["value"] == "né<"
        done = requests.post(f"{server.url}/order", data={"title": "é&", "count": "1"}, timeout=30)
        assert done.text == "title=é&"
        sent: Any = {"files": {"file": ("x.txt", b"content")}, "timeout": 30}
        assert requests.post(f"{server.url}/upload", **sent).text == "got x.txt"
        nothing: Any = {"files": {"file": ("", b"")}, "timeout": 30}
        assert EMPTY in requests.post(f"{server.url}/upload", **nothing).text


# ---- What fapws3's had besides -------------------------------------------------------------------


def test_every_widget_of_fapws3_is_there() -> None:
    names = "Widget Text ReadonlyText Hidden Integer Area Check Boolean Password Dropdown Foreignkey Date"
    for name in (*names.split(), "DateTime", "File", "jFile", "makeid"):
        assert hasattr(widgets, name), name
    assert widgets.Text("a", required=True).isrequired("") == [widgets.EMPTY]
    assert widgets.Text("a", required=True).isrequired("b") == widgets.Text("a").isrequired("") == []


def test_a_foreign_key_leads_to_where_one_can_be_added() -> None:
    key = widgets.Foreignkey("Shop", options=[(1, "one")])
    assert "<a" not in key.render("shop", "1") and key.render("shop", "1").count("selected") == 1
    key.url_other_table = '/shops/add?a="b"'
    assert '<a href="/shops/add?a=&quot;b&quot;&amp;_open=popup" target="_blank" rel="opener">+</a>' in (
        key.render("shop", "1")
    )
    key.url_other_table = "/shops/add"
    assert 'href="/shops/add?_open=popup"' in key.render("shop", "1")


def test_a_file_for_a_script_is_a_line_of_text_with_a_handle() -> None:
    shown = widgets.jFile("File").render("file", "a<b")
    assert 'value="a&lt;b"' in shown and shown.endswith('<a id="em">+</a>')


def test_records_are_shown_as_a_table_whose_first_column_leads_to_each() -> None:
    class Shop(forms.Form, metaclass=forms.FormFactory):
        name = widgets.Text("Name")
        count = widgets.Integer("Count")
        _html_list = ("name", "count")
        _dbkey = ("id", "part")

    form = Shop()
    form.widgets["count"].list_attrs["class_"] = "number"
    shown = form.render_list([{"id": "a/b", "part": 2, "name": "<one>", "count": None}])
    assert '<td><a href="/admin/edit/Shop/a%2Fb/2">&lt;one&gt;</a></td><td class="number"></td>' in shown
    assert "<th>name</th><th>count</th>" in shown
    Shop._dbkey = ()
    assert "<a" not in Shop().render_list([{"name": "x", "count": 1}])
