"""A form: widgets as attributes of a class, shown and checked together."""

from __future__ import annotations

import copy
import hashlib
import hmac
from collections.abc import Iterable
from html import escape
from typing import Any, ClassVar
from urllib.parse import quote

from fapws.contrib.siforms.widgets import File, Submit, Widget, attributes


class FormFactory(type):
    """fapws3's metaclass, for programs that name it; Form does its work without."""


class Form:
    """A subclass has widgets as attributes; they are shown in the order in which they stand there.

    action, method and further attributes (``class_`` for class) are those of the form element. After
    validate(): ``values`` holds what was right, converted; ``entered`` all as it came, to be shown again;
    ``errors`` what was wrong, a list of sentences a name.
    """

    datas: ClassVar[dict[str, Widget]] = {}
    """The widgets of the class by name; each form has copies of its own."""

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Widget)}
        for name in own:
            if name in _TAKEN:
                raise TypeError(f"{cls.__name__}: a widget cannot be called {name!r}, a form has that itself")
        cls.datas = {**cls.datas, **own}

    def __init__(self, action: str = "", method: str = "post", **params: Any) -> None:
        attributes(params)
        self.action = action
        self.method = method
        self.params = params
        self.values: dict[str, Any] = {}
        self.entered: dict[str, Any] = {}
        self.errors: dict[str, list[str]] = {}
        self.submit_text = ""
        self.widgets: dict[str, Widget] = {}
        for name, widget in self.datas.items():
            self.widgets[name] = copy.copy(widget)  # so that options of one request are not those of all
            setattr(self, name, self.widgets[name])

    def validate(self, given: dict[str, Any], names: Iterable[str] | None = None) -> bool:
        """Checks what ``fapws.params`` or a multipart form brought; whether all of it is right."""
        self.values, self.entered, self.errors = {}, {}, {}
        for name in self._names(names):
            widget = self.widgets[name]
            if isinstance(widget, Submit):
                continue
            value = widget.entered(given.get(name, ""))
            self.entered[name] = value
            wrong = widget.isvalid(value)
            if wrong:
                self.errors[name] = wrong
            else:
                self.values[name] = widget.nothing if widget.isempty(value) else widget.convert(value)
        return not self.errors

    def submit(self, buttons: Iterable[tuple[Any, ...]]) -> None:
        """The buttons at the end: (value, name) or (value, name, dict of attributes)."""
        shown = []
        for value, name, *more in buttons:
            params = dict(more[0]) if more and more[0] else {}
            shown.append(f"<input{attributes({'type': 'submit', 'value': value, 'name': name, **params})}>")
        self.submit_text = f'<fieldset class="submit">{"".join(shown)}</fieldset>\n'

    def render_form(self, names: Iterable[str] | None = None) -> str:
        """The form as HTML: these widgets, or all."""
        names = self._names(names)
        own: dict[str, Any] = {"action": self.action, "method": self.method}
        if any(isinstance(self.widgets[name], File) for name in names):
            own["enctype"] = "multipart/form-data"
        lines = "".join(self._render_line(name) for name in names)
        head = f"<form{attributes({**own, **self.params})}>\n<fieldset>\n<ol>\n"
        return f"{head}{lines}</ol>\n</fieldset>\n{self.submit_text}</form>\n"

    def render_error(self, name: str) -> str:
        """What is wrong with a widget, as a list."""
        lines = "".join(f"<li>{escape(error)}</li>" for error in self.errors.get(name, ()))
        return f'<ul class="errorlist">{lines}</ul>' if lines else ""

    def render_list(self, records: Iterable[Any]) -> str:
        """Records, which are mappings, as a table of the columns in ``_html_list``, for programs of fapws3.

        The first column leads to ``/admin/edit/FORM/KEY``, the key made of the columns in ``_dbkey``.
        """
        columns: Iterable[str] = getattr(self, "_html_list", self.widgets)
        head = "".join(f"<th>{escape(name)}</th>" for name in columns)
        rows = "".join(self._render_record(record, columns) for record in records)
        top = f'<table class="tablesorter">\n<thead>\n<tr>{head}</tr>\n</thead>\n'
        return f"{top}<tbody>\n{rows}</tbody>\n</table>"

    def _render_record(self, record: Any, columns: Iterable[str]) -> str:
        key = "/".join(quote(str(record[name]), safe="") for name in getattr(self, "_dbkey", ()))
        cells: list[str] = []
        for name in columns:
            text = escape(str(record[name] if record[name] is not None else ""))
            if not cells and key:
                where = attributes({"href": f"/admin/edit/{type(self).__name__}/{key}"})
                text = f"<a{where}>{text}</a>"
            cells.append(f"<td{attributes(self.widgets[name].list_attrs)}>{text}</td>")
        return f"<tr>{''.join(cells)}</tr>\n"

    def _render_line(self, name: str) -> str:
        shown = self.widgets[name].render(name, self.entered.get(name))
        kind = ' class="error"' if name in self.errors else ""
        return f"<li{kind}>{shown}{self.render_error(name)}</li>\n"

    def _names(self, names: Iterable[str] | None) -> list[str]:
        return list(self.widgets if names is None else names)


_TAKEN = frozenset((*vars(Form), *vars(Form())))


def csrf_token(secret: bytes, session: str) -> str:
    """A token for a Hidden widget; it cannot be made without the secret.

    session: what tells this visitor from others, such as the id of the session.
    """
    return hmac.new(secret, session.encode("utf-8"), hashlib.sha256).hexdigest()


def csrf_valid(secret: bytes, session: str, token: object) -> bool:
    """Whether a token is that of the session; as quick for a wrong one as for a right one."""
    return hmac.compare_digest(csrf_token(secret, session).encode(), str(token).encode("utf-8", "replace"))
