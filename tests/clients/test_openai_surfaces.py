"""OpenAI's Python client and the other surfaces: the older completions, the responses and the list
of models. They all are the same answer of the vendor in another form."""

import vendor
from gateway import ANTHROPIC_MODELS, OPENAI_MODELS, GatewayTest, wait_until
from openai import BadRequestError, NotFoundError, OpenAI

QUESTION = "日本の首都はどこですか？"


class OpenAISurfaces(GatewayTest):
    """All but the chat completions."""

    def setUp(self):
        self.key = self.gateway.key()
        self.client = OpenAI(
            base_url=self.gateway.base_url, api_key=self.key.secret, max_retries=0
        )
        self.addCleanup(self.client.close)

    def test_a_prompt_is_completed_whole_and_as_a_stream(self):
        complete = self.client.completions.create
        whole = complete(model="plain", prompt=QUESTION)
        self.assertEqual(whole.object, "text_completion")
        self.assertEqual(whole.choices[0].text, vendor.TEXT)
        self.assertEqual(whole.choices[0].finish_reason, "stop")
        self.assertEqual(whole.usage.completion_tokens, vendor.OUTPUT_TOKENS)
        chunks = list(complete(model="plain", prompt=QUESTION, stream=True))
        texts = [chunk.choices[0].text for chunk in chunks if chunk.choices]
        self.assertEqual("".join(texts), vendor.TEXT)
        self.assertEqual(self.gateway.usage(self.key, 2)["requests"], 2)

    def test_a_response_is_created(self):
        for model in ["plain", "claude"]:
            answer = self.client.responses.create(model=model, input=QUESTION, instructions="短く。")
            self.assertEqual(answer.status, "completed")
            self.assertEqual(answer.output_text, vendor.TEXT)
            self.assertEqual(answer.usage.output_tokens, vendor.OUTPUT_TOKENS)
        self.assertEqual(self.gateway.usage(self.key, 2)["requests"], 2)

    def test_a_response_is_streamed_as_typed_events(self):
        for model in ["plain", "claude"]:
            events = list(self.client.responses.create(model=model, input=QUESTION, stream=True))
            kinds = [event.type for event in events]
            self.assertEqual((kinds[0], kinds[-1]), ("response.created", "response.completed"))
            numbers = [event.sequence_number for event in events]
            self.assertEqual(numbers, list(range(len(events))))
            is_delta = "response.output_text.delta"
            deltas = [event.delta for event in events if event.type == is_delta]
            self.assertEqual("".join(deltas), vendor.TEXT)
            self.assertEqual(events[-1].response.output_text, vendor.TEXT)
            with self.client.responses.stream(model=model, input=QUESTION) as stream:
                final = stream.get_final_response()
            self.assertEqual(final.output_text, vendor.TEXT)
        self.assertEqual(self.gateway.usage(self.key, 4)["requests"], 4)

    def test_a_kept_response_is_read_gone_on_from_and_deleted(self):
        responses = self.client.responses
        first = responses.create(model="plain", input=QUESTION)
        self.assertTrue(first.store)
        self.assertEqual(responses.retrieve(first.id).output_text, vendor.TEXT)
        (item,) = responses.input_items.list(first.id).data
        self.assertEqual(item.content[0].text, QUESTION)
        second = responses.create(
            model="claude", input="人口は？", previous_response_id=first.id
        )
        self.assertEqual(second.previous_response_id, first.id)
        told = [message["role"] for message in self.vendor.last("claude")["messages"]]
        self.assertEqual(told, ["user", "assistant", "user"])
        with self.assertRaises(BadRequestError):
            responses.cancel(first.id)
        responses.delete(first.id)
        with self.assertRaises(NotFoundError):
            responses.retrieve(first.id)

    def test_a_response_runs_in_the_background_and_is_followed_later(self):
        responses = self.client.responses
        queued = responses.create(model="plain", input=QUESTION, background=True)
        self.assertEqual((queued.status, queued.background), ("queued", True))

        def completed():
            response = responses.retrieve(queued.id)
            return response if response.status == "completed" else None

        self.assertEqual(wait_until("it is completed", completed).output_text, vendor.TEXT)
        events = responses.create(model="plain", input=QUESTION, background=True, stream=True)
        first = next(iter(events))
        events.close()
        resumed = responses.retrieve(
            first.response.id, stream=True, starting_after=first.sequence_number
        )
        told = list(resumed)
        self.assertEqual([event.sequence_number for event in told], list(range(1, len(told) + 1)))
        self.assertEqual(told[-1].response.output_text, vendor.TEXT)
        self.assertEqual(self.gateway.usage(self.key, 2)["requests"], 2)

    def test_a_response_in_the_background_is_cancelled_and_charged_once(self):
        responses = self.client.responses
        queued = responses.create(model="slow", input=QUESTION, background=True)

        def begun():
            return responses.retrieve(queued.id).status == "in_progress"

        wait_until("it has begun", begun)
        cancelled = responses.cancel(queued.id)
        self.assertEqual(cancelled.status, "cancelled")
        self.assertEqual(cancelled.output_text, vendor.PIECES[0])
        hung_up = self.vendor.hung_up.wait(vendor.HANG_UP_SECONDS_MAX)
        self.assertTrue(hung_up, "the vendor is told that nobody listens any more")
        usage = self.gateway.usage(self.key, 1)
        self.assertEqual(self.gateway.balance(self.key), 1_000_000 - usage["cost_micro_usd"])
        self.assertEqual(responses.cancel(queued.id).status, "cancelled")

    def test_models_are_listed_and_one_is_shown(self):
        names = {model.id for model in self.client.models.list()}
        self.assertLessEqual({*OPENAI_MODELS, *ANTHROPIC_MODELS}, names)
        self.assertEqual(self.client.models.retrieve("claude").id, "claude")
        with self.assertRaises(NotFoundError) as caught:
            self.client.models.retrieve("gpt-17")
        self.assertEqual(caught.exception.code, "model_not_found")
