"""OpenAI's Python client when something fails: which exception it raises, what it tries again, and
that a broken answer is never taken for a whole one and is charged once at most."""

import openai
import vendor
from gateway import GatewayTest
from openai import OpenAI

QUESTION = [{"role": "user", "content": "hello"}]


class OpenAIErrors(GatewayTest):
    """Errors, retries and dropped connections."""

    def setUp(self):
        self.key = self.gateway.key()

    def chat(self, secret=None, retries=2):
        """The chat completions of a client that tries again, as the clients do by default."""
        client = OpenAI(
            base_url=self.gateway.base_url, api_key=secret or self.key.secret, max_retries=retries
        )
        self.addCleanup(client.close)
        return client.chat.completions

    def assert_refused(self, error, status, code, parameter=None):
        """All that the client knows of an error."""
        self.assertEqual((error.status_code, error.code, error.param), (status, code, parameter))
        self.assertTrue(error.request_id.startswith("req_"))
        self.assertTrue(error.message)

    def test_an_unknown_model_is_not_found(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            self.chat().create(model="gpt-17", messages=QUESTION)
        self.assert_refused(caught.exception, 404, "model_not_found", "model")

    def test_a_wrong_key_is_refused(self):
        with self.assertRaises(openai.AuthenticationError) as caught:
            self.chat(secret="sk-fly-wrong").create(model="plain", messages=QUESTION)
        self.assert_refused(caught.exception, 401, "invalid_api_key")

    def test_a_wrong_field_is_named(self):
        for stream in [False, True]:
            with self.assertRaises(openai.BadRequestError) as caught:
                self.chat().create(
                    model="plain", messages=QUESTION, temperature=2.5, stream=stream
                )
            self.assert_refused(caught.exception, 400, "invalid_request", "temperature")

    def test_without_credit_nothing_is_tried_again(self):
        poor = self.gateway.key(usd=None)
        before = self.gateway.answered("plain", "insufficient_quota")
        for stream in [False, True]:
            with self.assertRaises(openai.RateLimitError) as caught:
                self.chat(secret=poor.secret).create(
                    model="plain", messages=QUESTION, stream=stream
                )
            self.assert_refused(caught.exception, 429, "insufficient_quota")
            self.assertEqual(caught.exception.type, "insufficient_quota")
        asked = self.gateway.answered("plain", "insufficient_quota") - before
        self.assertEqual(asked, 2, "the client asked once for each of the two")

    def test_a_vendors_500_is_ours_and_tried_again(self):
        with self.assertRaises(openai.InternalServerError) as caught:
            self.chat(retries=1).create(model="failing", messages=QUESTION)
        self.assert_refused(caught.exception, 502, "upstream_error")
        self.assertNotIn("internal-detail", str(caught.exception))
        self.assertEqual(self.vendor.starts("failing"), 2)
        self.assertEqual(self.gateway.answered("failing", "upstream_error"), 2)
        self.assertEqual(self.gateway.balance(self.key), 1_000_000, "a failure costs nothing")

    def test_a_retry_after_a_vendors_500_succeeds_and_is_charged_once(self):
        answer = self.chat().create(model="flaky", messages=QUESTION)
        self.assertEqual(answer.choices[0].message.content, vendor.TEXT)
        self.assertEqual(self.vendor.starts("flaky"), 2)
        self.assertEqual(self.gateway.usage(self.key, 1)["requests"], 1)

    def test_a_vendors_429_is_an_overload_of_ours(self):
        with self.assertRaises(openai.InternalServerError) as caught:
            self.chat(retries=0).create(model="limited", messages=QUESTION)
        self.assert_refused(caught.exception, 503, "upstream_overloaded")
        self.assertNotIn("rate-detail", str(caught.exception))
        self.assertEqual(self.gateway.balance(self.key), 1_000_000)

    def test_a_cut_stream_raises_and_is_charged_once(self):
        stream = self.chat().create(model="cut", messages=QUESTION, stream=True)
        request = stream.response.headers["x-request-id"]
        text = ""
        with self.assertRaises(openai.APIError) as caught:
            for chunk in stream:
                text += chunk.choices[0].delta.content or ""
        self.assertEqual(caught.exception.code, "stream_interrupted")
        self.assertEqual(text, vendor.PIECES[0])
        self.assertEqual(self.vendor.starts("cut"), 1)
        self.assert_charged_once(request, "partial")

    def test_a_dropped_connection_is_charged_once(self):
        stream = self.chat().create(model="slow", messages=QUESTION, stream=True)
        request = stream.response.headers["x-request-id"]
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                break
        stream.close()
        hung_up = self.vendor.hung_up.wait(vendor.HANG_UP_SECONDS_MAX)
        self.assertTrue(hung_up, "the vendor is told that nobody listens any more")
        self.assertEqual(self.vendor.starts("slow"), 1)
        self.assert_charged_once(request, "cancelled")

    def assert_charged_once(self, request, outcome):
        """The receipt, the usage and the balance say the same."""
        receipt = self.gateway.receipt(self.key, request)
        self.assertEqual((receipt["status"], receipt["outcome"]), ("used", outcome))
        usage = self.gateway.usage(self.key, 1)
        self.assertEqual(usage["requests"], 1)
        self.assertGreater(usage["cost_micro_usd"], 0)
        self.assertEqual(usage["cost_micro_usd"], receipt["charge_micro_usd"])
        self.assertEqual(self.gateway.balance(self.key), 1_000_000 - usage["cost_micro_usd"])
