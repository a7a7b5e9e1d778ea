"""What all tests of this folder ask, and how they judge the end of a request."""

from gateway import GatewayTest
from pydantic import BaseModel

TEXT_QUESTION = "日本の首都はどこですか？"
QUESTION = [{"role": "user", "content": TEXT_QUESTION}]


class City(BaseModel):
    """What the structured answer is read as."""

    city: str
    people: int


class weather(BaseModel):  # noqa: N801, the vendor's tool is called so
    """The weather of a city."""

    city: str


CITY = City(city="東京", people=14_000_000)
WEATHER = weather(city="東京")


class FrameworkTest(GatewayTest):
    """A key for each test, and the judgement of its account."""

    def setUp(self):
        self.key = self.gateway.key()

    def assert_charged_once(self, requests=1):
        """So many requests are in the usage, and the balance is what they left."""
        usage = self.gateway.usage(self.key, requests)
        self.assertEqual(usage["requests"], requests)
        self.assertGreater(usage["cost_micro_usd"], 0)
        self.assertEqual(self.gateway.balance(self.key), 1_000_000 - usage["cost_micro_usd"])

    def assert_hung_up(self):
        """The vendor was told that nobody listens, and what was produced is paid for."""
        self.assertTrue(self.vendor.hung_up.wait(30), "the vendor hears that the client left")
        self.assertEqual(self.vendor.starts("slow"), 1)
        self.assert_charged_once()
