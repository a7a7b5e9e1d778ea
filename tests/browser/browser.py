"""The system's Chromium in front of the real program: `fly-llm up` with a vendor double and a
Stripe double. Each test class has all of it for itself. Whatever a page says on its console, and
whatever it tries to load from elsewhere, fails the test. Screenshots go to FLY_LLM_SCREENSHOTS."""

import hashlib
import hmac
import json
import os
import shutil
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

from gateway import WAIT_SECONDS_MAX, Gateway, wait_until
from playwright.sync_api import expect, sync_playwright
from stripe import SECRET_KEY, WEBHOOK_SECRET, Stripe
from vendor import Vendor

WAIT_MILLISECONDS_MAX = 30_000
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]
CHECK = (Path(__file__).parent / "accessible.js").read_text(encoding="utf-8")
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 860}
# What would run if a page let it.
EVIL = "<script>window.evil=1</script>\"'><img src=x onerror=window.evil=1>"

# What the Tab key must reach, in the page's order; one of several radio buttons is enough.
CONTROLS = """() => {
  const shown = (it) => it.checkVisibility({ checkVisibilityCSS: true });
  const all = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  const radios = new Set();
  window.controls = [...document.querySelectorAll(all)].filter((it) => {
    if (!shown(it) || it.disabled) return false;
    if (it.type !== "radio") return true;
    if (radios.has(it.name)) return false;
    radios.add(it.name);
    return true;
  });
  return window.controls.map((it) => it.outerHTML.slice(0, 120));
}"""
FOCUSED = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const named = (it) => it.type === "radio" && at.type === "radio" && it.name === at.name;
  const number = window.controls.findIndex((it) => it === at || named(it));
  const style = (it) => it ? getComputedStyle(it) : { outlineStyle: "none" };
  const drawn = (it) => style(it).outlineStyle !== "none" && parseFloat(style(it).outlineWidth) > 0;
  const label = at.labels ? at.labels[0] : null;
  const box = at.getBoundingClientRect();
  const inView = box.bottom > 0 && box.top < window.innerHeight;
  const visible = (drawn(at) || drawn(label)) && inView;
  return { number, visible, html: at.outerHTML.slice(0, 160) };
}"""

EXTRA = """
auto: {candidates: [plain, tools], default: plain}
stripe:
  api_base: "PAYMENTS"
  secret_key: ${STRIPE_SECRET_KEY}
  webhook_secret: ${STRIPE_WEBHOOK_SECRET}
plans:
  - {id: Starter, usd: 10.00, jpy: 1000, credit_usd: 10.00, bonus_percent: 0}
  - {id: Pro, usd: 50.00, jpy: 5000, credit_usd: 50.00, bonus_percent: 5}
  - {id: Enterprise, usd: 200.00, jpy: 20000, credit_usd: 200.00, bonus_percent: 10}
"""

# Pages are waited for with this and with locators, never with an expression of JavaScript
# (`wait_for_function`): a second look at one is an `eval`, which the pages' policy refuses.
expect.set_options(timeout=WAIT_SECONDS_MAX * 1000)


def chromium():
    """Where the browser is."""
    names = ["chromium", "chromium-browser", "google-chrome"]
    found = [path for path in map(shutil.which, names) if path]
    if not found:
        raise AssertionError("there is no Chromium: scripts/test-browser installs it")
    return found[0]


class BrowserTest(unittest.TestCase):
    """A test class with a gateway, its doubles and a browser of its own."""

    @classmethod
    def setUpClass(cls):
        cls.vendor = Vendor()
        cls.addClassCleanup(cls.vendor.close)
        cls.stripe = Stripe()
        cls.addClassCleanup(cls.stripe.close)
        environment = {
            "STRIPE_SECRET_KEY": SECRET_KEY, "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        }
        extra = EXTRA.replace("PAYMENTS", cls.stripe.url)
        cls.gateway = Gateway(cls.vendor, extra, environment)
        cls.addClassCleanup(cls.gateway.stop)
        cls.profile = tempfile.TemporaryDirectory(prefix="fly-llm-browser-")
        cls.addClassCleanup(cls.profile.cleanup)
        playwright = sync_playwright().start()
        cls.addClassCleanup(playwright.stop)
        cls.chromium = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        cls.addClassCleanup(cls.chromium.close)

    def setUp(self):
        self.said = []
        self.page = self.visit("ja", DESKTOP)

    def tearDown(self):
        self.assertEqual(self.said, [])

    def visit(self, language, size, theme="light"):
        """A new visitor with cookies of his own."""
        context = self.chromium.new_context(
            locale={"ja": "ja-JP", "en": "en-US"}[language], viewport=size, color_scheme=theme,
            reduced_motion="reduce", base_url=self.gateway.root_url,
        )
        self.addCleanup(context.close)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.set_default_timeout(WAIT_MILLISECONDS_MAX)
        page = context.new_page()
        page.on("console", self.hear)
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", self.watch)
        return page

    def hear(self, message):
        """A refused inline script is an error on the console. Chromium also tells of statuses
        that a test wants."""
        is_status = "the server responded with a status of" in message.text
        if message.type in ("error", "warning") and not is_status:
            self.said.append(message.text)

    def watch(self, request):
        """Pages load nothing from elsewhere."""
        ours = (self.gateway.root_url, self.stripe.url)
        if not request.url.startswith(ours):
            self.said.append(f"asked for {request.url}")

    def sign_in(self, page, key):
        """A customer comes in."""
        page.goto("/account/sign-in")
        page.fill("#key", key.secret)
        page.click("main button[type=submit]")
        page.wait_for_url("**/account")

    def operate(self, page):
        """The operator comes in."""
        page.goto("/admin/sign-in")
        page.fill("#key", self.gateway.banner["admin_key"])
        page.click("main button[type=submit]")
        page.wait_for_url("**/admin")

    def tell_of(self, event):
        """Stripe tells the gateway of an event, signed; the status of the answer."""
        body, now = json.dumps(event), str(int(time.time()))
        signed = hmac.new(WEBHOOK_SECRET.encode(), f"{now}.{body}".encode(), hashlib.sha256)
        request = urllib.request.Request(
            f"{self.gateway.root_url}/webhooks/stripe", body.encode(), method="POST",
            headers={"stripe-signature": f"t={now},v1={signed.hexdigest()}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=WAIT_SECONDS_MAX) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def walk_by_keyboard(self, page, name):
        """Every control of the page is reached with the Tab key, in view and visibly."""
        wanted = page.evaluate(CONTROLS)
        page.evaluate("document.activeElement.blur()")
        reached = set()
        for _ in range(len(wanted) * 2 + 10):
            page.keyboard.press("Tab")
            at = page.evaluate(FOCUSED)
            if at is None:
                continue
            self.assertTrue(at["visible"], f"{name}: the focus is not seen at {at['html']}")
            reached.add(at["number"])
            if len(reached) == len(wanted):
                return
        missed = [html for number, html in enumerate(wanted) if number not in reached]
        self.assertEqual(missed, [], f"{name}: not reached by keyboard")

    def look(self, page, name):
        """The page is for everybody, and runs nothing that it should show; keeps a picture."""
        self.assertEqual(page.evaluate(CHECK), [], f"{name} at {page.url}")
        self.assertIsNone(page.evaluate("window.evil ?? null"), name)
        folder = os.environ.get("FLY_LLM_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.evaluate("window.scrollTo({ top: 0, behavior: 'instant' })")
            page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


__all__ = ["DESKTOP", "EVIL", "PHONE", "BrowserTest", "wait_until"]
