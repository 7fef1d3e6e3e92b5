"""conf/samples/flask and django: a site in one file, under Fapws."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import requests
from support.samples import running


def needs(package: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed: runs where pip installed it")


@needs("flask")
def test_flask_shop_takes_an_order(tmp_path: Path, browser: requests.Session) -> None:
    with running("flask/shop.py", tmp_path) as server:
        assert "<option>tea</option>" in browser.get(server.url, timeout=30).text
        answer = browser.post(server.url + "/order", data={"thing": "tea", "amount": "3"}, timeout=30)
        assert answer.json() == {"thing": "tea", "amount": 3, "price": 12}
        tea = {"thing": "tea"}
        for wrong in ({}, tea, {**tea, "amount": "0"}, {**tea, "amount": "x"}, {"amount": "1"}):
            assert browser.post(server.url + "/order", data=wrong, timeout=30).status_code == 400
        assert browser.get(server.url + "/prices.csv", timeout=30).text == "tea,4\ncoffee,6\ncocoa,5\n"


@needs("django")
def test_django_guest_book_knows_its_visitor(tmp_path: Path, browser: requests.Session) -> None:
    with running("django/guestbook.py", tmp_path, SECRET_KEY="for this test") as server:
        page = browser.get(server.url, timeout=30)
        assert "Who are you?" in page.text
        assert browser.post(server.url, data={"name": "Eve"}, timeout=30).status_code == 403, "no token"
        token = {"csrfmiddlewaretoken": re.findall('csrfmiddlewaretoken" value="(.*?)"', page.text)[0]}
        assert browser.post(server.url, data={**token, "name": ""}, timeout=30).status_code == 400
        answer = browser.post(server.url, data={**token, "name": "Zoë & Co"}, timeout=30)
        assert [step.status_code for step in answer.history] == [302]
        assert "Welcome back, Zoë &amp; Co" in answer.text
