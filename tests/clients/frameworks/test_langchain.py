"""LangChain's ChatOpenAI: chats, streams, tools, structured answers, and what it makes of failures."""

import openai
import vendor
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from question import CITY, TEXT_QUESTION, City, FrameworkTest, weather


class LangChain(FrameworkTest):
    """ChatOpenAI."""

    def model(self, name, retries=0, **more):
        """A chat model of LangChain."""
        more.setdefault("api_key", self.key.secret)
        return ChatOpenAI(
            model=name, base_url=self.gateway.base_url, max_retries=retries, **more
        )

    def test_a_chat_is_answered_and_charged_once(self):
        for count, name in enumerate(["plain", "claude"], 1):
            answer = self.model(name).invoke(TEXT_QUESTION)
            self.assertEqual(answer.content, vendor.TEXT)
            self.assertEqual(answer.usage_metadata["output_tokens"], vendor.OUTPUT_TOKENS)
            self.assert_charged_once(count)

    def test_a_stream_is_put_together_with_its_usage(self):
        for name in ["plain", "claude"]:
            chunks = list(self.model(name, stream_usage=True).stream(TEXT_QUESTION))
            whole = sum(chunks[1:], chunks[0])
            self.assertEqual(whole.content, vendor.TEXT)
            self.assertEqual(whole.usage_metadata["input_tokens"], vendor.INPUT_TOKENS)
        self.assert_charged_once(2)

    def test_tools_are_called_and_their_result_is_taken(self):
        for name in ["tools", "claude-tools"]:
            model = self.model(name).bind_tools([weather])
            asked = model.invoke(TEXT_QUESTION)
            (call,) = asked.tool_calls
            self.assertEqual((call["name"], call["args"]), (vendor.TOOL, {"city": "東京"}))
            chunks = list(model.stream(TEXT_QUESTION))
            self.assertEqual(sum(chunks[1:], chunks[0]).tool_calls[0]["args"], {"city": "東京"})
            result = ToolMessage("晴れ", tool_call_id=call["id"])
            answer = model.invoke([HumanMessage(TEXT_QUESTION), asked, result])
            self.assertEqual(answer.content, vendor.TEXT)

    def test_a_structured_answer_is_parsed(self):
        structured = self.model("plain").with_structured_output(City, method="json_schema")
        self.assertEqual(structured.invoke(TEXT_QUESTION), CITY)

    def test_the_responses_are_spoken(self):
        answer = self.model("plain", use_responses_api=True).invoke(TEXT_QUESTION)
        self.assertEqual(answer.text, vendor.TEXT)
        more = self.model("plain", use_responses_api=True, use_previous_response_id=True)
        answer = more.invoke([HumanMessage(TEXT_QUESTION), answer, HumanMessage("人口は？")])
        self.assertEqual(answer.text, vendor.TEXT)
        self.assertEqual(len(self.vendor.last("plain")["messages"]), 3)

    def test_errors_are_the_clients_own(self):
        with self.assertRaises(openai.NotFoundError):
            self.model("gpt-17").invoke(TEXT_QUESTION)
        with self.assertRaises(openai.AuthenticationError):
            self.model("plain", api_key="sk-fly-wrong").invoke(TEXT_QUESTION)
        with self.assertRaises(openai.BadRequestError):
            self.model("plain", temperature=9).invoke(TEXT_QUESTION)
        with self.assertRaises(openai.InternalServerError):
            self.model("failing").invoke(TEXT_QUESTION)

    def test_a_retry_succeeds_and_is_charged_once(self):
        self.assertEqual(self.model("flaky", retries=2).invoke(TEXT_QUESTION).content, vendor.TEXT)
        self.assertEqual(self.vendor.starts("flaky"), 2)
        self.assert_charged_once()

    def test_a_cut_stream_raises(self):
        with self.assertRaises(openai.APIError):
            list(self.model("cut").stream(TEXT_QUESTION))
        self.assert_charged_once()

    def test_a_dropped_connection_is_charged_once(self):
        stream = self.model("slow").stream(TEXT_QUESTION)
        while not next(stream).content:
            pass
        stream.close()
        self.assert_hung_up()

    def test_token_numbers_are_refused_with_a_hint(self):
        vectors = OpenAIEmbeddings(
            model="plain", base_url=self.gateway.base_url, api_key=self.key.secret,
            max_retries=0, check_embedding_ctx_length=False,
        )
        with self.assertRaises(openai.APIStatusError) as caught:
            vectors.embed_query(TEXT_QUESTION)
        self.assertLess(caught.exception.status_code, 500, "a chat model makes no vectors")
