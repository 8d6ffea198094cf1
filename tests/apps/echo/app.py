"""Gives back what belongs to the request, in headers, several blocks and write()."""


def application(environ, start_response):
    token = environ["HTTP_X_TOKEN"]
    body = environ["wsgi.input"].read()
    write = start_response("200 OK", [("Content-Type", "text/plain"), ("X-Token", token)])
    write(f"{environ['PATH_INFO']}\n".encode("latin-1"))
    return iter([f"{token}\n".encode("latin-1"), body])
