//! `chat`: talks to a model from the terminal, streaming. It is a client like any other: it asks
//! the API and keeps the conversation only until it ends.

use crate::command_line::Chat;
use crate::endpoints::Running;
use crate::role::Failure;
use infra::environment::{Environment, FLY_LLM_API_KEY, FLY_LLM_BASE_URL};
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

/// How long one answer may take.
const ANSWER_SECONDS_MAX: Duration = Duration::from_secs(900);

/// Longest line of a stream, in bytes: what is longer is no stream of ours.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Faint text, and its end.
const FAINT: (&str, &str) = ("\u{1b}[2m", "\u{1b}[0m");

/// Whom to ask, and with which key.
struct Line {
    base_url: String,
    api_key: String,
    model: String,
    json: bool,
}

/// An answer, with what is told of it at its end.
#[derive(Default)]
struct Answer {
    text: String,
    usage: Value,
    told: Value,
    is_whole: bool,
}

/// Asks once, or talks until standard input ends.
pub(super) async fn run(chat: Chat, environment: &Environment) -> Result<ExitCode, Failure> {
    let line = find(&chat, environment)?;
    let mut messages = Vec::new();
    if let Some(system) = &chat.system {
        messages.push(json!({"role": "system", "content": system}));
    }
    if !chat.message.is_empty() {
        messages.push(json!({"role": "user", "content": chat.message.join(" ")}));
        ask(&line, &messages).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let is_person = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    loop {
        if is_person {
            write!(std::io::stderr(), "> ")?;
        }
        let mut question = String::new();
        if std::io::stdin().lock().read_line(&mut question)? == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        if question.trim().is_empty() {
            continue;
        }
        messages.push(json!({"role": "user", "content": question.trim()}));
        let answer = ask(&line, &messages).await?;
        messages.push(json!({"role": "assistant", "content": answer}));
    }
}

/// The environment says, or a running `fly-llm up`.
fn find(chat: &Chat, environment: &Environment) -> Result<Line, Failure> {
    let given = |name: &str| environment.get(name).map(str::to_owned);
    let base_url = chat.url.clone().or_else(|| given(FLY_LLM_BASE_URL));
    let api_key = given(FLY_LLM_API_KEY);
    let running = match base_url.is_some() && api_key.is_some() {
        true => None,
        false => Running::read(&chat.data.data)?,
    };
    let base_url = base_url.or_else(|| running.as_ref().map(|up| up.base_url.clone()));
    let api_key = api_key.or_else(|| running.map(|up| up.api_key));
    let (Some(base_url), Some(api_key)) = (base_url, api_key) else {
        return Err(Failure::usage(format!(
            "whom to ask? Set {FLY_LLM_BASE_URL} (http://HOST:8080/v1) and {FLY_LLM_API_KEY}, or \
             name the data folder of a running `fly-llm up` with --data"
        )));
    };
    let base_url = base_url.trim_end_matches('/').to_owned();
    Ok(Line { base_url, api_key, model: chat.model.clone(), json: chat.json })
}

async fn ask(line: &Line, messages: &[Value]) -> Result<String, Failure> {
    let body = json!({
        "model": line.model, "messages": messages, "stream": true,
        "stream_options": {"include_usage": true},
    });
    let client = infra::net::http_client(ANSWER_SECONDS_MAX)?;
    let request = client.post(format!("{}/chat/completions", line.base_url));
    let request = request.bearer_auth(&line.api_key).body(body.to_string());
    let mut response = request.header("content-type", "application/json").send().await?;
    if !response.status().is_success() {
        let problem: Value = serde_json::from_str(&response.text().await?).unwrap_or_default();
        let told = problem["error"]["message"].as_str().unwrap_or("the answer is no JSON");
        return Err(Failure::new(told));
    }
    let (mut answer, mut rest) = (Answer::default(), Vec::new());
    while let Some(bytes) = response.chunk().await? {
        rest.extend_from_slice(&bytes);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let read: Vec<u8> = rest.drain(..=end).collect();
            let piece = answer.read(&String::from_utf8_lossy(&read))?;
            if !line.json {
                let mut out = std::io::stdout().lock();
                out.write_all(piece.as_bytes())?;
                out.flush()?;
            }
        }
        if rest.len() > LINE_BYTES_MAX {
            return Err(Failure::new("the answer is no stream of events"));
        }
    }
    if !answer.is_whole {
        return Err(Failure::new("the answer broke off"));
    }
    answer.tell(line)?;
    Ok(answer.text)
}

impl Answer {
    /// Reads a line of the stream and gives the text that it adds.
    fn read(&mut self, line: &str) -> Result<String, Failure> {
        let Some(data) = line.trim_end().strip_prefix("data: ") else { return Ok(String::new()) };
        if data == "[DONE]" {
            self.is_whole = true;
            return Ok(String::new());
        }
        let mut event: Value = serde_json::from_str(data)?;
        if let Some(problem) = event["error"]["message"].as_str() {
            return Err(Failure::new(problem));
        }
        if event["usage"].is_object() {
            self.usage = event["usage"].take();
            self.told = event["x_fly"].take();
        }
        let piece = event["choices"][0]["delta"]["content"].as_str().unwrap_or_default();
        self.text.push_str(piece);
        Ok(piece.to_owned())
    }

    /// Ends the answer's line, and says what it was and what it cost.
    fn tell(&self, line: &Line) -> Result<(), Failure> {
        let told = |name: &str| self.told[name].as_str().unwrap_or("–");
        if line.json {
            let answer = json!({
                "content": self.text, "usage": self.usage, "model": told("model"),
                "reason": told("route_reason"), "cost_usd": told("cost_usd"),
            });
            return super::say(answer.to_string());
        }
        super::say("")?;
        let tokens = |name: &str| self.usage[name].as_u64().unwrap_or(0);
        let (faint, plain) = if std::io::stderr().is_terminal() { FAINT } else { ("", "") };
        writeln!(
            std::io::stderr(),
            "{faint}{} · {} + {} tokens · ${} · {} ms{plain}",
            told("model"),
            tokens("prompt_tokens"),
            tokens("completion_tokens"),
            told("cost_usd"),
            told("ttft_ms"),
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_only_at_its_end() {
        let mut answer = Answer::default();
        let piece = r#"data: {"choices":[{"delta":{"content":"東京"}}]}"#;
        assert_eq!(answer.read(piece).unwrap(), "東京");
        assert_eq!(answer.read(": ping").unwrap(), "");
        let usage = r#"data: {"choices":[],"usage":{"prompt_tokens":3},"x_fly":{"model":"m"}}"#;
        assert_eq!(answer.read(usage).unwrap(), "");
        assert!(!answer.is_whole && answer.told["model"] == "m");
        answer.read("data: [DONE]\n").unwrap();
        assert!(answer.is_whole && answer.text == "東京");
        let broken = r#"data: {"error":{"message":"gone"}}"#;
        assert!(answer.read(broken).is_err());
    }
}
