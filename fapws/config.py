"""What a fapws3 or fapws4 program may change about its responses, by assigning to these names.

They are looked at with every request (access_log and strict_paths: once), and only for programs with
PATHS or fapws._evwsgi. The INI file and the command line are not here: see fapws.settings.
"""

from __future__ import annotations

from fapws import __version__

SERVER_IDENT = f"fapws/{__version__} fapws3/0.12"
"""Once changed, the Server field of responses that have none of their own; empty changes nothing.

It ends with the version of fapws3 whose interface this is: programs take a number from its last two
characters (Bottle's adapter: ``float(SERVER_IDENT[-2:]) > 0.4``)."""

access_log = False
"""Whether each response is told in a line of the "combined" format on standard error.

Looked at when the program begins to serve. Under the master an access_log of the INI file takes its place,
and the lines are in the error log."""

send_traceback_to_browser = False
"""Whether the client of a request that failed is sent the traceback (which is in the log anyway).

For development: a traceback shows strangers what is inside. fapws3 had True."""

send_traceback_short = "<h1>Error</h1>Please contact your administrator"
"""What the client is sent otherwise, as text/html in UTF-8, with status 500."""

strict_paths: bool | None = None
"""How requests find their route, looked at when run() is called, or when a script's PATHS were read.

True: by WSGI's rule, as ``strict_paths = yes`` in the INI file and ``fapws --strict-paths``, which are
stronger. False: by fapws3's rule, whatever is served. None: by fapws3's rule, but an application that others
wrote gets PATH_INFO with its slash also below a prefix that ends with one."""

date_format = "%a, %d %b %Y %H:%M:%S GMT"
"""How fapws.base and fapws.contrib write a time (UTC), as time.strftime() takes it.

The default is written as RFC 9110 5.6.7 wants it, with English names whatever the locale."""
