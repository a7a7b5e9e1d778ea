"""Anthropic's Python client and the messages, whatever vendor answers: whole, streamed, with tools,
counted and refused. The client reads our errors as Anthropic's own."""

import json

import anthropic
import vendor
from anthropic import Anthropic
from gateway import GatewayTest

QUESTION = [{"role": "user", "content": "日本の首都はどこですか？"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"name": vendor.TOOL, "description": "天気", "input_schema": SCHEMA}]


class AnthropicMessages(GatewayTest):
    """The messages."""

    def setUp(self):
        self.key = self.gateway.key()
        self.messages = self.client(api_key=self.key.secret).messages

    def client(self, retries=0, **keys):
        """A client with the keys that are given and no others."""
        client = Anthropic(base_url=self.gateway.root_url, max_retries=retries, **keys)
        self.addCleanup(client.close)
        return client

    def ask(self, model, messages=None, **more):
        """One message, whole."""
        asked = {"model": model, "max_tokens": 100, "messages": messages or QUESTION}
        return self.messages.create(**asked, **more)

    def test_a_message_is_answered_whole_and_charged_once(self):
        for count, model in enumerate(["claude", "plain"], 1):
            answer = self.ask(model, system="短く。")
            self.assertEqual((answer.type, answer.role), ("message", "assistant"))
            self.assertEqual(answer.content[0].text, vendor.TEXT)
            self.assertEqual(answer.stop_reason, "end_turn")
            self.assertEqual(answer.usage.input_tokens, vendor.INPUT_TOKENS)
            self.assertEqual(answer.usage.output_tokens, vendor.OUTPUT_TOKENS)
            self.assertEqual(self.gateway.usage(self.key, count)["requests"], count)

    def test_a_key_is_taken_from_both_headers(self):
        for keys in [{"api_key": self.key.secret}, {"auth_token": self.key.secret}]:
            messages = self.client(**keys).messages
            answer = messages.create(model="plain", max_tokens=100, messages=QUESTION)
            self.assertEqual(answer.content[0].text, vendor.TEXT)

    def test_both_versions_of_the_api_are_spoken(self):
        for version in ["2023-06-01", "2026-10-21"]:
            answer = self.ask("plain", extra_headers={"anthropic-version": version})
            self.assertEqual(answer.content[0].text, vendor.TEXT)
        with self.assertRaises(anthropic.BadRequestError):
            self.ask("plain", extra_headers={"anthropic-version": "1999-01-01"})

    def test_a_stream_has_its_events_in_order(self):
        for count, model in enumerate(["claude", "plain"], 1):
            asked = {"model": model, "max_tokens": 100, "messages": QUESTION}
            events = list(self.messages.create(**asked, stream=True))
            kinds = [event.type for event in events if event.type != "ping"]
            self.assertEqual(kinds[:2], ["message_start", "content_block_start"])
            ends = ["content_block_stop", "message_delta", "message_stop"]
            self.assertEqual(kinds[-3:], ends)
            self.assertEqual(set(kinds[2:-3]), {"content_block_delta"})
            self.assertEqual(self.gateway.usage(self.key, count)["requests"], count)

    def test_the_stream_helper_puts_the_answer_together(self):
        for model in ["claude", "plain"]:
            asked = {"model": model, "max_tokens": 100, "messages": QUESTION}
            with self.messages.stream(**asked) as stream:
                text = "".join(stream.text_stream)
                final = stream.get_final_message()
            self.assertEqual(text, vendor.TEXT)
            self.assertEqual(final.content[0].text, vendor.TEXT)
            self.assertEqual(final.stop_reason, "end_turn")
            self.assertEqual(final.usage.output_tokens, vendor.OUTPUT_TOKENS)

    def test_tools_are_called_and_their_result_is_taken(self):
        for model in ["claude-tools", "tools"]:
            asked = self.ask(model, tools=TOOLS)
            self.assertEqual(asked.stop_reason, "tool_use")
            (call,) = [block for block in asked.content if block.type == "tool_use"]
            self.assertEqual((call.name, call.input), (vendor.TOOL, {"city": "東京"}))
            wanted = {"model": model, "max_tokens": 100, "messages": QUESTION, "tools": TOOLS}
            with self.messages.stream(**wanted) as stream:
                final = stream.get_final_message()
            (call,) = [block for block in final.content if block.type == "tool_use"]
            self.assertEqual(call.input, {"city": "東京"})
            said = {"role": "assistant", "content": final.content}
            result = {"type": "tool_result", "tool_use_id": call.id, "content": "晴れ"}
            more = [*QUESTION, said, {"role": "user", "content": [result]}]
            self.assertEqual(self.ask(model, more, tools=TOOLS).content[0].text, vendor.TEXT)
            told = json.dumps(self.vendor.last(model), ensure_ascii=False)
            self.assertIn("晴れ", told)

    def test_tokens_are_counted_without_a_charge(self):
        counted = self.messages.count_tokens(model="claude", messages=QUESTION)
        self.assertGreater(counted.input_tokens, 0)
        self.assertEqual(self.gateway.balance(self.key), 1_000_000)

    def test_models_are_listed_page_by_page(self):
        client = self.client(api_key=self.key.secret)
        models = list(client.models.list(limit=2))
        names = [model.id for model in models]
        self.assertTrue({"plain", "claude", "auto"} <= set(names), names)
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual({model.type for model in models}, {"model"})
        self.assertEqual(client.models.retrieve("claude").max_tokens, 1000)
        with self.assertRaises(anthropic.NotFoundError) as caught:
            client.models.retrieve("of-nobody")
        self.assert_refused(caught.exception, 404, "not_found_error")

    def test_instructions_stand_within_the_conversation(self):
        human = {"role": "user", "content": "Hello"}
        system = {"role": "system", "content": "Be brief."}
        for model in ["plain", "claude"]:
            self.assertEqual(self.ask(model, [human, system]).stop_reason, "end_turn")

    def assert_refused(self, error, status, kind):
        """All that the client knows of an error."""
        self.assertEqual(error.status_code, status)
        self.assertEqual(error.body["type"], "error")
        self.assertEqual(error.body["error"]["type"], kind)
        self.assertTrue(error.request_id.startswith("req_"))

    def test_errors_are_anthropics(self):
        with self.assertRaises(anthropic.NotFoundError) as caught:
            self.ask("gpt-17")
        self.assert_refused(caught.exception, 404, "not_found_error")
        with self.assertRaises(anthropic.BadRequestError) as caught:
            self.messages.create(model="claude", max_tokens=0, messages=QUESTION)
        self.assert_refused(caught.exception, 400, "invalid_request_error")
        for keys in [{"api_key": "sk-fly-wrong"}, {"auth_token": "sk-fly-wrong"}]:
            messages = self.client(**keys).messages
            with self.assertRaises(anthropic.AuthenticationError) as caught:
                messages.create(model="claude", max_tokens=100, messages=QUESTION)
            self.assert_refused(caught.exception, 401, "authentication_error")

    def test_without_credit_nothing_is_tried_again(self):
        poor = self.gateway.key(usd=None)
        before = self.gateway.answered("claude", "insufficient_quota")
        messages = self.client(retries=2, api_key=poor.secret).messages
        with self.assertRaises(anthropic.APIStatusError) as caught:
            messages.create(model="claude", max_tokens=100, messages=QUESTION)
        self.assert_refused(caught.exception, 402, "billing_error")
        self.assertEqual(self.gateway.answered("claude", "insufficient_quota") - before, 1)

    def test_a_vendors_500_is_ours_and_tried_again(self):
        messages = self.client(retries=1, api_key=self.key.secret).messages
        with self.assertRaises(anthropic.InternalServerError) as caught:
            messages.create(model="failing", max_tokens=100, messages=QUESTION)
        self.assert_refused(caught.exception, 500, "api_error")
        self.assertNotIn("internal-detail", str(caught.exception))
        self.assertEqual(self.vendor.starts("failing"), 2)

    def test_a_cut_stream_raises_and_is_charged_once(self):
        text = ""
        asked = {"model": "cut", "max_tokens": 100, "messages": QUESTION}
        with self.assertRaises(anthropic.APIError):
            with self.messages.stream(**asked) as stream:
                for piece in stream.text_stream:
                    text += piece
        self.assertEqual(text, vendor.PIECES[0])
        self.assertEqual(self.gateway.usage(self.key, 1)["requests"], 1)
        self.assertEqual(self.vendor.starts("cut"), 1)

    def test_a_structured_answer_is_held_to_its_schema(self):
        config = {"format": {"type": "json_schema", "schema": SCHEMA}}
        for model in ["claude", "claude-old", "plain"]:
            answer = self.ask(model, output_config=config)
            self.assertEqual(json.loads(answer.content[0].text)["city"], "東京")
            self.assertEqual(answer.stop_reason, "end_turn")
            wanted = {"model": model, "max_tokens": 100, "messages": QUESTION}
            with self.messages.stream(**wanted, output_config=config) as stream:
                final = stream.get_final_message()
            self.assertEqual(json.loads(final.content[0].text)["city"], "東京")

    def test_a_retry_after_a_vendors_500_succeeds_and_is_charged_once(self):
        messages = self.client(retries=2, api_key=self.key.secret).messages
        answer = messages.create(model="flaky", max_tokens=100, messages=QUESTION)
        self.assertEqual(answer.content[0].text, vendor.TEXT)
        self.assertEqual(self.vendor.starts("flaky"), 2)
        self.assertEqual(self.gateway.usage(self.key, 1)["requests"], 1)

    def test_a_dropped_connection_is_charged_once(self):
        asked = {"model": "slow", "max_tokens": 100, "messages": QUESTION}
        with self.messages.stream(**asked) as stream:
            self.assertEqual(next(iter(stream.text_stream)), vendor.PIECES[0])
        hung_up = self.vendor.hung_up.wait(vendor.HANG_UP_SECONDS_MAX)
        self.assertTrue(hung_up, "the vendor is told that nobody listens any more")
        self.assertEqual(self.vendor.starts("slow"), 1)
        usage = self.gateway.usage(self.key, 1)
        self.assertEqual(usage["requests"], 1)
        self.assertEqual(self.gateway.balance(self.key), 1_000_000 - usage["cost_micro_usd"])
