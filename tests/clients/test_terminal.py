"""The program on a terminal: coloured help and words, a bar while long work runs, an answer that
streams; and nothing of all that where no terminal is. The terminal is a real one, made by the
kernel."""

import hashlib
import json
import os
import pty
import subprocess
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from gateway import GatewayTest, program

BINARY = program()
RUN_SECONDS_MAX = 60
ESCAPE = "\x1b["
WIPE = "\r\x1b[2K"
HELLO = {"model": "plain", "messages": [{"role": "user", "content": "hello"}]}


def on_terminal(arguments, environment=None, folder=None):
    """Runs the program with its output on a terminal: the exit code, and what was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [BINARY, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder,
        env={**os.environ, "TERM": "xterm-256color", **(environment or {})},
    )
    os.close(theirs)
    shown = bytearray()
    try:
        while chunk := os.read(ours, 65_536):
            shown += chunk
    except OSError:
        pass  # Linux tells so that nobody holds the terminal any more.
    finally:
        os.close(ours)
    return process.wait(RUN_SECONDS_MAX), shown.decode()


def plain(arguments, environment=None, folder=None):
    """The same without a terminal: the exit code, standard output, standard error."""
    ran = subprocess.run(
        [BINARY, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=folder,
        timeout=RUN_SECONDS_MAX, env={**os.environ, **(environment or {})}, check=False,
    )
    return ran.returncode, ran.stdout, ran.stderr


class Hub(BaseHTTPRequestHandler):
    """A server of one large file."""

    content = os.urandom(3_000_000)

    def log_message(self, *arguments):
        """Says nothing: the test run's output is its own."""

    def do_HEAD(self):
        """Names the file's sum, as a model hub does."""
        self.send_response(200)
        self.send_header("x-linked-etag", f'"{hashlib.sha256(self.content).hexdigest()}"')
        self.end_headers()

    def do_GET(self):
        """The file."""
        self.send_response(200)
        self.send_header("content-length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)


class Terminal(GatewayTest):
    """What a person sees, and what a script reads."""

    def setUp(self):
        self.folder = self.gateway.folder.name

    def talk(self):
        """Whom `chat` asks."""
        key = self.gateway.key("5")
        return {"FLY_LLM_API_KEY": key.secret, "FLY_LLM_BASE_URL": self.gateway.root_url + "/v1"}

    def test_help_is_coloured_for_people_alone_and_tells_exit_codes(self):
        """On a terminal and in a pipe."""
        code, shown = on_terminal(["--help"])
        self.assertEqual(code, 0)
        self.assertIn(ESCAPE, shown)
        told, out, _ = plain(["--help"])
        self.assertEqual((told, ESCAPE in out), (0, False))
        for exit_code in ["0 ", "1 ", "2 ", "64 "]:
            self.assertIn(exit_code, out.split("Exit codes")[1])

    def test_exit_codes_are_as_they_are_told(self):
        """Wrong command lines, wrong configurations, failures."""
        wrong = Path(self.folder) / "wrong.yaml"
        wrong.write_text("limits: {no_such_key: 1}\n", encoding="utf-8")
        self.assertEqual(plain(["no-such-command"])[0], 2)
        self.assertEqual(plain(["config", "check", "--config", str(wrong)])[0], 64)
        self.assertEqual(plain(["healthcheck", "http://127.0.0.1:9/ready"])[0], 1)
        self.assertEqual(plain(["config", "default"])[0], 0)

    def test_completions_are_scripts_that_their_shell_reads(self):
        """bash is on every machine that runs this."""
        script = plain(["completions", "bash"])[1]
        read = subprocess.run(["bash", "-n"], input=script, text=True, check=False)
        self.assertEqual(read.returncode, 0)
        self.assertIn("healthcheck", script)

    def test_chat_streams_with_faint_figures_for_people(self):
        """The answer as it comes, then what it was and cost."""
        code, shown = on_terminal(["chat", "--model", "plain", "hello"], self.talk())
        self.assertEqual(code, 0, shown)
        self.assertIn("東京です", shown)
        self.assertIn(f"{ESCAPE}2mplain · 10 + 5 tokens", shown)
        code, out, told = plain(["chat", "--model", "plain", "--json", "hello"], self.talk())
        self.assertEqual(code, 0, told)
        self.assertEqual(json.loads(out)["content"], "東京です🗼")
        self.assertNotIn(ESCAPE, out + told)

    def test_a_piece_of_an_answer_is_shown_before_the_next_has_come(self):
        """The vendor goes no further than its first piece, and the terminal has that."""
        ours, theirs = pty.openpty()
        talk = {**os.environ, **self.talk()}
        process = subprocess.Popen(
            [BINARY, "chat", "--model", "slow", "hello"], stdin=theirs, stdout=theirs,
            stderr=theirs, env=talk,
        )
        os.close(theirs)
        self.addCleanup(os.close, ours)
        watch = threading.Timer(RUN_SECONDS_MAX, process.kill)
        watch.start()
        shown = b""
        try:
            while "東京".encode() not in shown:
                shown += os.read(ours, 4_096)
            self.assertIsNone(process.poll(), shown)
        finally:
            watch.cancel()
            process.kill()
            process.wait(RUN_SECONDS_MAX)
        self.assertTrue(self.vendor.hung_up.wait(RUN_SECONDS_MAX), "the vendor hears that it left")

    def test_a_rebuild_shows_a_bar_on_a_terminal_and_is_plain_elsewhere(self):
        """The bar is wiped at its end; what is printed is the same."""
        data = ["--data", str(self.gateway.data)]
        code, shown = on_terminal(["ledger", "rebuild", *data])
        self.assertEqual(code, 0, shown)
        self.assertIn(WIPE, shown)
        self.assertIn("adding up: ", shown)
        self.assertTrue(shown.rsplit(WIPE, 1)[1].startswith("ok: every balance"), shown)
        code, out, told = plain(["ledger", "rebuild", "--json", *data])
        self.assertEqual(code, 0, told)
        self.assertTrue(json.loads(out)["ok"], out)
        self.assertNotIn("\r", out + told)
        # It ends when every part takes requests again: accounts lie in different parts.
        for _ in range(8):
            self.gateway.call("POST", "/v1/chat/completions", self.gateway.key("1").secret, HELLO)

    def test_an_import_shows_a_bar_on_a_terminal_and_is_plain_elsewhere(self):
        """Of LiteLLM's configuration."""
        entry = (
            "  - {model_name: m%d, litellm_params: {model: openai/theirs, api_base: http://a/v1},"
            " model_info: {input_cost_per_token: 1.0e-6, output_cost_per_token: 2.0e-6,"
            " max_input_tokens: 9000}}\n"
        )
        theirs = Path(self.folder) / "litellm.yaml"
        theirs.write_text("model_list:\n" + "".join(entry % n for n in range(50)), encoding="utf-8")
        shown = on_terminal(["config", "import", str(theirs)])[1]
        self.assertIn(f"{WIPE}importing ░", shown)
        _, out, told = plain(["config", "import", str(theirs)])
        self.assertIn("theirs", out)
        self.assertNotIn("\r", out + told)

    def test_a_download_shows_a_bar_on_a_terminal_and_is_plain_elsewhere(self):
        """Of a model that isn't there yet. What arrives is no model, so the worker says so."""
        hub = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
        thread = threading.Thread(target=hub.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(hub.server_close)
        self.addCleanup(hub.shutdown)
        address = f"http://127.0.0.1:{hub.server_port}/model.gguf"
        nats = {"NATS_URL": self.gateway.banner["nats_url"]}
        for run, bar in [(on_terminal, True), (plain, False)]:
            with tempfile.TemporaryDirectory() as folder:
                model = Path(folder) / "model.gguf"
                fetch = ["worker", "rakuten", "--model", str(model), "--fetch", address]
                said = run(fetch, nats, folder)
                self.assertEqual(said[0], 1, said)
                self.assertEqual(model.read_bytes(), Hub.content)
                self.assertEqual(f"{WIPE}downloading " in said[1], bar, said)


if __name__ == "__main__":
    unittest.main()
