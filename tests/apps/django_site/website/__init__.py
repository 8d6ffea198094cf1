"""A Django project with the admin on SQLite."""
