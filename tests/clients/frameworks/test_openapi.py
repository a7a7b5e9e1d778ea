"""Schemathesis reads what the program says of itself in /openapi.json and sends whatever fits it,
and much that doesn't: no answer may be a 5xx. The seed is fixed, so that a failure comes again."""

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

from question import FrameworkTest

SEED = 20261125
EXAMPLES_MAX = 20
RUN_SECONDS_MAX = 300
# A model of the vendor double, one in the other protocol, and one that nobody knows.
MODELS = ["plain", "claude", "nobody"]


class OpenAPI(FrameworkTest):
    """The description, and what comes of it."""

    def description(self):
        """What the program says, with models that there are."""
        with urllib.request.urlopen(f"{self.gateway.root_url}/openapi.json", timeout=20) as answer:
            described = json.load(answer)
        for schema in described["components"]["schemas"].values():
            if "model" in schema.get("properties", {}):
                schema["properties"]["model"] = {"type": "string", "enum": MODELS}
        return described

    def fuzz(self, secret, paths):
        """Sends cases to the operations whose paths begin so."""
        described = self.description()
        chosen = {
            path: methods for path, methods in described["paths"].items() if path.startswith(paths)
        }
        self.assertTrue(chosen)
        described["paths"] = chosen
        file = Path(self.gateway.folder.name) / "openapi.json"
        file.write_text(json.dumps(described), encoding="utf-8")
        done = subprocess.run(
            [
                sys.executable, "-m", "schemathesis.cli", "run", str(file),
                "--url", self.gateway.root_url, "--header", f"Authorization: Bearer {secret}",
                "--checks", "not_a_server_error", "--phases", "examples,coverage,fuzzing",
                "--max-examples", str(EXAMPLES_MAX), "--seed", str(SEED),
                "--generation-database", "none", "--no-color",
            ],
            cwd=self.gateway.folder.name, capture_output=True, text=True, timeout=RUN_SECONDS_MAX,
        )
        self.assertEqual(done.returncode, 0, done.stdout[-20_000:] + done.stderr[-5_000:])
        cases = re.search(r"(\d+) generated, \1 passed", done.stdout)
        self.assertGreater(int(cases[1]) if cases else 0, len(chosen), done.stdout[-2_000:])

    def test_the_surfaces_never_fail(self):
        key = self.gateway.key(usd="1000")
        self.fuzz(key.secret, ("/v1/",))

    def test_our_own_api_never_fails(self):
        self.fuzz(self.gateway.banner["admin_key"], ("/api/",))

    def test_pages_and_health_never_fail(self):
        self.fuzz(self.key.secret, ("/checkout/cancel", "/assets/", "/health", "/ready"))
