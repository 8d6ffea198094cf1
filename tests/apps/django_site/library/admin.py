"""The library in the admin."""

from django.contrib import admin

from .models import Book


@admin.register(Book)
class BookAdmin(admin.ModelAdmin):
    """Books in a list."""

    list_display = ("title", "year")
