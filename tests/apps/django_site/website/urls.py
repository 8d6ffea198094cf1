"""The common site, a library and the admin."""

from django.contrib import admin
from django.urls import path
from library import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("hello", views.hello, name="hello"),
    path("form", views.form),
    path("upload", views.upload),
    path("json", views.as_json),
    path("cookies/set", views.set_cookies),
    path("cookies/read", views.read_cookies),
    path("redirect", views.to_hello),
    path("boom", views.boom),
    path("books", views.books),
]
