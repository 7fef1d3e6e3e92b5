"""The parts of a form. Each knows how to show itself, what it takes, and what it makes of it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

Validator = Callable[[Any], Any]

_ATTRIBUTE = re.compile(r"[A-Za-z_:][-A-Za-z0-9_:.]*")
# Python looks for strptime()'s module when it is first used, in a chroot in vain.
datetime.datetime.strptime("2000", "%Y")

EMPTY = "Value cannot be empty"


def attributes(given: dict[str, Any]) -> str:
    """HTML attributes, escaped, each with a blank before it. ``class_`` is ``class``; True stands for an
    attribute without value, None and False for none. Raises ValueError for what is no name."""
    pieces = []
    for key, value in given.items():
        name = key.rstrip("_")
        if _ATTRIBUTE.fullmatch(name) is None:
            raise ValueError(f"{key!r} is no name of an attribute")
        if value is True:
            pieces.append(f" {name}")
        elif value is not None and value is not False:
            pieces.append(f' {name}="{escape(str(value))}"')
    return "".join(pieces)


def make_id(name: str) -> str:
    """The id of a control: its name, with _ for signs that not every program understands."""
    return "id_" + re.sub(r"[^A-Za-z0-9_-]", "_", name)


makeid = make_id
"""fapws3's name of it."""


class Widget:
    """What widgets have in common: a line of text.

    label: text in front. required: it must not be left empty. default: what is shown until something is
    entered. validator: called with the converted value, says what is wrong (a str or a list of them) or
    raises ValueError with it. Everything else becomes an attribute of the control (``class_`` for class).
    """

    type = "text"
    nothing: Any = ""
    """What the program gets when nothing was entered."""
    takes_file = False
    """Whether what it takes is an Upload of fapws.contrib.multipart, or alike, instead of text."""

    def __init__(
        self,
        label: str = "",
        required: bool = False,
        default: Any = "",
        validator: Validator | None = None,
        **params: Any,
    ) -> None:
        attributes(params)  # a wrong name fails where the program wrote it
        self.label = label
        self.required = required
        self.default = default
        self.validator = validator
        self.params = params
        self.label_attr: dict[str, Any] = {}
        self.list_attrs: dict[str, Any] = {}
        """Attributes of the cells of Form.render_list()."""

    # ---- Showing ---------------------------------------------------------------------------------

    def render(self, name: str, value: Any = None) -> str:
        """Label and control; value: what was entered, None if nothing was asked yet."""
        return self.getlabel(name) + self.control(name, self.default if value is None else value)

    def getlabel(self, name: str) -> str:
        """The label, or nothing."""
        if not self.label:
            return ""
        more = dict(self.label_attr)
        if self.required:
            key = "class_" if "class_" in more else "class"
            more[key] = f"{more.get(key, '')} required".strip()
        return f'<label for="{escape(self.id(name))}"{attributes(more)}>{escape(self.label)}</label>'

    def id(self, name: str) -> str:
        """The control's id, to which the label points."""
        return str(self.params.get("id", make_id(name)))

    def control(self, name: str, value: Any) -> str:
        """The control alone."""
        return f"<input{self.common(name, type=self.type, value=value)}>"

    def common(self, name: str, **first: Any) -> str:
        """The attributes that every control has."""
        own = {"name": name, "id": self.id(name), **first, "required": self.required, **self.params}
        return attributes(own)

    # ---- Taking ----------------------------------------------------------------------------------

    def entered(self, given: Any) -> Any:
        """One value of what ``fapws.params`` has for the name (a list, or a value as in fapws3)."""
        if isinstance(given, (list, tuple)):
            given = given[0] if given else ""
        # A client may send a file for a text and a text for a file: neither is what was asked for.
        return given if given is not None and hasattr(given, "filename") == self.takes_file else ""

    def isempty(self, value: Any) -> bool:
        """Whether this counts as nothing entered."""
        return value is None or (isinstance(value, str) and not value.strip())

    def isrequired(self, value: Any) -> list[str]:
        """What is wrong with leaving a widget empty; empty if nothing is."""
        return [EMPTY] if self.required and self.isempty(value) else []

    def isvalid(self, value: Any) -> list[str]:
        """What is wrong with a value, in sentences; empty if nothing is."""
        if self.isempty(value):
            return self.isrequired(value)
        try:
            converted = self.convert(value)
            said = self.validator(converted) if self.validator is not None else None
        except ValueError as error:
            return [str(error)]
        return [said] if isinstance(said, str) and said else list(said or [])

    def convert(self, value: Any) -> Any:
        """What the program gets for a value that is not empty. Raises ValueError with a sentence."""
        return value


class Text(Widget):
    """One line of text."""

    def isvalid(self, value: Any) -> list[str]:
        if isinstance(value, str) and ("\n" in value or "\r" in value):
            return ["Value must be one line"]
        return super().isvalid(value)


class ReadonlyText(Text):
    """Text that is shown and sent and not changed; a client may do so all the same."""

    def __init__(self, *given: Any, **params: Any) -> None:
        super().__init__(*given, **{"readonly": True, **params})


class Password(Text):
    """A secret: never shown again."""

    type = "password"

    def control(self, name: str, value: Any) -> str:
        return super().control(name, None)


class Hidden(Widget):
    """A value that travels with the form; nothing keeps a client from changing it."""

    type = "hidden"

    def common(self, name: str, **first: Any) -> str:
        return attributes({"name": name, "id": self.id(name), **first, **self.params})


class Integer(Widget):
    """A whole number."""

    nothing = None

    def __init__(self, *given: Any, **params: Any) -> None:
        super().__init__(*given, **{"size": 5, "inputmode": "numeric", **params})

    def convert(self, value: Any) -> int:
        # 20 digits are enough for any key; more would only cost time.
        if not re.fullmatch(r"\s*[+-]?[0-9]{1,20}\s*", str(value)):
            raise ValueError("Value is not an integer")
        return int(str(value))


class Area(Widget):
    """Text of several lines."""

    def __init__(self, *given: Any, **params: Any) -> None:
        super().__init__(*given, **{"cols": 40, "rows": 10, **params})

    def control(self, name: str, value: Any) -> str:
        # The first line end belongs to the tag (HTML 13.1.2.5); so it does not eat one of the text.
        return f"<textarea{self.common(name)}>\n{escape(str(value))}</textarea>"


class Check(Widget):
    """A box to tick; the value is True or False."""

    nothing = False

    def control(self, name: str, value: Any) -> str:
        return f"<input{self.common(name, type='checkbox', value='1', checked=bool(value))}>"

    def isempty(self, value: Any) -> bool:
        return not value

    def convert(self, value: Any) -> bool:
        return bool(value)


Boolean = Check


class Dropdown(Widget):
    """One of several options: pairs (value, text). ``-1`` is no choice, as in fapws3."""

    def __init__(self, *given: Any, options: Iterable[tuple[Any, Any]] = (), **params: Any) -> None:
        super().__init__(*given, **params)
        self.options = list(options)

    def control(self, name: str, value: Any) -> str:
        lines = []
        for key, text in self.options:
            own = attributes({"value": key, "selected": str(key) == str(value)})
            lines.append(f"<option{own}>{escape(str(text))}</option>\n")
        return f"<select{self.common(name)}>\n{''.join(lines)}</select>"

    def isempty(self, value: Any) -> bool:
        return str(value) in ("", "-1") or value is None

    def convert(self, value: Any) -> Any:
        """The option's own value, not its text: 1 and not "1" if it was given as 1."""
        for key, _ in self.options:
            if str(key) == str(value):
                return key
        raise ValueError("Value not in the list")


class Foreignkey(Dropdown):
    """Options that are records of another table; url_other_table: where one can be added, in a window of its
    own. What fapws3 showed as an image of the program's is a plus sign."""

    def __init__(self, *given: Any, url_other_table: str = "", **params: Any) -> None:
        super().__init__(*given, **params)
        self.url_other_table = url_other_table

    def control(self, name: str, value: Any) -> str:
        shown = super().control(name, value)
        if self.url_other_table:
            address = self.url_other_table + ("&" if "?" in self.url_other_table else "?") + "_open=popup"
            shown += f'<a{attributes({"href": address, "target": "_blank", "rel": "opener"})}>+</a>'
        return shown


class Radio(Dropdown):
    """The same as buttons, all to be seen."""

    def getlabel(self, name: str) -> str:
        return f"<span{attributes(self.label_attr)}>{escape(self.label)}</span>" if self.label else ""

    def control(self, name: str, value: Any) -> str:
        lines = []
        for number, (key, text) in enumerate(self.options):
            own = {**self.params, "id": f"{self.id(name)}_{number}"}
            given = {"name": name, "type": "radio", "value": key, "checked": str(key) == str(value)}
            box = f"<input{attributes({**given, 'required': self.required, **own})}>"
            lines.append(f"<label>{box} {escape(str(text))}</label>\n")
        return "".join(lines)


class Date(Widget):
    """A day; the value is a ``datetime.date``."""

    type = "date"
    nothing = None

    def convert(self, value: Any) -> datetime.date:
        try:
            return datetime.datetime.strptime(str(value), "%Y-%m-%d").date()
        except ValueError:
            raise ValueError("Date must have the format yyyy-mm-dd") from None


class DateTime(Widget):
    """A moment; the value is a ``datetime.datetime``."""

    nothing = None

    def convert(self, value: Any) -> datetime.datetime:
        try:
            return datetime.datetime.strptime(str(value), "%Y-%m-%d %H:%M:%S")
        except ValueError:
            raise ValueError("Date must have the format yyyy-mm-dd HH:MM:SS") from None


class File(Widget):
    """A file, as ``fapws.contrib.multipart`` brings it; the form becomes multipart/form-data."""

    type = "file"
    nothing = None
    takes_file = True

    def control(self, name: str, value: Any) -> str:
        return super().control(name, None)  # no browser takes one

    def isempty(self, value: Any) -> bool:
        return not value or not (getattr(value, "filename", value) or getattr(value, "size", 0))


class jFile(Text):
    """The name of a file that a script of the page brings to the server; ``#em`` is for that script."""

    def control(self, name: str, value: Any) -> str:
        return super().control(name, value) + '<a id="em">+</a>'


class Submit(Widget):
    """The button; its label is the default."""

    type = "submit"

    def getlabel(self, name: str) -> str:
        return ""

    def control(self, name: str, value: Any) -> str:
        given = {"name": name, "id": self.id(name), "type": "submit", "value": self.default or self.label}
        return f"<input{attributes({**given, **self.params})}>"
