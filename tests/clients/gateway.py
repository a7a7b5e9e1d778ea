"""The real program for the tests: `fly-llm up` on free ports with a data folder of its own, its
vendor double, and keys with credit. Each test class has one; at its end the ledger must add up, the
program must end by SIGTERM with exit code 0, and nothing is left behind."""

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

from vendor import Vendor

# Neither the clients nor the program may take a key, an address or a proxy from who runs the tests.
FOREIGN = ("OPENAI_", "ANTHROPIC_", "STRIPE_", "NATS_URL", "REDIS_URL", "ADMIN_API_KEY", "RAKUTEN_")
PROXIES = ("http_proxy", "https_proxy", "all_proxy")
for name in list(os.environ):
    if name.startswith(FOREIGN) or name.lower() in PROXIES:
        del os.environ[name]

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30
WAIT_SECONDS_MAX = 20
LOOK_SECONDS = 0.01

HEAD = """
limits:
  requests_per_minute: 1000000
  tokens_per_minute: 1000000000
  parallel: 1000
  max_tokens_per_request: 1000
cache: {enabled: false}
models:
"""
# Round prices: an input token costs 1 micro-USD, an output token 2.
MODEL = """
  - name: NAME
    pool: cloud
    vendor: VENDOR
    api_base: BASE
    api_key: vendor-secret-key
    price: {input: 1, cached_input: 1, cache_write: 1, output: 2}
    context: 100000
    max_output: 1000
    capabilities: [CAPABILITIES]
"""
OPENAI_MODELS = ["plain", "tools", "slow", "failing", "flaky", "limited", "cut"]
ANTHROPIC_MODELS = ["claude", "claude-tools", "claude-old"]
# It can't be held to a schema directly.
WITHOUT_SCHEMAS = "claude-old"


def configuration(vendor):
    """The text of the configuration: one model for each thing that a vendor may do."""
    text = HEAD
    for model in OPENAI_MODELS:
        lines = MODEL.replace("VENDOR", "compatible").replace("BASE", f"{vendor}/v1")
        text += filled(lines, model)
    for model in ANTHROPIC_MODELS:
        lines = MODEL.replace("VENDOR", "anthropic").replace("BASE", f"{vendor}/v1")
        text += filled(lines, model)
    return text


def filled(lines, model):
    """One model's lines."""
    capabilities = "chat, tools" if model == WITHOUT_SCHEMAS else "chat, tools, json_schema"
    return lines.replace("NAME", model).replace("CAPABILITIES", capabilities)


def program():
    """Where the program is."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    target = os.environ.get("CARGO_TARGET_DIR") or Path(cache) / "fly-llm" / "target"
    return os.environ.get("FLY_LLM_BINARY") or str(Path(target) / "debug" / "fly-llm")


def wait_until(what, condition):
    """Waits until a condition holds, and returns what it gave."""
    end = time.monotonic() + WAIT_SECONDS_MAX
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"in vain waited until {what}")
        time.sleep(LOOK_SECONDS)


class Key:
    """A key of an account of its own."""

    def __init__(self, made):
        self.secret = made["key"]
        self.account = made["account"]


class Gateway:
    """A running `fly-llm up`."""

    def __init__(self, vendor, extra="", environment=None):
        self.folder = tempfile.TemporaryDirectory(prefix="fly-llm-clients-")
        folder = Path(self.folder.name)
        self.data = folder / "data"
        self.errors = folder / "up.err"
        file = folder / "config.yaml"
        file.write_text(configuration(vendor.url) + extra, encoding="utf-8")
        arguments = ["up", "--json", "--config", str(file), "--data", str(self.data)]
        arguments += ["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]
        with self.errors.open("wb") as errors:
            self.child = subprocess.Popen(
                [program(), *arguments], cwd=folder, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=errors,
                env={**os.environ, **(environment or {})},
            )
        try:
            self.banner = self.read_banner()
        except BaseException:
            self.stop()
            raise
        self.base_url = self.banner["base_url"]
        self.root_url = self.base_url.removesuffix("/v1")

    def read_banner(self):
        """The line that says where it is; a program that never says it is killed."""
        watch = threading.Timer(START_SECONDS_MAX, self.child.kill)
        watch.start()
        try:
            line = self.child.stdout.readline()
        finally:
            watch.cancel()
        if not line:
            raise AssertionError(f"no banner: {self.errors.read_text(encoding='utf-8')}")
        return json.loads(line)

    def stop(self):
        """Ends it as a service manager does, whatever state it is in."""
        try:
            self.child.send_signal(signal.SIGTERM)
            code = self.child.wait(STOP_SECONDS_MAX)
            said = self.errors.read_text(encoding="utf-8")
        finally:
            self.child.kill()
            self.child.wait()
            self.child.stdout.close()
            self.folder.cleanup()
        if code != 0:
            raise AssertionError(f"fly-llm up ended with {code}: {said}")

    def tool(self, *arguments):
        """Runs a tool of the program beside it and returns its output."""
        asked = [program(), *arguments, "--data", str(self.data)]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=WAIT_SECONDS_MAX)
        if done.returncode != 0:
            raise AssertionError(f"{arguments}: {done.returncode} {done.stdout} {done.stderr}")
        return done.stdout

    def call(self, method, path, secret, body=None):
        """Calls the API without any client library; returns the JSON of the answer."""
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.root_url}{path}", content, method=method)
        request.add_header("authorization", f"Bearer {secret}")
        request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=WAIT_SECONDS_MAX) as answer:
            return json.load(answer)

    def key(self, usd="1"):
        """A fresh key in a fresh account, with credit if any is wanted."""
        made = self.call("POST", "/api/keys", self.banner["admin_key"], {"name": "test"})
        key = Key(made)
        if usd is not None:
            self.tool("credits", "grant", key.account, usd)
            wait_until("the credit is there", lambda: self.balance(key) > 0)
        return key

    def balance(self, key):
        """What an account has, in micro-USD."""
        return self.call("GET", "/api/credits", key.secret)["balance_micro_usd"]

    def usage(self, key, requests):
        """An account's usage, once so many requests are in it and nothing is held any more."""

        def settled():
            usage = self.call("GET", "/api/usage", key.secret)
            held = self.call("GET", "/api/credits", key.secret)["held_micro_usd"]
            return usage if usage["requests"] >= requests and held == 0 else None

        return wait_until(f"{requests} requests are in the usage", settled)

    def receipt(self, key, request):
        """How a request ended, once it has."""

        def written():
            try:
                return self.call("GET", f"/api/receipts/{request}", key.secret)
            except urllib.error.HTTPError as error:
                with error:
                    if error.code != 404:
                        raise
                return None

        return wait_until(f"{request} has a receipt", written)

    def answered(self, model, code):
        """How many requests for a model the gateway has answered with a code."""
        with urllib.request.urlopen(self.banner["metrics_url"], timeout=WAIT_SECONDS_MAX) as answer:
            lines = answer.read().decode().splitlines()
        wanted = [f'model="{model}"', f'code="{code}"']
        for line in lines:
            is_counter = line.startswith("fly_llm_requests_total{")
            if is_counter and all(label in line for label in wanted):
                return int(float(line.rsplit(" ", 1)[1]))
        return 0


class GatewayTest(unittest.TestCase):
    """A test class with a gateway and a vendor of its own."""

    @classmethod
    def setUpClass(cls):
        cls.vendor = Vendor()
        cls.addClassCleanup(cls.vendor.close)
        cls.gateway = Gateway(cls.vendor)
        cls.addClassCleanup(cls.gateway.stop)

    @classmethod
    def tearDownClass(cls):
        report = json.loads(cls.gateway.tool("ledger", "check", "--json"))
        if report["ok"] is not True:
            raise AssertionError(f"the ledger does not add up: {report}")
