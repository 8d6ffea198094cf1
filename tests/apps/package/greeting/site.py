"""A module inside a package."""

from . import words


class Site:
    """The callable is an attribute of an attribute."""

    def __call__(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [words.GREETING]


class Sites:
    """A namespace."""

    main = Site()


application = Sites.main
