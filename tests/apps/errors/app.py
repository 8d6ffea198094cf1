"""Writes the text of the query string to wsgi.errors and elsewhere."""

import sys


def application(environ, start_response):
    text = environ["QUERY_STRING"]
    if environ["PATH_INFO"] == "/stdout":
        print(text, flush=True)
    elif environ["PATH_INFO"] == "/stderr":
        print(text, file=sys.stderr, flush=True)
    elif environ["PATH_INFO"] == "/lines":
        environ["wsgi.errors"].writelines([f"{text} one\n", f"{text} two\n"])
        environ["wsgi.errors"].flush()
    else:
        environ["wsgi.errors"].write(f"{text} caf\u00e9 \u20ac\n")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"written"]
