"""What mod_krait offers to the applications it runs."""

from krait._krait import ClientDisconnected, RequestTooLarge, __version__

__all__ = ["ClientDisconnected", "RequestTooLarge", "__version__"]
