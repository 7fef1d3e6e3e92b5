"""The applications of the bench. Every WSGI server runs this file.

`application` states its Content-Length, as Flask and Django do. bjoern and uWSGI do not work out
the length of an answer by themselves: bjoern then sends two small packets a request and waits 40 ms
for the client's delayed ACK between them, uWSGI keeps the connection open without saying where the
answer ends. Timing that would not be timing them at their work. `bare` leaves the length to the
server; the workload of that name shows what each of them makes of it.
"""


def application(environ, start_response):  # type: ignore[no-untyped-def]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "12")])
    return [b"Hello world!"]


def bare(environ, start_response):  # type: ignore[no-untyped-def]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello world!"]
