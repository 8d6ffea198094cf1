"""The common site without a framework."""

import hashlib
import json
from http.cookies import SimpleCookie
from urllib.parse import parse_qs


def read(environ):
    return environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))


def hello(environ):
    name = parse_qs(environ["QUERY_STRING"]).get("name", ["nobody"])[0]
    return "200 OK", [("Content-Type", "text/plain; charset=utf-8")], f"hello {name}".encode()


def form(environ):
    fields = {name: values[0] for name, values in parse_qs(read(environ).decode()).items()}
    return "200 OK", [("Content-Type", "application/json")], json.dumps(fields).encode()


def upload(environ):
    boundary = b"--" + environ["CONTENT_TYPE"].split("boundary=")[1].strip('"').encode()
    part = read(environ).split(boundary)[1]
    head, content = part[2:-2].split(b"\r\n\r\n", 1)
    filename = head.decode().split('filename="')[1].split('"')[0]
    result = {"filename": filename, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return "200 OK", [("Content-Type", "application/json")], json.dumps(result).encode()


def as_json(environ):
    result = {"doubled": 2 * json.loads(read(environ))["number"]}
    return "200 OK", [("Content-Type", "application/json")], json.dumps(result).encode()


def set_cookies(environ):
    cookies = [("Set-Cookie", "taste=sweet; Path=/"), ("Set-Cookie", "shape=round; Path=/")]
    return "200 OK", [("Content-Type", "text/plain"), *cookies], b"set"


def read_cookies(environ):
    jar = SimpleCookie(environ.get("HTTP_COOKIE", ""))
    return "200 OK", [("Content-Type", "text/plain")], f"{jar['taste'].value} {jar['shape'].value}".encode()


def redirect(environ):
    return "302 Found", [("Location", environ["SCRIPT_NAME"] + "/hello")], b""


ROUTES = {
    ("GET", "/hello"): hello,
    ("POST", "/form"): form,
    ("POST", "/upload"): upload,
    ("POST", "/json"): as_json,
    ("GET", "/cookies/set"): set_cookies,
    ("GET", "/cookies/read"): read_cookies,
    ("GET", "/redirect"): redirect,
}


def application(environ, start_response):
    if environ["PATH_INFO"] == "/boom":
        raise RuntimeError("boom on purpose")
    route = ROUTES.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
    if route:
        status, headers, body = route(environ)
    else:
        status, headers, body = "404 Not Found", [("Content-Type", "text/plain")], b"no such page"
    start_response(status, headers)
    return [body]
