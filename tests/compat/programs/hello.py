"""The shortest program for fapws4."""


def hello(environ, start_response):
    return "Hello world!!"


PATHS = [("/", hello)]
SERVER = "127.0.0.1:0"
