"""Stripe's own Python SDK judges the double that our tests buy credit from: it reads its objects,
pages through its lists, raises its errors and verifies its webhooks. Then the SDK signs a webhook
itself, and the real program takes it, once."""

import json
import subprocess
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

import stripe
from gateway import WAIT_SECONDS_MAX, Gateway, program, wait_until
from vendor import Vendor

SESSION = {
    "mode": "payment",
    "success_url": "https://shop.example/back",
    "line_items": [
        {
            "price_data": {
                "currency": "jpy", "unit_amount": 3000, "product_data": {"name": "credit"},
            },
            "quantity": 1,
        }
    ],
    "metadata": {"who": "山田"},
    "payment_intent_data": {"metadata": {"who": "山田"}},
}


class Double:
    """The double of tests/harness as a process."""

    def __init__(self):
        path = Path(program()).parent / "examples" / "stripe_double"
        self.child = subprocess.Popen(
            [str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        said = json.loads(self.child.stdout.readline())
        self.url, self.secret = said["url"], said["webhook_secret"]
        self.key = said["secret_key"]

    def client(self, key=None):
        """Stripe's client, speaking with the double."""
        addresses = {"api": self.url}
        return stripe.StripeClient(
            key or self.key, base_addresses=addresses, max_network_retries=0
        ).v1

    def tell(self, *words):
        """Something happens at Stripe: answers the webhooks of it."""
        self.child.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())

    def close(self):
        self.child.stdin.close()
        self.child.wait(WAIT_SECONDS_MAX)
        self.child.stdout.close()


class StripeDouble(unittest.TestCase):
    """The double alone."""

    @classmethod
    def setUpClass(cls):
        cls.double = Double()
        cls.addClassCleanup(cls.double.close)
        cls.client = cls.double.client()

    def test_a_session_is_made_paid_and_read(self):
        session = self.client.checkout.sessions.create(SESSION)
        self.assertEqual((session.status, session.payment_status), ("open", "unpaid"))
        self.assertEqual((session.amount_total, session.currency), (3000, "jpy"))
        self.double.tell("pay", session.id)
        session = self.client.checkout.sessions.retrieve(session.id)
        self.assertEqual((session.status, session.payment_status), ("complete", "paid"))
        intent = self.client.payment_intents.retrieve(session.payment_intent)
        self.assertEqual((intent.status, intent.amount_received), ("succeeded", 3000))
        self.assertEqual(intent.metadata["who"], "山田")

    def test_the_same_idempotency_key_is_the_same_session(self):
        options = {"idempotency_key": "once"}
        first = self.client.checkout.sessions.create(SESSION, options)
        again = self.client.checkout.sessions.create(SESSION, options)
        self.assertEqual(first.id, again.id)
        other = {**SESSION, "success_url": "https://shop.example/other"}
        with self.assertRaises(stripe.IdempotencyError):
            self.client.checkout.sessions.create(other, options)

    def test_a_saved_card_is_charged_while_nobody_is_there(self):
        saving = {
            **SESSION,
            "customer_creation": "always",
            "payment_intent_data": {"setup_future_usage": "off_session"},
        }
        session = self.client.checkout.sessions.create(saving)
        self.double.tell("pay", session.id)
        session = self.client.checkout.sessions.retrieve(session.id)
        paid = self.client.payment_intents.retrieve(session.payment_intent)
        self.assertEqual(paid.customer, session.customer)
        self.assertEqual(self.client.customers.retrieve(session.customer).id, session.customer)
        card = self.client.payment_methods.retrieve(paid.payment_method)
        self.assertEqual((card.customer, card.type), (session.customer, "card"))
        wanted = {
            "amount": 1200, "currency": "jpy", "customer": session.customer,
            "payment_method": card.id, "off_session": True, "confirm": True,
            "metadata": {"who": "山田"},
        }
        first = self.client.payment_intents.create(wanted, {"idempotency_key": "charge-1"})
        again = self.client.payment_intents.create(wanted, {"idempotency_key": "charge-1"})
        self.assertEqual((first.status, first.id), ("succeeded", again.id))
        listed = self.client.payment_intents.list({"customer": session.customer}).data
        self.assertEqual([intent.amount for intent in listed], [1200, 3000])
        self.double.tell("decline", "insufficient_funds")
        for _ in range(2):
            with self.assertRaises(stripe.CardError) as caught:
                self.client.payment_intents.create(wanted, {"idempotency_key": "charge-2"})
            self.assertEqual(caught.exception.http_status, 402)
            self.assertEqual(caught.exception.code, "card_declined")
            self.assertEqual(caught.exception.error.decline_code, "insufficient_funds")
            failed = caught.exception.error.payment_intent
            self.assertEqual(failed.status, "requires_payment_method")
        self.double.tell("decline", "nothing")
        kinds = []
        for webhook in self.double.tell("charges"):
            event = stripe.Webhook.construct_event(*webhook["honest"], self.double.secret)
            kinds.append(event.type)
        self.assertEqual(kinds, ["payment_intent.succeeded", "payment_intent.payment_failed"])
        self.assertIsNone(self.client.payment_methods.detach(card.id).customer)
        with self.assertRaises(stripe.InvalidRequestError):
            self.client.payment_intents.create(wanted, {"idempotency_key": "charge-3"})

    def test_errors_are_those_of_stripe(self):
        with self.assertRaises(stripe.AuthenticationError):
            self.double.client("sk_test_wrong").checkout.sessions.create(SESSION)
        with self.assertRaises(stripe.InvalidRequestError) as caught:
            self.client.payment_intents.retrieve("pi_nobody")
        self.assertEqual(caught.exception.http_status, 404)
        with self.assertRaises(stripe.InvalidRequestError) as caught:
            self.client.checkout.sessions.create({"mode": "payment"})
        self.assertEqual(caught.exception.http_status, 400)

    def test_lists_are_paged_to_their_end(self):
        session = self.client.checkout.sessions.create(SESSION)
        self.double.tell("pay", session.id)
        for _ in range(5):
            self.double.tell("refund", session.id, 100)
        self.double.tell("dispute", session.id)
        listed = list(self.client.refunds.list({"limit": 2}).auto_paging_iter())
        self.assertEqual(len({refund.id for refund in listed}), len(listed))
        self.assertEqual([refund.amount for refund in listed], [100] * 5)
        refund = self.client.refunds.retrieve(listed[0].id)
        self.assertEqual((refund.status, refund.currency), ("succeeded", "jpy"))
        [dispute] = self.client.disputes.list().data
        self.assertEqual((dispute.amount, dispute.reason), (3000, "fraudulent"))
        sessions = self.client.checkout.sessions.list({"limit": 1}).auto_paging_iter()
        self.assertIn(session.id, [known.id for known in sessions])

    def test_webhooks_are_verified_by_the_sdk(self):
        session = self.client.checkout.sessions.create(SESSION)
        webhooks = self.double.tell("pay", session.id)
        kinds = []
        for webhook in webhooks:
            event = stripe.Webhook.construct_event(*webhook["honest"], self.double.secret)
            kinds.append(event.type)
            for wrong in ("forged", "stale", "changed"):
                with self.assertRaises(stripe.SignatureVerificationError):
                    stripe.Webhook.construct_event(*webhook[wrong], self.double.secret)
        self.assertEqual(kinds, ["payment_intent.succeeded", "checkout.session.completed"])
        self.assertEqual(event.data.object.id, session.id)


class StripeAndGateway(unittest.TestCase):
    """The real program between the double and the SDK."""

    def setUp(self):
        self.double = Double()
        self.addCleanup(self.double.close)
        vendor = Vendor()
        self.addCleanup(vendor.close)
        sells = (
            "plans: [{id: pro, usd: 50.00, jpy: 5000, credit_usd: 50.00, bonus_percent: 5}]\n"
            f"stripe:\n  secret_key: {self.double.key}\n"
            f"  webhook_secret: {self.double.secret}\n  api_base: {self.double.url}\n"
        )
        self.gateway = Gateway(vendor, sells)
        self.addCleanup(self.gateway.stop)

    def deliver(self, body, secret):
        """Sends a webhook that the SDK signs; answers the status."""
        now = int(time.time())
        signature = stripe.WebhookSignature._compute_signature(f"{now}.{body}", secret)
        request = urllib.request.Request(
            f"{self.gateway.root_url}/webhooks/stripe", body.encode(), method="POST"
        )
        request.add_header("stripe-signature", f"t={now},v1={signature}")
        try:
            with urllib.request.urlopen(request, timeout=WAIT_SECONDS_MAX) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def test_a_purchase_is_what_the_sdk_sees_and_is_credited_once(self):
        key = self.gateway.key(usd=None)
        wanted = {"plan": "pro", "currency": "jpy"}
        self.gateway.call("POST", "/api/checkout", key.secret, wanted)
        client = self.double.client()
        [session] = client.checkout.sessions.list().data
        self.assertEqual((session.amount_total, session.currency), (5000, "jpy"))
        self.assertEqual(session.client_reference_id, key.account)
        webhooks = [webhook["honest"][0] for webhook in self.double.tell("pay", session.id)]
        for body in webhooks:
            self.assertIn(self.deliver(body, "whsec_of_somebody_else"), range(400, 500))
        self.assertEqual(self.gateway.balance(key), 0)
        for body in webhooks * 3:
            self.assertEqual(self.deliver(body, self.double.secret), 200)
        wait_until("the credit is there", lambda: self.gateway.balance(key) == 52_500_000)
        report = json.loads(self.gateway.tool("ledger", "check", "--json"))
        self.assertTrue(report["ok"], report)
        self.assertEqual(self.gateway.call("GET", "/api/recharge", key.secret)["status"], "off")
        intent = client.payment_intents.retrieve(
            client.checkout.sessions.retrieve(session.id).payment_intent
        )
        self.assertEqual(intent.metadata["fly_account"], key.account)


if __name__ == "__main__":
    unittest.main()
