"""What the author of an application is shown of an exception."""

from __future__ import annotations

import types

from fapws import tracebacks
from fapws.wsgi import traceback_page


def module(name: str, source: str) -> types.ModuleType:
    made = types.ModuleType(name)
    exec(compile(source, f"/{name}.py", "exec"), made.__dict__)
    return made


def raised(call: object) -> BaseException:
    try:
        call()  # type: ignore[operator]
    except BaseException as error:
        error.__traceback__ = error.__traceback__.tb_next if error.__traceback__ else None
        return error
    raise AssertionError("nothing was raised")


ours = module("fapws.wsgi.some", "def call(function):\n    function()\n")
theirs = module("site", "def fail():\n    1 / 0\ndef use(call):\n    call(fail)\n")


def first_file(error: BaseException) -> str:
    lines = [line for line in tracebacks.text_of(error).splitlines() if line.startswith('  File "')]
    return lines[0].split('"')[1]


def test_frames_of_ours_in_front_are_left_out_and_later_ones_stay() -> None:
    error = raised(types.FunctionType(ours.call.__code__, ours.__dict__, argdefs=(theirs.fail,)))
    assert first_file(error) == "/site.py"
    use = types.FunctionType(theirs.use.__code__, theirs.__dict__, argdefs=(ours.call,))
    text = tracebacks.text_of(raised(use))
    assert text.index("/site.py") < text.index("/fapws.wsgi.some.py"), "the application came first"


def test_contrib_is_the_applications() -> None:
    contrib = module("fapws.contrib.some", "def call(function):\n    function()\n")
    error = raised(types.FunctionType(contrib.call.__code__, contrib.__dict__, argdefs=(theirs.fail,)))
    assert first_file(error) == "/fapws.contrib.some.py"


def test_an_error_of_ours_alone_is_shown_whole() -> None:
    error = raised(types.FunctionType(ours.call.__code__, ours.__dict__, argdefs=(None,)))
    assert first_file(error) == "/fapws.wsgi.some.py"


AGAIN = """
def fail(): 1 / 0
def elsewhere(): 1 / 0
def handled(first, second, times):
    try:
        handled(first, second, times - 1) if times else first()
    except ZeroDivisionError:
        second()
"""


def test_an_exception_that_is_raised_again_while_it_is_handled_is_shown_once() -> None:
    """Each of Django's middlewares asks a urls.py that cannot be imported for an error page."""
    site = module("again", AGAIN)
    error = raised(lambda: site.handled(site.fail, site.fail, 7))
    text = tracebacks.text_of(error)
    assert text.startswith("(raised 9 times, each time while it was handled; the first is shown)\nTraceback ")
    assert text.count("ZeroDivisionError") == 1
    assert len(traceback_page._chain(error)) == 1


def test_equal_exceptions_of_several_places_are_all_shown() -> None:
    site = module("again", AGAIN)
    error = raised(lambda: site.handled(site.fail, site.elsewhere, 0))
    assert tracebacks.text_of(error).count("ZeroDivisionError") == 2
    assert len(traceback_page._chain(error)) == 2


def test_one_file_is_left_out_everywhere_its_causes_too() -> None:
    loader = module(
        "loader",
        "def load(fail):\n    try:\n        fail()\n    except ZeroDivisionError as error:\n"
        "        raise KeyError from error\n",
    )
    error = raised(types.FunctionType(loader.load.__code__, loader.__dict__, argdefs=(theirs.fail,)))
    text = tracebacks.text_without(error, "/loader.py")
    assert "/loader.py" not in text
    assert "/site.py" in text
    assert "direct cause" in text
