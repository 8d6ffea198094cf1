def application(environ, start_response):
    start_response("200 OK", [])
    return [b"never: the test takes the permission to read"]
