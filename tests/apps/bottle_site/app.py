"""The common site in Bottle."""

import hashlib

from bottle import Bottle, redirect, request, response

application = Bottle()


@application.get("/hello")
def hello():
    return f"hello {request.query.decode().get('name', 'nobody')}"


@application.post("/form")
def form():
    return dict(request.forms.decode().items())


@application.post("/upload")
def upload():
    file = request.files["file"]
    digest, size = hashlib.sha256(), 0
    while block := file.file.read(65536):
        digest.update(block)
        size += len(block)
    return {"filename": file.raw_filename, "size": size, "sha256": digest.hexdigest()}


@application.post("/json")
def as_json():
    return {"doubled": 2 * request.json["number"]}


@application.get("/cookies/set")
def set_cookies():
    response.set_cookie("taste", "sweet", path="/")
    response.set_cookie("shape", "round", path="/")
    return "set"


@application.get("/cookies/read")
def read_cookies():
    return f"{request.get_cookie('taste')} {request.get_cookie('shape')}"


@application.get("/redirect")
def to_hello():
    redirect(application.get_url("/hello"), 302)


@application.get("/boom")
def boom():
    raise RuntimeError("boom on purpose")
