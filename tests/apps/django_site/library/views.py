"""The common site in Django."""

import hashlib
import json

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt

from .models import Book


def hello(request):
    return HttpResponse(f"hello {request.GET.get('name', 'nobody')}", content_type="text/plain")


@csrf_exempt
def form(request):
    return JsonResponse(request.POST.dict())


@csrf_exempt
def upload(request):
    file = request.FILES["file"]
    digest = hashlib.sha256()
    for block in file.chunks():
        digest.update(block)
    return JsonResponse({"filename": file.name, "size": file.size, "sha256": digest.hexdigest()})


@csrf_exempt
def as_json(request):
    return JsonResponse({"doubled": 2 * json.loads(request.body)["number"]})


def set_cookies(request):
    answer = HttpResponse("set")
    answer.set_cookie("taste", "sweet")
    answer.set_cookie("shape", "round")
    return answer


def read_cookies(request):
    return HttpResponse(f"{request.COOKIES['taste']} {request.COOKIES['shape']}")


def to_hello(request):
    return redirect("hello")


def boom(request):
    raise RuntimeError("boom on purpose")


def books(request):
    return render(request, "library/books.html", {"books": Book.objects.order_by("year")})
