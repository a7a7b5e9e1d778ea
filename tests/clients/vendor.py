"""A vendor on a port of its own that does what the name of the model says, in OpenAI's or
Anthropic's protocol. It remembers every request and sees who hangs up. It is the only double here,
and it never answers a client of ours: only a worker of the gateway calls it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# What follows this is the answer.
REPEAT = "repeat: "
PIECES = ["東京", "です", "🗼"]
TEXT = "".join(PIECES)
TOOL = "weather"
# The tool through which an answer is held to a schema where the model knows none.
ANSWER_TOOL = "fly_llm_answer"
ARGUMENTS = ['{"city":', ' "東京"', "}"]
JSON_PIECES = ['{"city":"東京",', '"people":14000000}']
INPUT_TOKENS = 10
OUTPUT_TOKENS = 5
HANG_UP_SECONDS_MAX = 30


class Vendor:
    """The vendor; `close` ends it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.seen = []
        self.hung_up = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.vendor = self
        self.thread = threading.Thread(target=self.server.serve_forever, name="vendor")
        self.thread.start()

    @property
    def url(self):
        """Where it is, without a path."""
        return f"http://127.0.0.1:{self.server.server_port}"

    def remember(self, body):
        """Writes a request down and says how many there were for its model."""
        with self.lock:
            self.seen.append(body)
            return sum(1 for seen in self.seen if seen["model"] == body["model"])

    def starts(self, model):
        """How many requests came for a model."""
        with self.lock:
            return sum(1 for seen in self.seen if seen["model"] == model)

    def last(self, model):
        """The last request that came for a model."""
        with self.lock:
            return [seen for seen in self.seen if seen["model"] == model][-1]

    def close(self):
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Handler(BaseHTTPRequestHandler):
    """One connection of a worker."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        """Says nothing: the test run's output is its own."""

    def do_POST(self):
        """Answers as the model's name says."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        count = self.server.vendor.remember(body)
        model = body["model"]
        if model == "failing" or (model == "flaky" and count == 1):
            return self.refuse(500, "internal-detail of the vendor")
        if model == "limited":
            return self.refuse(429, "rate-detail of the vendor")
        protocol = Anthropic if self.path.endswith("/messages") else OpenAI
        if body.get("stream"):
            self.stream(protocol(body), model)
        else:
            self.whole(200, protocol(body).whole())

    def refuse(self, status, message):
        """A failure before any answer."""
        self.whole(status, {"error": {"message": message, "type": "server_error"}})

    def whole(self, status, answer):
        """One JSON answer."""
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def stream(self, answer, model):
        """The same as events; `cut` breaks off in it, `slow` goes no further."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in answer.events():
            self.chunk(event.encode())
            if PIECES[0] in event and model in ("cut", "slow"):
                self.close_connection = True
                if model == "slow":
                    self.wait_for_hang_up()
                return
        self.chunk(b"")

    def chunk(self, content):
        """One piece of a body without a length; an empty one ends it."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        self.wfile.flush()

    def wait_for_hang_up(self):
        """Returns when the other end has closed the connection."""
        self.connection.settimeout(HANG_UP_SECONDS_MAX)
        try:
            gone = self.connection.recv(1) == b""
        except ConnectionError:
            gone = True
        except TimeoutError:
            gone = False
        if gone:
            self.server.vendor.hung_up.set()


def calls_a_tool(body):
    """Whether this request is answered with a call: it has tools, and no result yet."""
    last = json.dumps(body["messages"][-1])
    has_result = '"role": "tool"' in last or "tool_result" in last
    return body["model"].endswith("tools") and bool(body.get("tools")) and not has_result


class OpenAI:
    """An answer as OpenAI's chat completions write it."""

    def __init__(self, body):
        self.body = body
        self.calls = calls_a_tool(body)
        self.pieces = JSON_PIECES if "response_format" in body else PIECES
        said = body["messages"][-1].get("content")
        if isinstance(said, str) and said.startswith(REPEAT):
            self.pieces = [said.removeprefix(REPEAT)]

    def head(self, kind):
        """What every object begins with."""
        model = self.body["model"]
        return {"id": "chatcmpl-vendor", "object": kind, "created": 1, "model": model}

    def usage(self):
        """What was used."""
        total = INPUT_TOKENS + OUTPUT_TOKENS
        counts = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS}
        return {**counts, "total_tokens": total}

    def whole(self):
        """The whole answer."""
        message = {"role": "assistant", "content": "".join(self.pieces), "refusal": None}
        if self.calls:
            function = {"name": TOOL, "arguments": "".join(ARGUMENTS)}
            message["content"] = None
            message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
        reason = "tool_calls" if self.calls else "stop"
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        return {**self.head("chat.completion"), "choices": [choice], "usage": self.usage()}

    def chunk(self, delta, reason=None):
        """One event with a piece."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return data({**self.head("chat.completion.chunk"), "choices": [choice]})

    def events(self):
        """The answer as a stream."""
        yield self.chunk({"role": "assistant", "content": ""})
        if self.calls:
            function = {"name": TOOL, "arguments": ""}
            call = {"index": 0, "id": "call_1", "type": "function", "function": function}
            yield self.chunk({"tool_calls": [call]})
            for piece in ARGUMENTS:
                call = {"index": 0, "function": {"arguments": piece}}
                yield self.chunk({"tool_calls": [call]})
        else:
            for piece in self.pieces:
                yield self.chunk({"content": piece})
        yield self.chunk({}, "tool_calls" if self.calls else "stop")
        yield data({**self.head("chat.completion.chunk"), "choices": [], "usage": self.usage()})
        yield "data: [DONE]\n\n"


class Anthropic:
    """An answer as Anthropic's messages write it."""

    def __init__(self, body):
        self.body = body
        self.answers = body.get("tool_choice", {}).get("name") == ANSWER_TOOL
        self.calls = self.answers or calls_a_tool(body)
        self.tool = ANSWER_TOOL if self.answers else TOOL
        self.arguments = JSON_PIECES if self.answers else ARGUMENTS
        self.pieces = JSON_PIECES if "output_config" in body else PIECES

    def message(self, content, reason, output):
        """The message object."""
        usage = {"input_tokens": INPUT_TOKENS, "output_tokens": output}
        return {
            "id": "msg_vendor", "type": "message", "role": "assistant", "content": content,
            "model": self.body["model"], "stop_reason": reason, "stop_sequence": None,
            "usage": {**usage, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0},
        }

    def whole(self):
        """The whole answer."""
        if self.calls:
            block = {"type": "tool_use", "id": "toolu_1", "name": self.tool}
            block["input"] = json.loads("".join(self.arguments))
            return self.message([block], "tool_use", OUTPUT_TOKENS)
        text = {"type": "text", "text": "".join(self.pieces)}
        return self.message([text], "end_turn", OUTPUT_TOKENS)

    def events(self):
        """The answer as a stream."""
        begun = self.message([], None, 1)
        yield event({"type": "message_start", "message": begun})
        block = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in self.pieces]
        reason = "end_turn"
        if self.calls:
            block = {"type": "tool_use", "id": "toolu_1", "name": self.tool, "input": {}}
            kind = "input_json_delta"
            deltas = [{"type": kind, "partial_json": piece} for piece in self.arguments]
            reason = "tool_use"
        yield event({"type": "content_block_start", "index": 0, "content_block": block})
        for delta in deltas:
            yield event({"type": "content_block_delta", "index": 0, "delta": delta})
        yield event({"type": "content_block_stop", "index": 0})
        end = {"stop_reason": reason, "stop_sequence": None}
        usage = {"output_tokens": OUTPUT_TOKENS}
        yield event({"type": "message_delta", "delta": end, "usage": usage})
        yield event({"type": "message_stop"})


def data(value):
    """An event without a name."""
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def event(value):
    """An event with its type as its name."""
    return f"event: {value['type']}\n{data(value)}"
