// What the pages do beside showing themselves: copy, follow the live view, talk in the playground.
// No page needs it to be read. Text from elsewhere is only ever set as text.
"use strict";
document.documentElement.classList.add("scripted");

// On a phone the navigation is wider than the window: the present room is brought into it.
const here = document.querySelector(".side [aria-current]");
if (here) here.parentElement.parentElement.parentElement.scrollLeft = here.offsetLeft - 80;

// A button with data-copy="id" copies that element's text.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy).textContent;
  await navigator.clipboard.writeText(text);
  const before = button.textContent;
  button.textContent = button.dataset.done;
  setTimeout(() => { button.textContent = before; }, 1600);
});

// An element with data-live="path" shows what the server sends there, which is a part of the same
// page, made by the same templates.
for (const live of document.querySelectorAll("[data-live]")) {
  const source = new EventSource(live.dataset.live);
  source.addEventListener("view", (event) => renew(live, event.data));
}

// A button that is being pressed stays; the focus and what was scrolled aside stay where they are.
function renew(live, html) {
  if (live.querySelector("button:active")) return;
  const kept = live.contains(document.activeElement) ? document.activeElement.dataset.keep : null;
  const aside = [...live.querySelectorAll(".scroll")].map((part) => part.scrollLeft);
  live.innerHTML = html;
  live.querySelectorAll(".scroll").forEach((part, number) => { part.scrollLeft = aside[number] || 0; });
  const again = kept && live.querySelector(`[data-keep="${CSS.escape(kept)}"]`);
  if (again) again.focus({ preventScroll: true });
}

const talk = document.getElementById("talk");
if (talk) playground(talk);

function playground(talk) {
  const turns = document.getElementById("turns");
  const form = document.getElementById("composer");
  const field = (name) => document.getElementById(name);
  const says = talk.dataset;
  const messages = [];
  let running = null;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (running) { running.abort(); return; }
    const text = field("message").value.trim();
    if (text) send(text);
  });
  field("message").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  field("anew").addEventListener("click", () => {
    if (running) running.abort();
    messages.length = 0;
    turns.replaceChildren();
    for (const name of ["curl", "Python", "Node"]) field("code-" + name).textContent = "";
  });

  function show(kind, text) {
    const turn = document.createElement("div");
    turn.className = "turn " + kind;
    const body = document.createElement("div");
    body.textContent = text;
    turn.append(body);
    turns.append(turn);
    return { turn, body };
  }

  function facts(turn, pairs) {
    const list = document.createElement("div");
    list.className = "facts";
    for (const [name, value] of pairs) {
      if (value === undefined || value === null || value === "") continue;
      const badge = document.createElement("span");
      badge.className = "badge";
      badge.textContent = name + " " + value;
      list.append(badge);
    }
    turn.append(list);
  }

  function request() {
    const body = { model: field("model").value, messages: [] };
    const system = field("system").value.trim();
    if (system) body.messages.push({ role: "system", content: system });
    body.messages.push(...messages);
    const temperature = field("temperature").value;
    if (temperature !== "") body.temperature = Number(temperature);
    const most = field("max_tokens").value;
    if (most !== "") body.max_tokens = Number(most);
    return body;
  }

  async function send(text) {
    messages.push({ role: "user", content: text });
    const question = show("user", text);
    field("message").value = "";
    const asked = request();
    code(asked);
    const answer = show("assistant", "");
    answer.body.classList.add("waiting");
    running = new AbortController();
    field("send").textContent = says.stop;
    const began = performance.now();
    try {
      const told = await stream(asked, answer.body, running.signal);
      messages.push({ role: "assistant", content: answer.body.textContent });
      const took = Math.round(performance.now() - began);
      report(answer.turn, told, took);
      if (told.masked) await hidden(question, asked);
    } catch (error) {
      const stopped = error.name === "AbortError";
      if (answer.body.textContent) {
        messages.push({ role: "assistant", content: answer.body.textContent });
      } else {
        messages.pop();
      }
      if (stopped) facts(answer.turn, [[says.stopped, " "]]);
      else show("failed", error.message).turn.setAttribute("role", "alert");
    }
    answer.body.classList.remove("waiting");
    running = null;
    field("send").textContent = says.send;
    field("message").focus();
  }

  async function stream(asked, target, signal) {
    const began = performance.now();
    const response = await fetch(says.path, {
      method: "POST",
      signal,
      headers: { "content-type": "application/json", "x-fly-token": says.token },
      body: JSON.stringify({ ...asked, stream: true, stream_options: { include_usage: true } }),
    });
    if (!response.ok) {
      const problem = await response.json().catch(() => null);
      throw new Error((problem && problem.error && problem.error.message) || says.failed);
    }
    const told = { headers: response.headers, usage: null, fly: {}, first: null, masked: "" };
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    let ended = false;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      rest += value;
      const lines = rest.split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (!line.startsWith("data: ")) continue;
        if (line === "data: [DONE]") { ended = true; continue; }
        const event = JSON.parse(line.slice(6));
        if (event.error) throw new Error(event.error.message);
        const delta = event.choices && event.choices[0] && event.choices[0].delta;
        if (delta && delta.content) {
          told.first ??= Math.round(performance.now() - began);
          target.textContent += delta.content;
        }
        if (event.usage) told.usage = event.usage;
        if (event.x_fly) told.fly = event.x_fly;
      }
    }
    if (!ended) throw new Error(says.failed);
    told.masked = told.fly.masked ?? response.headers.get("x-fly-masked");
    return told;
  }

  // What was hidden of the message just sent: its words are marked, and what stood in their place
  // is told below. The server answers it to this session alone.
  async function hidden(question, asked) {
    const response = await fetch(says.look, {
      method: "POST",
      headers: { "content-type": "application/json", "x-fly-token": says.token },
      body: JSON.stringify(asked),
    }).catch(() => null);
    if (!response || !response.ok) return;
    const found = (await response.json()).messages.at(-1);
    if (!found || !found.hidden.length) return;
    mark(question.body, found.hidden.map((one) => one.word));
    const list = document.createElement("ul");
    list.className = "hidden";
    list.setAttribute("aria-label", says.hidden);
    for (const { kind, word, placeholder } of found.hidden) {
      const item = document.createElement("li");
      const [name, value, stood] = ["span", "b", "code"].map((tag) => document.createElement(tag));
      name.textContent = kind;
      value.textContent = word;
      stood.textContent = placeholder;
      item.append(name, " ", value, " → ", stood);
      list.append(item);
    }
    const title = document.createElement("p");
    title.className = "soft";
    title.textContent = says.hidden;
    question.turn.append(title, list);
  }

  // Longer words first: one may be a part of another.
  function mark(body, words) {
    let rest = body.textContent;
    const known = [...words].sort((one, other) => other.length - one.length);
    body.textContent = "";
    while (rest) {
      const places = known.map((word) => [rest.indexOf(word), word]).filter(([at]) => at >= 0);
      if (!places.length) break;
      const [at, word] = places.reduce((first, next) => (next[0] < first[0] ? next : first));
      const marked = document.createElement("mark");
      marked.textContent = word;
      body.append(rest.slice(0, at), marked);
      rest = rest.slice(at + word.length);
    }
    body.append(rest);
  }

  // `email=1,phone=2` in the reader's words.
  function kinds(masked) {
    const names = JSON.parse(says.kinds);
    const told = (one) => one.replace(/^(.*)=/, (_, kind) => (names[kind] ?? kind) + " ");
    return masked && masked.split(",").map(told).join(", ");
  }

  function report(turn, told, took) {
    const of = (name) => told.fly[name] ?? told.headers.get("x-fly-" + name.replaceAll("_", "-"));
    const usage = told.usage || {};
    const seconds = (took - (told.first ?? took)) / 1000;
    // Of an answer that came at once nothing can be said.
    const speed = seconds > 0.2 ? Math.round(usage.completion_tokens / seconds) : 0;
    const queued = Number(of("queue_ms"));
    facts(turn, [
      [says.model, of("model")],
      [says.reason, of("route_reason")],
      [says.masked, kinds(of("masked"))],
      [says.cache, of("cache") === "hit" ? "✓" : ""],
      [says.tokens, usage.prompt_tokens + " + " + usage.completion_tokens],
      [says.cost, of("cost_usd") === null ? "" : "$" + of("cost_usd")],
      [says.first, told.first === null ? "" : told.first + " ms"],
      [says.took, took + " ms"],
      [says.queue, queued ? queued + " ms" : ""],
      [says.speed, speed ? speed + " " + says.rate : ""],
    ]);
    const request = told.headers.get("x-request-id");
    if (!request) return;
    const link = document.createElement("a");
    link.href = "/account/requests/" + encodeURIComponent(request);
    link.className = "badge";
    link.textContent = says.receipt;
    turn.lastElementChild.append(link);
  }

  // The same request for a shell, Python and Node: everything in it stays text there, too.
  function code(asked) {
    const whole = JSON.stringify(asked, null, 2);
    const base = says.base + "/v1";
    const parts = Object.entries(asked).map(([name, value]) => [name, JSON.stringify(value, null, 2)]);
    const indented = (text) => text.replaceAll("\n", "\n    ");
    // What is sent from here has neither true, false nor null, which Python calls otherwise.
    field("code-curl").textContent = "curl -N " + base + "/chat/completions \\\n"
      + "  -H \"Authorization: Bearer $FLY_LLM_API_KEY\" \\\n"
      + "  -H \"Content-Type: application/json\" \\\n"
      + "  -d '" + whole.replaceAll("'", "'\\''") + "'";
    field("code-Python").textContent = "import os\nfrom openai import OpenAI\n\n"
      + "client = OpenAI(base_url=" + JSON.stringify(base)
      + ", api_key=os.environ[\"FLY_LLM_API_KEY\"])\n"
      + "answer = client.chat.completions.create(\n"
      + parts.map(([name, value]) => "    " + name + "=" + indented(value) + ",\n").join("")
      + ")\nprint(answer.choices[0].message.content)";
    field("code-Node").textContent = "import OpenAI from \"openai\";\n\n"
      + "const client = new OpenAI({\n  baseURL: " + JSON.stringify(base)
      + ",\n  apiKey: process.env.FLY_LLM_API_KEY,\n});\n"
      + "const answer = await client.chat.completions.create(" + whole + ");\n"
      + "console.log(answer.choices[0].message.content);";
  }
}
