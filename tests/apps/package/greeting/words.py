"""What the site says."""

GREETING = b"greetings from a package"
