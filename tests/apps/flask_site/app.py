"""The common site in Flask."""

import hashlib

from flask import Flask, jsonify, make_response, redirect, request, url_for

application = app = Flask(__name__)


@app.get("/hello")
def hello():
    return f"hello {request.args.get('name', 'nobody')}"


@app.post("/form")
def form():
    return jsonify(request.form.to_dict())


@app.post("/upload")
def upload():
    file = request.files["file"]
    digest, size = hashlib.sha256(), 0
    while block := file.stream.read(65536):
        digest.update(block)
        size += len(block)
    return jsonify(filename=file.filename, size=size, sha256=digest.hexdigest())


@app.post("/json")
def as_json():
    return jsonify(doubled=2 * request.get_json()["number"])


@app.get("/cookies/set")
def set_cookies():
    answer = make_response("set")
    answer.set_cookie("taste", "sweet")
    answer.set_cookie("shape", "round")
    return answer


@app.get("/cookies/read")
def read_cookies():
    return f"{request.cookies['taste']} {request.cookies['shape']}"


@app.get("/redirect")
def to_hello():
    return redirect(url_for("hello"))


@app.get("/boom")
def boom():
    raise RuntimeError("boom on purpose")
