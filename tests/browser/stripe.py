"""Stripe for the browser: as much of its API as buying needs, and a page of its own with a button
that pays and leads back. Written from docs.stripe.com/api."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

SECRET_KEY = "sk_test_of_the_browser"
WEBHOOK_SECRET = "whsec_of_the_browser"
PAGE = """<!doctype html><html lang="en"><title>Pay</title>
<form method="post"><button id="pay">Pay</button></form></html>"""


class Stripe:
    """The double; `close` ends it."""

    def __init__(self):
        self.sessions = {}
        self.intents = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.stripe = self
        self.thread = threading.Thread(target=self.server.serve_forever, name="stripe")
        self.thread.start()

    @property
    def url(self):
        """Where it is, without a path."""
        return f"http://127.0.0.1:{self.server.server_port}"

    def open(self, form):
        """A visit of its page."""
        name = f"cs_test_{len(self.sessions) + 1}"
        price = "line_items[0][price_data]"
        self.sessions[name] = {
            "id": name, "object": "checkout.session", "cancel_url": form.get("cancel_url"),
            "amount_total": int(form[f"{price}[unit_amount]"]), "created": int(time.time()),
            "automatic_tax": {"enabled": False, "status": None}, "custom_fields": [],
            "custom_text": {}, "customer": None, "currency": form[f"{price}[currency]"],
            "client_reference_id": form.get("client_reference_id"),
            "expires_at": int(time.time()) + 86400, "livemode": False, "mode": "payment",
            "metadata": below(form, "metadata"), "payment_intent": None,
            "payment_method_types": ["card"], "payment_status": "unpaid", "shipping_options": [],
            "status": "open", "success_url": form["success_url"],
            "url": f"{self.url}/pay/{name}", "form": form,
        }
        return self.sessions[name]

    def pay(self, name):
        """The buyer pays by card; returns where he is led."""
        session = self.sessions[name]
        intent = f"pi_{name}"
        self.intents[intent] = {
            "id": intent, "object": "payment_intent", "amount": session["amount_total"],
            "amount_capturable": 0, "amount_received": session["amount_total"],
            "capture_method": "automatic", "confirmation_method": "automatic",
            "created": int(time.time()), "currency": session["currency"], "livemode": False,
            "metadata": below(session["form"], "payment_intent_data[metadata]"),
            "payment_method_types": ["card"], "status": "succeeded",
        }
        session.update(status="complete", payment_status="paid", payment_intent=intent, url=None)
        return session["success_url"].replace("{CHECKOUT_SESSION_ID}", name)

    def close(self):
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def below(form, name):
    """The fields `name[x]` of a form, as an object."""
    start = f"{name}["
    return {key[len(start):-1]: value for key, value in form.items() if key.startswith(start)}


class Handler(BaseHTTPRequestHandler):
    """One connection of the gateway, of billing, or of the browser."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        """Says nothing: the test run's output is its own."""

    def do_GET(self):
        """An object, a list, or the page."""
        stripe, path = self.server.stripe, urlsplit(self.path).path
        name = path.rsplit("/", 1)[1]
        if path.startswith("/pay/"):
            return self.say(200, "text/html", PAGE)
        found = stripe.sessions.get(name) or stripe.intents.get(name)
        if found:
            return self.tell(200, found)
        if path in ("/v1/checkout/sessions", "/v1/refunds", "/v1/disputes"):
            newest = list(reversed(stripe.sessions.values())) if "sessions" in path else []
            return self.tell(200, {"object": "list", "data": newest, "has_more": False, "url": "/"})
        self.tell(404, {"error": {"type": "invalid_request_error", "message": "none such"}})

    def do_POST(self):
        """A session is made, or paid."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        path = urlsplit(self.path).path
        if path.startswith("/pay/"):
            self.send_response(303)
            self.send_header("location", self.server.stripe.pay(path.rsplit("/", 1)[1]))
            self.send_header("content-length", "0")
            self.end_headers()
            return
        if self.headers.get("authorization") != f"Bearer {SECRET_KEY}":
            return self.tell(401, {"error": {"type": "invalid_request_error", "message": "key"}})
        self.tell(200, self.server.stripe.open(dict(parse_qsl(body))))

    def tell(self, status, answer):
        """JSON; what is ours alone stays here."""
        if "form" in answer:
            answer = {name: value for name, value in answer.items() if name != "form"}
        self.say(status, "application/json", json.dumps(answer))

    def say(self, status, kind, text):
        """One whole answer."""
        content = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
