"""A package to be named with dots."""
