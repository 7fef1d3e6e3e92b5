"""A Django site in one file: settings, addresses, a form with its CSRF token, signed sessions.

    pip install django
    SECRET_KEY=something-long-and-random fapws guestbook.py

A site made by `django-admin startproject mysite` needs no file like this one:
`fapws mysite.wsgi:application`, in the directory that holds mysite.
"""

import os
import secrets

from django import forms
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template import Context, Engine
from django.template.context_processors import csrf
from django.urls import path

settings.configure(
    # Workers must agree on it, and sessions must outlive a restart: then it comes from outside.
    SECRET_KEY=os.environ.get("SECRET_KEY") or secrets.token_hex(32),
    ALLOWED_HOSTS=os.environ.get("ALLOWED_HOSTS", "127.0.0.1,localhost").split(","),
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",  # no database
    USE_TZ=True,
)

PAGE = Engine().from_string("""\
<!doctype html>
<title>Guest book</title>
<meta name="viewport" content="width=device-width">
<h1>{% if name %}Welcome back, {{ name }}{% else %}Who are you?{% endif %}</h1>
<form method="post">{% csrf_token %}{{ form.as_p }}<button>Sign</button></form>
""")


class Sign(forms.Form):
    """What a visitor may say."""

    name = forms.CharField(max_length=40)


def index(request):
    """GET shows the form, with what was wrong with the last one; POST keeps the name."""
    form = Sign(request.POST or None)
    if request.method == "POST" and form.is_valid():
        request.session["name"] = form.cleaned_data["name"]
        return redirect("index")
    values = {"form": form, "name": request.session.get("name"), **csrf(request)}
    return HttpResponse(PAGE.render(Context(values)), status=400 if form.errors else 200)


urlpatterns = [path("", index, name="index")]

application = get_wsgi_application()
