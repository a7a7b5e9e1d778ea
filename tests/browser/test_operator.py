"""The operator in the browser: comes in, makes an account, grants, watches the live view change
while requests run, asks the router why."""

import json
import threading
import unittest
import urllib.error
import urllib.request
from urllib.parse import quote

from browser import DESKTOP, EVIL, PHONE, BrowserTest, expect, wait_until


class Operator(BrowserTest):
    """One operator after another."""

    def test_makes_an_account_grants_credit_and_reads_the_audit_log(self):
        """What is stored stays text, and the ledger agrees."""
        page = self.visit("en", DESKTOP)
        self.operate(page)
        page.goto("/admin/accounts")
        page.fill("#name", EVIL)
        page.get_by_role("button", name="Make").click()
        secret = page.inner_text("#secret")
        page.goto("/admin/accounts")
        page.locator("tr", has_text="<script>").get_by_role("link").click()
        page.fill("#amount", "0")
        page.fill("#note", EVIL)
        page.get_by_role("button", name="Grant credit").click()
        expect(page.get_by_role("alert")).to_be_focused()
        self.assertEqual(page.input_value("#note"), EVIL)
        self.look(page, "admin-grant-refused-en")
        page.fill("#amount", "7.25")
        page.get_by_role("button", name="Grant credit").click()
        page.wait_for_url("**told=granted")
        balance = lambda: self.gateway.call("GET", "/api/credits", secret)["balance_micro_usd"]
        wait_until("the grant is there", lambda: balance() == 7_250_000)
        page.reload()
        self.assertIn("Agrees with the balance", page.inner_text("main"))
        self.look(page, "admin-account-en")
        page.get_by_role("link", name="Revoke").click()
        self.look(page, "admin-key-revoke-en")
        page.get_by_role("link", name="Back").click()
        self.assertIn("Agrees with the balance", page.inner_text("main"))
        page.goto("/admin/audit")
        self.assertIn("grant $7.25", page.inner_text("main"))
        self.look(page, "admin-audit-en")

    def ask(self, key, model="plain"):
        """Asks a model through the API; the status of the answer."""
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
        try:
            self.gateway.call("POST", "/v1/chat/completions", key.secret, body)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        return 200

    def stream(self, key, model):
        """A whole stream, as it comes."""
        body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "hello"}]}
        request = urllib.request.Request(
            f"{self.gateway.root_url}/v1/chat/completions", json.dumps(body).encode(), method="POST",
            headers={"authorization": f"Bearer {key.secret}", "content-type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode()

    def test_cancels_a_request_that_runs(self):
        """Its client gets an error, the page says so, and the audit log has it."""
        key, page = self.gateway.key("5"), self.visit("en", DESKTOP)
        self.operate(page)
        told = []
        asker = threading.Thread(target=lambda: told.append(self.stream(key, "slow")))
        asker.start()
        page.get_by_role("button", name="Cancel").wait_for()
        self.look(page, "admin-live-running-en")
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("The request was cut").wait_for()
        asker.join()
        self.assertIn('"error"', told[0])
        self.assertNotIn("[DONE]", told[0])
        page.goto("/admin/audit")
        self.assertIn("cancel req_", page.inner_text("main"))

    def test_drains_a_worker_and_another_takes_its_place(self):
        """The live view shows it go, and nobody's request fails."""
        key, page = self.gateway.key("5"), self.visit("en", DESKTOP)
        self.operate(page)
        worker = page.locator("#workers + .scroll code").first.inner_text()
        page.get_by_role("button", name="Drain").first.click()
        page.get_by_text("The worker drains").wait_for()
        expect(page.locator("#live")).not_to_contain_text(worker, use_inner_text=True)
        expect(page.locator("#live")).to_contain_text("wk_", use_inner_text=True)
        self.assertEqual(self.ask(key), 200)
        page.goto("/admin/audit")
        self.assertIn(f"drain {worker}", page.inner_text("main"))

    def test_the_margin_and_stripes_events_are_there(self):
        """Costs that nobody told are not guessed; an event is listed with what came of it."""
        key, page = self.gateway.key("5"), self.visit("en", DESKTOP)
        self.operate(page)
        self.assertEqual(self.ask(key), 200)
        self.gateway.usage(key, 1)
        page.goto("/admin/margin")
        self.assertIn("Not known", page.inner_text("main"))
        self.assertNotEqual(page.inner_text("#unknown"), "$0.00")
        self.look(page, "admin-margin-en")
        event = {"id": "evt_9", "type": "payment_intent.succeeded",
                 "data": {"object": {"object": "payment_intent", "id": "pi_of_nobody"}}}
        self.assertEqual(self.tell_of(event), 200)
        page.goto("/admin/payments")
        row = page.locator("tr", has_text="evt_9")
        for shown in ["payment_intent.succeeded", "Passed over", "pi_of_nobody"]:
            self.assertIn(shown, row.inner_text())
        self.look(page, "admin-payments-en")

    def test_nothing_that_is_stored_runs_on_any_page(self):
        """Names, notes, Stripe's words, what is looked for: in every room, both ways of asking."""
        admin = self.gateway.banner["admin_key"]
        made = self.gateway.call("POST", "/api/keys", admin, {"name": EVIL})
        account = made["account"]
        change = {"name": EVIL, "locale": "ja-JP"}
        self.gateway.call("PATCH", f"/api/accounts/{account}", admin, change)
        event = {"id": EVIL, "type": EVIL,
                 "data": {"object": {"object": "payment_intent", "id": EVIL}}}
        self.tell_of(event)
        page = self.visit("en", DESKTOP)
        self.operate(page)
        page.goto(f"/admin/accounts/{account}")
        page.fill("#amount", "1")
        page.fill("#note", EVIL)
        page.get_by_role("button", name="Grant credit").click()
        page.wait_for_url("**told=granted")
        escaped = quote(EVIL, safe="")
        rooms = ["", f"?told={escaped}", "/accounts", f"/accounts?q={escaped}",
                 f"/accounts/{account}", f"/accounts/{account}?told={escaped}",
                 f"/accounts/{escaped}", f"/requests?account={account}",
                 f"/requests?account={escaped}&request={escaped}",
                 f"/requests/{account}/{escaped}", "/margin", "/models", "/payments", "/config",
                 "/audit"]
        for number, room in enumerate(rooms):
            page.goto(f"/admin{room}")
            self.look(page, f"admin-evil-{number}")
        page.goto(f"/nowhere/{escaped}")
        self.assertIn("no such page", page.inner_text("h1"))
        self.look(page, "nowhere-en")
        page.goto("/admin/router")
        page.fill("#prompt", EVIL)
        page.click("main button[type=submit]")
        page.locator("#chosen").wait_for()
        self.look(page, "admin-evil-router")
        page.goto("/account/sign-in")
        page.fill("#key", made["key"])
        page.click("main button[type=submit]")
        page.wait_for_url("**/account")
        for number, room in enumerate(["", "/usage", "/requests", "/keys", "/credit",
                                       f"/requests?request={escaped}", f"/requests/{escaped}",
                                       f"/keys/{escaped}/revoke", f"/statements/{escaped}",
                                       f"/purchases/{escaped}/receipt"]):
            page.goto(f"/account{room}")
            self.look(page, f"account-evil-{number}")

    def test_everything_is_done_by_keyboard(self):
        """Each room's controls are reached in view and visibly."""
        page = self.visit("en", DESKTOP)
        page.goto("/admin/sign-in")
        expect(page.locator("#key")).to_be_focused()
        page.keyboard.type(self.gateway.banner["admin_key"])
        page.keyboard.press("Enter")
        page.wait_for_url("**/admin")
        for room in ["/accounts", "/requests", "/margin", "/models", "/router", "/payments",
                     "/config", "/audit"]:
            page.goto(f"/admin{room}")
            self.walk_by_keyboard(page, room)

    def test_the_live_view_moves_while_requests_run(self):
        """Without a reload."""
        key, page = self.gateway.key("5"), self.page
        self.operate(page)
        before = int(page.inner_text("#answered"))
        body = {"model": "plain", "messages": [{"role": "user", "content": "hello"}]}
        ask = lambda: self.gateway.call("POST", "/v1/chat/completions", key.secret, body)
        askers = [threading.Thread(target=ask) for _ in range(8)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        wait_until(
            "eight more are answered", lambda: int(page.inner_text("#answered")) >= before + 8
        )
        self.look(page, "admin-live-ja")

    def test_every_room_in_both_languages_and_colours_and_on_a_phone(self):
        """Each room is accessible in each form, and a picture of it is kept."""
        key = self.gateway.key("3")
        self.ask(key)
        self.gateway.usage(key, 1)
        self.tell_of({"id": "evt_1", "type": "customer.created", "data": {"object": {}}})
        rooms = ["", "/accounts", f"/accounts/{key.account}", "/requests", "/margin", "/models",
                 "/payments", "/config", "/audit"]
        forms = [("ja", DESKTOP, "light"), ("en", PHONE, "dark"), ("en", DESKTOP, "dark"),
                 ("ja", PHONE, "light")]
        for language, size, theme in forms:
            page = self.visit(language, size, theme)
            self.operate(page)
            form = f"{language}-{size['width']}-{theme}"
            for room in rooms:
                page.goto(f"/admin{room}")
                name = room.replace(key.account, "one").replace("/", "-")
                self.look(page, f"admin{name}-{form}")
            page.goto("/admin/router")
            page.fill("#prompt", "楽天市場で人気の送料無料のおすすめ商品を教えてください")
            page.click("main button[type=submit]")
            page.locator("#chosen").wait_for()
            self.look(page, f"admin-router-{form}")


if __name__ == "__main__":
    unittest.main()
