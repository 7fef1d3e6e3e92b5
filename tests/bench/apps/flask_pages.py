"""A page of Flask, without and with a session. Every WSGI server runs this file.

The responses count how often they are closed, and /closed tells it: PEP 3333 has a server call close()
of what an application returns, and Flask's own hooks for the end of a response hang on it.
"""

import flask


class Page(flask.Response):
    closed = 0

    def close(self):  # type: ignore[no-untyped-def]
        Page.closed += 1
        super().close()


def _make(hello):  # type: ignore[no-untyped-def]
    made = flask.Flask("bench")
    made.response_class = Page
    made.secret_key = "the same for every server"
    made.add_url_rule("/", view_func=hello)
    made.add_url_rule("/closed", "closed", lambda: str(Page.closed))
    return made


def _hello():  # type: ignore[no-untyped-def]
    return "Hello world!"


def _hello_again():  # type: ignore[no-untyped-def]
    flask.session["visits"] = flask.session.get("visits", 0) + 1
    return "Hello world!"


application = _make(_hello)
with_session = _make(_hello_again)
