"""OpenAI's Python client and the chat completions: whole, streamed, with tools and with a schema,
whatever vendor answers. Nothing here reads raw HTTP: what counts is what the client makes of it."""

import json

import vendor
from gateway import GatewayTest
from openai import OpenAI
from pydantic import BaseModel

QUESTION = [{"role": "user", "content": "日本の首都はどこですか？"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": vendor.TOOL, "parameters": SCHEMA}}]
COST = vendor.INPUT_TOKENS + 2 * vendor.OUTPUT_TOKENS


class City(BaseModel):
    """What the structured answer is read as."""

    city: str
    people: int


class OpenAIChat(GatewayTest):
    """The chat completions."""

    def setUp(self):
        self.key = self.gateway.key()
        self.client = OpenAI(
            base_url=self.gateway.base_url, api_key=self.key.secret, max_retries=0
        )
        self.addCleanup(self.client.close)
        self.chat = self.client.chat.completions

    def test_a_chat_is_answered_whole_and_charged_once(self):
        for count, model in enumerate(["plain", "claude"], 1):
            answer = self.chat.create(model=model, messages=QUESTION)
            self.assertEqual(answer.object, "chat.completion")
            self.assertEqual(answer.choices[0].message.content, vendor.TEXT)
            self.assertEqual(answer.choices[0].finish_reason, "stop")
            self.assertEqual(answer.usage.prompt_tokens, vendor.INPUT_TOKENS)
            self.assertEqual(answer.usage.completion_tokens, vendor.OUTPUT_TOKENS)
            usage = self.gateway.usage(self.key, count)
            self.assertEqual(usage["requests"], count)
            self.assertEqual(usage["cost_micro_usd"], count * COST)

    def test_our_headers_are_seen(self):
        raw = self.chat.with_raw_response.create(model="plain", messages=QUESTION)
        self.assertEqual(raw.headers["x-fly-model"], "plain")
        self.assertTrue(raw.headers["x-request-id"].startswith("req_"))
        self.assertEqual(raw.parse().choices[0].message.content, vendor.TEXT)

    def test_a_stream_has_its_pieces_and_its_usage_last(self):
        for count, model in enumerate(["plain", "claude"], 1):
            options = {"include_usage": True}
            stream = self.chat.create(
                model=model, messages=QUESTION, stream=True, stream_options=options
            )
            chunks = list(stream)
            deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
            self.assertEqual("".join(delta.content or "" for delta in deltas), vendor.TEXT)
            self.assertEqual([delta.role for delta in deltas if delta.role], ["assistant"])
            reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
            self.assertEqual([reason for reason in reasons if reason], ["stop"])
            self.assertEqual(chunks[-1].choices, [])
            self.assertEqual(chunks[-1].usage.completion_tokens, vendor.OUTPUT_TOKENS)
            self.assertTrue(all(chunk.usage is None for chunk in chunks[:-1]))
            self.assertEqual(len({chunk.id for chunk in chunks}), 1)
            usage = self.gateway.usage(self.key, count)
            self.assertEqual(usage["cost_micro_usd"], count * COST)

    def test_a_stream_without_usage_has_none(self):
        chunks = list(self.chat.create(model="plain", messages=QUESTION, stream=True))
        self.assertTrue(all(chunk.choices and chunk.usage is None for chunk in chunks))

    def test_the_stream_helper_puts_the_answer_together(self):
        with self.chat.stream(model="plain", messages=QUESTION) as stream:
            events = list(stream)
            final = stream.get_final_completion()
        deltas = [event.delta for event in events if event.type == "content.delta"]
        self.assertEqual("".join(deltas), vendor.TEXT)
        done = [event.content for event in events if event.type == "content.done"]
        self.assertEqual(done, [vendor.TEXT])
        self.assertEqual(final.choices[0].message.content, vendor.TEXT)

    def test_tools_are_called_whole_and_their_result_is_taken(self):
        for model in ["tools", "claude-tools"]:
            asked = self.chat.create(model=model, messages=QUESTION, tools=TOOLS)
            self.assertEqual(asked.choices[0].finish_reason, "tool_calls")
            message = asked.choices[0].message
            (call,) = message.tool_calls
            self.assertEqual(call.function.name, vendor.TOOL)
            self.assertEqual(json.loads(call.function.arguments), {"city": "東京"})
            result = {"role": "tool", "tool_call_id": call.id, "content": "晴れ"}
            more = [*QUESTION, message.model_dump(exclude_none=True), result]
            answer = self.chat.create(model=model, messages=more, tools=TOOLS)
            self.assertEqual(answer.choices[0].message.content, vendor.TEXT)
            told = json.dumps(self.vendor.last(model), ensure_ascii=False)
            self.assertIn("晴れ", told)

    def test_tools_are_streamed_as_indexed_pieces(self):
        for model in ["tools", "claude-tools"]:
            stream = self.chat.create(model=model, messages=QUESTION, tools=TOOLS, stream=True)
            deltas = [chunk.choices[0].delta for chunk in stream if chunk.choices]
            calls = [call for delta in deltas for call in delta.tool_calls or []]
            self.assertEqual({call.index for call in calls}, {0})
            self.assertEqual([bool(call.id) for call in calls].count(True), 1)
            arguments = "".join(call.function.arguments or "" for call in calls)
            self.assertEqual(json.loads(arguments), {"city": "東京"})
            with self.chat.stream(model=model, messages=QUESTION, tools=TOOLS) as helper:
                final = helper.get_final_completion()
            (call,) = final.choices[0].message.tool_calls
            self.assertEqual(json.loads(call.function.arguments), {"city": "東京"})

    def test_a_structured_answer_is_parsed(self):
        answer = self.chat.parse(model="plain", messages=QUESTION, response_format=City)
        city = City(city="東京", people=14_000_000)
        self.assertEqual(answer.choices[0].message.parsed, city)
        asked = self.vendor.last("plain")["response_format"]
        self.assertEqual(asked["json_schema"]["name"], "City")
        self.assertTrue(asked["json_schema"]["strict"])
        wanted = {"model": "plain", "messages": QUESTION, "response_format": City}
        with self.chat.stream(**wanted) as stream:
            final = stream.get_final_completion()
        self.assertEqual(final.choices[0].message.parsed, city)

    def test_a_structured_answer_of_a_model_without_schemas_comes_through_a_tool(self):
        answer = self.chat.parse(model="claude-old", messages=QUESTION, response_format=City)
        self.assertEqual(answer.choices[0].message.parsed.city, "東京")
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertIsNone(answer.choices[0].message.tool_calls)
        wanted = {"model": "claude-old", "messages": QUESTION, "response_format": City}
        with self.chat.stream(**wanted) as stream:
            final = stream.get_final_completion()
        self.assertEqual(final.choices[0].message.parsed.city, "東京")
        self.assertEqual(self.vendor.last("claude-old")["tool_choice"]["name"], vendor.ANSWER_TOOL)
