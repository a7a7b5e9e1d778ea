"""LiteLLM as a client, in OpenAI's and in Anthropic's protocol: chats, streams, tools, structured
answers, and what it makes of failures."""

import json
import os

# It must not look for its price list on the network.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm  # noqa: E402
import vendor  # noqa: E402
from question import CITY, QUESTION, City, FrameworkTest, weather  # noqa: E402

litellm.telemetry = False
litellm.suppress_debug_info = True

TOOLS = [{
    "type": "function",
    "function": {"name": vendor.TOOL, "parameters": weather.model_json_schema()},
}]


class LiteLLM(FrameworkTest):
    """`completion` and its kin."""

    def ask(self, model, retries=0, secret=None, **more):
        """One chat through a client that knows only the address; `anthropic/` says the protocol."""
        protocol = "openai" if "/" not in model else model.split("/")[0]
        base = self.gateway.base_url if protocol == "openai" else self.gateway.root_url
        name = model if "/" in model else f"openai/{model}"
        more.setdefault("messages", QUESTION)
        return litellm.completion(
            model=name, api_base=base, api_key=secret or self.key.secret,
            num_retries=retries, max_retries=0, **more,
        )

    def test_a_chat_is_answered_and_charged_once(self):
        for count, model in enumerate(["plain", "claude", "anthropic/plain"], 1):
            answer = self.ask(model)
            self.assertEqual(answer.choices[0].message.content, vendor.TEXT)
            self.assertEqual(answer.usage.completion_tokens, vendor.OUTPUT_TOKENS)
            self.assert_charged_once(count)

    def test_a_stream_is_put_together_with_its_usage(self):
        for model in ["plain", "claude", "anthropic/plain"]:
            options = {"include_usage": True}
            chunks = list(self.ask(model, stream=True, stream_options=options))
            whole = litellm.stream_chunk_builder(chunks)
            self.assertEqual(whole.choices[0].message.content, vendor.TEXT)
            self.assertEqual(whole.usage.prompt_tokens, vendor.INPUT_TOKENS)
        self.assert_charged_once(3)

    def test_tools_are_called_and_their_result_is_taken(self):
        for model in ["tools", "claude-tools", "anthropic/tools"]:
            message = self.ask(model, tools=TOOLS).choices[0].message
            (call,) = message.tool_calls
            self.assertEqual(json.loads(call.function.arguments), {"city": "東京"})
            chunks = list(self.ask(model, tools=TOOLS, stream=True))
            (streamed,) = litellm.stream_chunk_builder(chunks).choices[0].message.tool_calls
            self.assertEqual(json.loads(streamed.function.arguments), {"city": "東京"})
            result = {"role": "tool", "tool_call_id": call.id, "content": "晴れ"}
            answer = self.ask(model, tools=TOOLS, messages=[*QUESTION, message, result])
            self.assertEqual(answer.choices[0].message.content, vendor.TEXT)

    def test_a_structured_answer_is_parsed(self):
        answer = self.ask("plain", response_format=City)
        self.assertEqual(City.model_validate_json(answer.choices[0].message.content), CITY)

    def test_a_response_is_created(self):
        answer = litellm.responses(
            model="openai/plain", input="x", api_base=self.gateway.base_url,
            api_key=self.key.secret,
        )
        self.assertEqual(answer.output[-1].content[0].text, vendor.TEXT)

    def test_errors_are_told_apart(self):
        for prefix in ["", "anthropic/"]:
            with self.assertRaises(litellm.NotFoundError):
                self.ask(f"{prefix}gpt-17")
            with self.assertRaises(litellm.AuthenticationError):
                self.ask(f"{prefix}plain", secret="sk-fly-wrong")
        with self.assertRaises(litellm.BadRequestError):
            self.ask("plain", temperature=9)
        with self.assertRaises(litellm.BadGatewayError):
            self.ask("failing")

    def test_a_retry_succeeds_and_is_charged_once(self):
        answer = self.ask("flaky", retries=2)
        self.assertEqual(answer.choices[0].message.content, vendor.TEXT)
        self.assertEqual(self.vendor.starts("flaky"), 2)
        self.assert_charged_once()

    def test_a_cut_stream_raises(self):
        with self.assertRaises(Exception) as caught:
            list(self.ask("cut", stream=True))
        self.assertIn("broke off", str(caught.exception))
        self.assert_charged_once()

    def test_a_dropped_connection_is_charged_once(self):
        stream = self.ask("slow", stream=True)
        for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        stream.completion_stream.close()
        self.assert_hung_up()
