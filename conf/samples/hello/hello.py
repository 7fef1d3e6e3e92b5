"""The smallest fapws4 program: `fapws hello.py`, then `curl -i http://127.0.0.1:8888/`.

PATHS lists what is served where; the first prefix that matches wins. A function gets the WSGI
environ and start_response. It need not call the latter: the response is then 200, text/html.
"""

SERVER = "127.0.0.1:8888"


def hello(environ, start_response):
    """Responds to every request with the same line."""
    return "Hello world!!"


PATHS = [("/", hello)]
