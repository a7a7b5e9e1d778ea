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
  source.addEventListener("view", (event) => { live.innerHTML = event.data; });
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
    field("code").textContent = "";
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
    show("user", text);
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
    const told = { headers: response.headers, usage: null, fly: {}, first: null };
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
    return told;
  }

  function report(turn, told, took) {
    const of = (name) => told.fly[name] ?? told.headers.get("x-fly-" + name.replaceAll("_", "-"));
    const usage = told.usage || {};
    facts(turn, [
      [says.model, of("model")],
      [says.reason, of("route_reason")],
      [says.masked, of("masked")],
      [says.cache, of("cache") === "hit" ? "✓" : ""],
      [says.tokens, usage.prompt_tokens + " + " + usage.completion_tokens],
      [says.cost, of("cost_usd") === null ? "" : "$" + of("cost_usd")],
      [says.first, told.first === null ? "" : told.first + " ms"],
      [says.took, took + " ms"],
    ]);
    const request = told.headers.get("x-request-id");
    if (!request) return;
    const link = document.createElement("a");
    link.href = "/account/requests/" + encodeURIComponent(request);
    link.className = "badge";
    link.textContent = says.receipt;
    turn.lastElementChild.append(link);
  }

  function code(asked) {
    const body = JSON.stringify(asked, null, 2).replaceAll("'", "'\\''");
    field("code").textContent = "curl -N " + says.base + "/v1/chat/completions \\\n"
      + "  -H \"Authorization: Bearer $FLY_LLM_API_KEY\" \\\n"
      + "  -H \"Content-Type: application/json\" \\\n"
      + "  -d '" + body + "'";
  }
}
