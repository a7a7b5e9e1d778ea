"""Instructor: structured answers by tools and by schema, whole and partial, and what it makes of
failures."""

import instructor
import openai
import vendor
from instructor.core import InstructorRetryException
from question import CITY, QUESTION, WEATHER, City, FrameworkTest, weather


class Instructor(FrameworkTest):
    """The patched client of OpenAI."""

    def client(self, mode=instructor.Mode.JSON_SCHEMA, retries=0, secret=None):
        """A client that answers with objects."""
        inner = openai.OpenAI(
            base_url=self.gateway.base_url, api_key=secret or self.key.secret, max_retries=retries
        )
        self.addCleanup(inner.close)
        return instructor.from_openai(inner, mode=mode)

    def ask(self, model, response_model=City, **how):
        """One object."""
        client = self.client(**how)
        return client.create(
            model=model, messages=QUESTION, response_model=response_model, max_retries=0
        )

    def test_a_chat_without_a_model_is_plain(self):
        answer = self.ask("plain", response_model=None)
        self.assertEqual(answer.choices[0].message.content, vendor.TEXT)
        self.assert_charged_once()

    def test_an_answer_is_read_by_its_schema(self):
        self.assertEqual(self.ask("plain").model_dump(), CITY.model_dump())
        asked = self.vendor.last("plain")["response_format"]
        self.assertEqual(asked["json_schema"]["name"], "City")
        self.assert_charged_once()

    def test_an_answer_is_read_from_a_tool(self):
        for model in ["tools", "claude-tools"]:
            answer = self.ask(model, weather, mode=instructor.Mode.TOOLS)
            self.assertEqual(answer.model_dump(), WEATHER.model_dump())

    def test_an_answer_grows_in_a_stream(self):
        client = self.client()
        stream = client.create_partial(model="plain", messages=QUESTION, response_model=City)
        grown = list(stream)
        self.assertEqual((grown[-1].city, grown[-1].people), (CITY.city, CITY.people))
        self.assert_charged_once()

    def test_an_answer_that_does_not_fit_is_asked_for_again(self):
        client = self.client(mode=instructor.Mode.JSON_SCHEMA)
        with self.assertRaises(InstructorRetryException):
            client.create(
                model="plain", messages=QUESTION, response_model=Village,
                max_retries=2,
            )
        usage = self.gateway.usage(self.key, 2)
        self.assertGreaterEqual(usage["requests"], 2, "each try is a request of its own")

    def caught(self, model, **how):
        """The failure below what Instructor makes of it."""
        with self.assertRaises((openai.APIError, InstructorRetryException)) as caught:
            self.ask(model, **how)
        error = caught.exception
        while error is not None and not isinstance(error, openai.APIError):
            error = error.__cause__ or error.__context__
        return error

    def test_errors_are_the_clients_own(self):
        self.assertEqual(self.caught("gpt-17").code, "model_not_found")
        self.assertEqual(self.caught("plain", secret="sk-fly-wrong").code, "invalid_api_key")
        self.assertEqual(self.caught("failing").code, "upstream_error")

    def test_a_retry_succeeds_and_is_charged_once(self):
        self.assertEqual(self.ask("flaky", retries=2).model_dump(), CITY.model_dump())
        self.assertEqual(self.vendor.starts("flaky"), 2)
        self.assert_charged_once()

    def test_a_dropped_connection_is_charged_once(self):
        stream = self.client().create(
            model="slow", messages=QUESTION, response_model=None, stream=True
        )
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                break
        stream.close()
        self.assert_hung_up()


class Village(City):
    """Asks for more than the vendor tells."""

    mayor: str
