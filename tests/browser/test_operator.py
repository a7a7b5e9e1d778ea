"""The operator in the browser: comes in, makes an account, grants, watches the live view change
while requests run, asks the router why."""

import threading
import unittest

from browser import DESKTOP, EVIL, PHONE, BrowserTest, wait_until


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
        page.fill("#amount", "7.25")
        page.fill("#note", EVIL)
        page.get_by_role("button", name="Grant credit").click()
        page.wait_for_url("**told=granted")
        balance = lambda: self.gateway.call("GET", "/api/credits", secret)["balance_micro_usd"]
        wait_until("the grant is there", lambda: balance() == 7_250_000)
        page.reload()
        self.assertIn("Agrees with the balance", page.inner_text("main"))
        self.look(page, "admin-account-en")
        page.goto("/admin/audit")
        self.assertIn("grant $7.25", page.inner_text("main"))
        self.look(page, "admin-audit-en")

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
        page.wait_for_function(
            "expected => Number(document.getElementById('answered').textContent) >= expected",
            arg=before + 8,
        )
        self.look(page, "admin-live-ja")

    def test_every_room_in_both_languages_and_colours_and_on_a_phone(self):
        """Each room is accessible in each form, and a picture of it is kept."""
        key = self.gateway.key("3")
        rooms = ["", "/accounts", f"/accounts/{key.account}", "/requests", "/models", "/payments",
                 "/config", "/audit"]
        for language, size, theme in [("ja", DESKTOP, "light"), ("en", PHONE, "dark")]:
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
