"""localstripe, somebody else's double of Stripe, signs webhooks: the real program takes them as they
come, and refuses them when a byte or the secret is another. So our idea of the signature isn't only
our own."""

import base64
import json
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode

import stripe
from gateway import WAIT_SECONDS_MAX, Gateway, wait_until
from test_stripe import Double
from vendor import Vendor

# Its own command listens everywhere and keeps what it has in the folder of all temporary files.
PROGRAM = """
import socket
from aiohttp import web
from localstripe import server
server.store.dump_to_disk = lambda: None
ear = socket.socket()
ear.bind(("127.0.0.1", 0))
ear.listen()
print(ear.getsockname()[1], flush=True)
web.run_app(server.app, sock=ear, print=None, access_log=None)
"""


class LocalStripe:
    """localstripe as a process."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="fly-llm-localstripe-")
        self.child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=self.folder.name,
        )
        self.url = f"http://127.0.0.1:{int(self.child.stdout.readline())}"

    def post(self, path, form=None, body=None):
        """Asks it for something."""
        data = json.dumps(body) if form is None else urlencode(form)
        request = urllib.request.Request(self.url + path, data.encode(), method="POST")
        kind = "application/json" if form is None else "application/x-www-form-urlencoded"
        request.add_header("content-type", kind)
        request.add_header("authorization", "Basic " + base64.b64encode(b"sk_test_x:").decode())
        with urllib.request.urlopen(request, timeout=WAIT_SECONDS_MAX) as answer:
            return answer.read()

    def close(self):
        """Ends it."""
        self.child.terminate()
        self.child.wait(WAIT_SECONDS_MAX)
        self.child.stdout.close()
        self.folder.cleanup()


class Ear:
    """Hears webhooks and keeps them: body and signature."""

    def __init__(self):
        heard = self.heard = []

        class Handler(BaseHTTPRequestHandler):
            """One delivery."""

            def do_POST(self):
                """Keeps it."""
                body = self.rfile.read(int(self.headers["content-length"]))
                heard.append((body, self.headers["stripe-signature"]))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments):
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, name="ear")
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def close(self):
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Signatures(unittest.TestCase):
    """localstripe's webhooks at the real program."""

    def setUp(self):
        self.double = Double()
        self.addCleanup(self.double.close)
        vendor = Vendor()
        self.addCleanup(vendor.close)
        self.gateway = Gateway(vendor, (
            f"stripe:\n  secret_key: {self.double.key}\n"
            f"  webhook_secret: {self.double.secret}\n  api_base: {self.double.url}\n"
        ))
        self.addCleanup(self.gateway.stop)
        self.local = LocalStripe()
        self.addCleanup(self.local.close)

    def hear(self, secret, kind, happen):
        """What localstripe sends of an event, signed with a secret."""
        ear = Ear()
        self.addCleanup(ear.close)
        hook = {"url": ear.url, "secret": secret, "events": [kind]}
        self.local.post(f"/_config/webhooks/{len(secret)}", body=hook)
        happen()
        wait_until("localstripe has sent a webhook", lambda: ear.heard)
        return ear.heard[0]

    def deliver(self, body, signature):
        """Sends it on as it came; the status."""
        url = f"{self.gateway.root_url}/webhooks/stripe"
        request = urllib.request.Request(url, body, method="POST")
        request.add_header("stripe-signature", signature)
        try:
            with urllib.request.urlopen(request, timeout=WAIT_SECONDS_MAX) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def test_its_webhooks_are_taken_and_changed_ones_are_not(self):
        def happen():
            self.local.post("/v1/customers", {"email": "hanako@example.jp", "name": "山田"})

        body, signature = self.hear(self.double.secret, "customer.created", happen)
        event = stripe.Webhook.construct_event(body, signature, self.double.secret)
        self.assertEqual(event.type, "customer.created")
        for _ in range(2):
            self.assertEqual(self.deliver(body, signature), 200)
        self.assertEqual(self.deliver(body.replace(b"hanako", b"hanaka"), signature), 400)
        self.assertEqual(self.deliver(body + b" ", signature), 400)
        self.assertEqual(self.deliver(body, signature.replace("v1=", "v0=")), 400)
        moment, code = signature.split(",")
        later = f"t={int(moment.removeprefix('t=')) + 1},{code}"
        self.assertEqual(self.deliver(body, later), 400)

    def test_those_of_another_secret_are_refused(self):
        def happen():
            self.local.post("/v1/customers", {"email": "hanako@example.jp"})

        body, signature = self.hear("whsec_of_somebody_else", "customer.created", happen)
        self.assertEqual(self.deliver(body, signature), 400)


if __name__ == "__main__":
    unittest.main()
