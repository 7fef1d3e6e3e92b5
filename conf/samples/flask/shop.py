"""A Flask application in one file: a form, JSON, a stream.

    pip install flask
    fapws shop.py                                  # or: fapws -w 4 -b :8000 shop.py
    curl -d thing=tea -d amount=3 http://127.0.0.1:8888/order

Flask's object is a WSGI application already, so nothing of Fapws is imported. With several workers
each is a process of its own: what they share belongs into a file, a database or a cache, not into
a global variable.
"""

from flask import Flask, abort, jsonify, render_template_string, request

PRICES = {"tea": 4, "coffee": 6, "cocoa": 5}

PAGE = """\
<!doctype html>
<title>Shop</title>
<meta name="viewport" content="width=device-width">
<h1>Shop</h1>
<form method="post" action="{{ url_for('order') }}">
  <select name="thing">{% for thing in prices %}<option>{{ thing }}</option>{% endfor %}</select>
  <input name="amount" type="number" value="1" min="1" max="100">
  <button>Order</button>
</form>
"""

app = Flask(__name__)


@app.get("/")
def index():
    """The form; Jinja escapes what is put into it."""
    return render_template_string(PAGE, prices=PRICES)


@app.post("/order")
def order():
    """What it costs, as JSON. 400 for what the form would not have sent."""
    thing = request.form.get("thing", "")
    amount = request.form.get("amount", type=int)
    if thing not in PRICES or amount is None or not 1 <= amount <= 100:
        abort(400)
    return jsonify(thing=thing, amount=amount, price=PRICES[thing] * amount)


@app.get("/prices.csv")
def prices():
    """A stream: each line is sent as it is made, so a long list takes no memory."""
    return app.response_class((f"{thing},{price}\n" for thing, price in PRICES.items()), mimetype="text/csv")
