"""Status lines and headers."""


def application(environ, start_response):
    how = environ["PATH_INFO"]
    if how == "/cookies":
        cookies = [("Set-Cookie", f"c{number}=v{number}; Path=/") for number in range(3)]
        start_response("200 OK", [("Content-Type", "text/plain"), *cookies, ("Link", "<a>"), ("Link", "<b>")])
        return [b"cookies"]
    if how == "/no-content":
        start_response("204 No Content", [])
        return []
    if how == "/not-modified":
        start_response("304 Not Modified", [("ETag", '"tag"')])
        return []
    if how == "/teapot":
        start_response("418 Short and Stout", [("Content-Type", "text/plain")])
        return [b"teapot"]
    if how == "/declared":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "12345")])
        return [b""] if environ["REQUEST_METHOD"] == "HEAD" else [b"x" * 12345]
    if how == "/latin":
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Name", "caf\u00e9")])
        return [b"latin"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REQUEST_METHOD"].encode()]
