"""What the library holds."""

from django.db import models


class Book(models.Model):
    """A book."""

    title = models.CharField(max_length=200)
    year = models.IntegerField()

    def __str__(self):
        return f"{self.title} ({self.year})"
