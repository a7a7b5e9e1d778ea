"""A customer in the browser: comes with nothing, buys, talks to a model, sees the receipt, makes a
key and uses it, revokes it and is refused."""

import os
import sys
import unittest
import urllib.error
from datetime import datetime, timedelta, timezone
from types import ModuleType, SimpleNamespace
from unittest import mock

from browser import DESKTOP, EVIL, PHONE, BrowserTest, expect


class Customer(BrowserTest):
    """One customer after another."""

    def ask(self, secret):
        """Asks a model through the API; the status of the answer."""
        body = {"model": "plain", "messages": [{"role": "user", "content": "hello"}]}
        try:
            self.gateway.call("POST", "/v1/chat/completions", secret, body)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        return 200

    def check_python(self, code, secret):
        """What was copied runs as it is and asks the same; the client is one of few lines."""
        asked = {}

        def create(**request):
            asked.update(request)
            answer = self.gateway.call("POST", "/v1/chat/completions", secret, request)
            message = SimpleNamespace(**answer["choices"][0]["message"])
            return SimpleNamespace(choices=[SimpleNamespace(message=message)])

        def client(base_url, api_key):
            self.assertEqual((base_url, api_key), (f"{self.gateway.root_url}/v1", "from-outside"))
            return SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))

        package = ModuleType("openai")
        package.OpenAI = client
        said = []
        with mock.patch.dict(sys.modules, {"openai": package}), mock.patch.dict(
            os.environ, {"FLY_LLM_API_KEY": "from-outside"}
        ):
            exec(code, {"print": said.append})
        self.assertEqual(said, ["東京です🗼"])
        self.assertEqual((asked["model"], len(asked["messages"])), ("auto", 3))

    def test_a_stranger_buys_credit_and_gets_a_key_that_works(self):
        """From the first page through Stripe to a first request."""
        page = self.page
        page.goto("/")
        self.look(page, "landing-ja")
        page.get_by_text("Python", exact=True).click()
        self.assertIn(self.gateway.root_url, page.inner_text("#sample-Python"))
        page.locator(".panel:visible .copy").click()
        copied = page.evaluate("navigator.clipboard.readText()")
        self.assertIn("chat.completions.create", copied)
        page.check("input[value=Pro]")
        page.fill("#email", "hanako@example.jp")
        page.click("form[action='/buy'] button")
        page.wait_for_url(f"{self.stripe.url}/pay/*")
        page.click("#pay")
        page.wait_for_url("**/checkout/success*")
        self.look(page, "checkout-waits")
        page.click("text=APIキーを表示")
        self.look(page, "checkout-success")
        secret = page.inner_text("#secret")
        self.assertEqual(self.ask(secret), 200)
        page.get_by_role("link", name="マイページへ").click()
        page.fill("#key", secret)
        page.click("main button[type=submit]")
        page.click("text=クレジット")
        self.assertIn("$2.5", page.inner_text("main"))
        self.look(page, "credit-ja")
        page.click("text=表示・印刷")
        self.assertIn("領収書", page.inner_text("h1"))
        self.look(page, "purchase-receipt-ja")

    def test_talks_in_the_playground_and_sees_what_it_cost(self):
        """Streamed, with the model, the masking, the cost, and the receipt."""
        key, page = self.gateway.key("5"), self.visit("en", DESKTOP)
        self.sign_in(page, key)
        page.click("nav >> text=Playground")
        page.fill("#message", "電話は 090-1234-5678 です。おすすめは？")
        page.click("#send")
        answer = page.locator(".turn.assistant")
        answer.locator(".facts").wait_for()
        told = answer.inner_text()
        for shown in ["東京です🗼", "Model plain", "Masked telephone 1", "Reason auto;", "Cost $",
                      "Tokens 10 + 5", "First token", "In all"]:
            self.assertIn(shown, told)
        self.assertNotIn("090", str(self.vendor.seen))
        question = page.locator(".turn.user")
        question.locator(".hidden").wait_for()
        self.assertEqual(question.locator("mark").inner_text(), "090-1234-5678")
        self.assertIn("telephone 090-1234-5678 → [PHONE_1]", question.inner_text())
        # The next message hides other words, and says which are its own.
        page.fill("#message", "送り先は hanako@example.jp です")
        page.click("#send")
        second = page.locator(".turn.user").nth(1)
        second.locator(".hidden").wait_for()
        self.assertEqual(second.locator("mark").all_inner_texts(), ["hanako@example.jp"])
        self.assertNotIn("hanako", str(self.vendor.seen))
        page.locator("summary", has_text="Copy as code").click()
        self.assertIn("/v1/chat/completions", page.inner_text("#code-curl"))
        page.locator("#as-code label", has_text="Python").click()
        page.locator("#as-code .copy:visible").click()
        copied = page.evaluate("navigator.clipboard.readText()")
        self.check_python(copied, key.secret)
        self.look(page, "playground-en")
        answer.first.get_by_role("link", name="Receipt").click()
        self.assertIn("$0.00002", page.inner_text("main"))
        self.look(page, "receipt-en")
        self.gateway.usage(key, 3)
        page.goto("/account")
        self.look(page, "overview-en")
        page.goto("/account/requests")
        self.look(page, "requests-en")

    def test_an_answer_is_stopped_and_what_fails_is_said(self):
        """A stopped answer keeps what came; a failure is told in words."""
        key, page = self.gateway.key("5"), self.page
        self.sign_in(page, key)
        page.goto("/account/playground")
        page.select_option("#model", "slow")
        page.fill("#message", "hello")
        page.keyboard.press("Control+Enter")
        page.locator(".turn.assistant", has_text="東京").wait_for()
        page.click("#send")
        page.locator(".facts", has_text="停止しました").wait_for()
        page.select_option("#model", "failing")
        page.fill("#message", "hello")
        page.click("#send")
        page.locator(".turn.failed").wait_for()
        self.assertNotIn("internal-detail", page.inner_text("main"))
        self.look(page, "playground-failed-ja")

    def test_makes_a_key_uses_it_and_revokes_it(self):
        """The secret is shown once, opens at once, and is refused when it is revoked."""
        key, page = self.gateway.key("5"), self.visit("en", DESKTOP)
        self.sign_in(page, key)
        page.goto("/account/keys")
        page.fill("#name", EVIL)
        page.fill("#budget", "1.5")
        page.select_option("#models", ["plain"])
        page.get_by_role("button", name="Make key").click()
        secret = page.inner_text("#secret")
        self.look(page, "key-made-en")
        self.assertEqual(self.ask(secret), 200)
        page.reload()
        self.assertIn("sent before", page.get_by_role("alert").inner_text())
        self.assertEqual(page.locator("tr", has_text="<script>").count(), 1)
        self.look(page, "key-made-before-en")
        page.goto("/account/keys")
        self.assertNotIn(secret, page.content())
        self.assertIn(EVIL, page.inner_text("main"))
        row = page.locator("tr", has_text="<script>")
        row.get_by_role("link", name="Revoke").click()
        self.look(page, "key-revoke-en")
        page.get_by_role("button", name="Revoke").click()
        page.wait_for_url("**/account/keys")
        self.assertEqual(self.ask(secret), 401)

    def test_nothing_that_is_said_or_answered_runs_in_the_playground(self):
        """Messages, the system prompt, the answer, what is hidden, the code."""
        key, page = self.gateway.key("5"), self.page
        self.sign_in(page, key)
        page.goto("/account/playground")
        page.select_option("#model", "plain")
        page.locator("summary", has_text="設定").click()
        page.fill("#system", f"{EVIL} `${{window.evil=1}}` \\")
        page.fill("#message", f"repeat: {EVIL} 090-1234-5678")
        page.click("#send")
        page.locator(".turn.user .hidden").wait_for()
        self.assertIn(EVIL, page.locator(".turn.user").inner_text())
        self.assertIn(EVIL, page.locator(".turn.assistant").inner_text())
        page.locator("summary", has_text="コードとしてコピー").click()
        self.assertIn("onerror", page.inner_text("#code-curl"))
        self.look(page, "playground-evil-ja")

    def test_usage_is_seen_by_day_model_and_key(self):
        """Each view has an address; the picture's numbers are a table, too."""
        key, page = self.gateway.key("5"), self.visit("en", DESKTOP)
        for _ in range(4):
            self.assertEqual(self.ask(key.secret), 200)
        self.gateway.usage(key, 4)
        self.sign_in(page, key)
        page.goto("/account/usage")
        self.assertEqual(page.locator(".chart .day rect").count(), 1)
        self.assertEqual(page.locator(".chart .day").count(), 30)
        page.get_by_role("link", name="Requests", exact=True).last.click()
        page.get_by_role("link", name="7 days").click()
        page.get_by_role("link", name="By key").click()
        page.wait_for_url("**/account/usage?days=7&by=key&of=requests")
        self.assertEqual(page.locator(".chart .day").count(), 7)
        page.locator("summary", has_text="As a table").click()
        row = page.locator("details[open] tbody tr")
        self.assertEqual(row.locator("td").inner_text(), "4")
        self.assertIn("test", page.inner_text(".legend"))
        self.look(page, "usage-by-key-en")
        page.goto("/account/usage?days=x&by=<script>&of=%22")
        self.assertEqual(page.locator(".chart .day").count(), 30)

    def test_wishes_auto_recharge_changes_it_and_ends_it(self):
        """The form says what is missing, keeps what was wished, and ends it."""
        key, page = self.gateway.key("5"), self.page
        self.sign_in(page, key)
        page.goto("/account/credit")
        state = page.locator("#recharge-state")
        self.assertEqual(state.inner_text(), "自動チャージはオフです。")
        save = page.get_by_role("button", name="保存してオンにする")
        end = page.get_by_role("button", name="オフにする", exact=True)
        self.assertEqual(end.count(), 0)
        # The browser itself sends no form in which something is missing.
        page.get_by_label("残高がこれを下回ったら（USD）").fill("2.5")
        save.click()
        self.assertEqual(page.evaluate("document.activeElement.id"), "recharge-amount")
        page.get_by_label("1回のチャージ額").fill("5000")
        page.get_by_label("月の上限").fill("4999")
        self.assertEqual(page.input_value("#recharge-currency"), "jpy")
        save.click()
        page.wait_for_url("**/account/recharge")
        self.assertIn("月の上限", page.get_by_role("alert").inner_text())
        self.assertEqual(page.input_value("#recharge-month_max"), "4999")
        self.look(page, "recharge-refused-ja")
        page.goto("/account/credit")
        for name, value in [("below", "2.5"), ("amount", "5000"), ("month_max", "20000")]:
            page.fill(f"#recharge-{name}", value)
        save.click()
        page.wait_for_url("**/account/credit#recharge")
        self.assertIn("保存されたカードがありません", state.inner_text())
        self.look(page, "recharge-ja")
        fields = ["below", "amount", "month_max", "currency"]
        values = [page.input_value(f"#recharge-{name}") for name in fields]
        self.assertEqual([float(values[0]), *values[1:]], [2.5, "5000", "20000", "jpy"])
        told = self.gateway.call("GET", "/api/recharge", key.secret)
        self.assertEqual((told["status"], told["has_card"]), ("no_card", False))
        self.assertEqual(told["wish"]["below_usd"], 2.5)
        # By keyboard alone to dollars, and off again.
        page.select_option("#recharge-currency", "usd")
        for name, value in [("amount", "50"), ("month_max", "100")]:
            page.fill(f"#recharge-{name}", value)
        page.keyboard.press("Enter")
        expect(page.locator("#recharge-amount")).to_have_value("50.00")
        end.click()
        expect(state).to_contain_text("オフです")
        self.assertEqual(self.gateway.call("GET", "/api/recharge", key.secret)["status"], "off")
        self.assertEqual(page.input_value("#recharge-amount"), "")

    def test_everything_is_done_by_keyboard(self):
        """Each room's controls are reached in view and visibly; the first is a way past the rest."""
        key, page = self.gateway.key("5"), self.visit("en", DESKTOP)
        page.goto("/")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**/#main")
        for path in ["/", "/account/sign-in"]:
            page.goto(path)
            self.walk_by_keyboard(page, path)
        page.goto("/account/sign-in")
        expect(page.locator("#key")).to_be_focused()
        page.keyboard.type(key.secret)
        page.keyboard.press("Enter")
        page.wait_for_url("**/account")
        for room in ["", "/usage", "/requests", "/keys", "/credit", "/playground"]:
            page.goto(f"/account{room}")
            self.walk_by_keyboard(page, room)
        page.focus("#message")
        page.keyboard.type("hello")
        page.keyboard.press("Control+Enter")
        page.locator(".turn.assistant .facts").wait_for()

    def test_every_room_in_both_languages_and_colours_and_on_a_phone(self):
        """Each room is accessible in each form, and a picture of it is kept."""
        key = self.gateway.key("12.5")
        for _ in range(3):
            self.assertEqual(self.ask(key.secret), 200)
        self.gateway.usage(key, 3)
        month = (datetime.now(timezone.utc) + timedelta(hours=9)).strftime("%Y-%m")
        rooms = ["", "/usage", "/requests", "/keys", "/credit", "/playground",
                 f"/statements/{month}"]
        forms = [("ja", DESKTOP, "light"), ("en", PHONE, "light"), ("ja", PHONE, "dark"),
                 ("en", DESKTOP, "dark")]
        for language, size, theme in forms:
            page = self.visit(language, size, theme)
            form = f"{language}-{size['width']}-{theme}"
            page.goto("/")
            self.look(page, f"landing-{form}")
            page.goto("/account/sign-in")
            self.look(page, f"sign-in-{form}")
            self.sign_in(page, key)
            for room in rooms:
                page.goto(f"/account{room}")
                self.assertEqual(page.get_attribute("html", "lang"), language)
                name = room.replace(month, "month").replace("/", "-")
                self.look(page, f"account{name}-{form}")

    def test_the_switches_at_the_bottom_stay_switched(self):
        """Language and colours are kept in cookies; the page stays the same."""
        page = self.page
        page.goto("/account/sign-in")
        page.get_by_role("button", name="English").click()
        page.wait_for_url("**/account/sign-in")
        self.assertEqual(page.get_attribute("html", "lang"), "en")
        page.get_by_role("button", name="Dark").click()
        page.goto("/")
        self.assertEqual(page.get_attribute("html", "data-theme"), "dark")
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        self.assertEqual(ground, "rgb(15, 19, 24)")
        self.look(page, "landing-switched")


if __name__ == "__main__":
    unittest.main()
