"""The common site in Falcon."""

import hashlib

import falcon


class Hello:
    def on_get(self, request, response):
        response.content_type = falcon.MEDIA_TEXT
        response.text = f"hello {request.get_param('name', default='nobody')}"


class Form:
    def on_post(self, request, response):
        response.media = request.get_media()


class Upload:
    def on_post(self, request, response):
        for part in request.get_media():
            digest, size = hashlib.sha256(), 0
            while block := part.stream.read(65536):
                digest.update(block)
                size += len(block)
            response.media = {"filename": part.filename, "size": size, "sha256": digest.hexdigest()}


class Json:
    def on_post(self, request, response):
        response.media = {"doubled": 2 * request.get_media()["number"]}


class Cookies:
    def on_get_set(self, request, response):
        response.set_cookie("taste", "sweet", path="/", secure=False)
        response.set_cookie("shape", "round", path="/", secure=False)
        response.text = "set"

    def on_get_read(self, request, response):
        response.text = f"{request.cookies['taste']} {request.cookies['shape']}"


class Redirect:
    def on_get(self, request, response):
        raise falcon.HTTPFound(request.prefix + "/hello")


class Boom:
    def on_get(self, request, response):
        raise RuntimeError("boom on purpose")


application = falcon.App()
for path, resource in {
    "/hello": Hello(),
    "/form": Form(),
    "/upload": Upload(),
    "/json": Json(),
    "/redirect": Redirect(),
    "/boom": Boom(),
}.items():
    application.add_route(path, resource)
application.add_route("/cookies/set", Cookies(), suffix="set")
application.add_route("/cookies/read", Cookies(), suffix="read")
