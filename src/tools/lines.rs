//! `route --json` and `mask --json`: one JSON object a line in, one a line out, in the same order.
//! Nothing is sent anywhere.

use crate::command_line::{Lines, Route};
use crate::role::{self, Failure};
use gateway::{auto, pii};
use infra::environment::Environment;
use schemas::openai::{ChatRequest, Content, Message, Role};
use serde_json::{Value, json};
use std::io::{BufRead, BufWriter, Write};
use std::process::ExitCode;
use std::time::Instant;

/// How often a decision is made whose time is told: what else a busy machine does only adds.
const TIMED_ROUNDS: usize = 3;

/// Chooses a model for each line.
pub(super) fn route(arguments: &Route, environment: &Environment) -> Result<ExitCode, Failure> {
    let config = role::read_config(&arguments.lines.config, environment)?;
    each_line(|line| {
        let chat = chat_of(line)?;
        let decide = || {
            let features = auto::features(&config, &chat, None);
            let choice = auto::rehearse(&config, &chat, &features);
            (features, choice)
        };
        let (features, choice) = decide();
        let (model, reason) = match choice {
            Ok((model, reason)) => (Value::from(model), reason),
            Err(problem) => (Value::Null, problem.message),
        };
        let mut answer = json!({
            "id": line["id"],
            "lang": features.language.as_str(),
            "task": features.task.as_str(),
            "score": features.difficulty,
            "model": model,
            "reason": reason,
        });
        if arguments.micros {
            let rounds = (0..TIMED_ROUNDS).map(|_| {
                let begun = Instant::now();
                let _ = std::hint::black_box(decide());
                begun.elapsed().as_micros()
            });
            answer["micros"] = json!(rounds.min().map(|micros| micros as u64));
        }
        Ok(answer)
    })
}

/// Masks each line.
pub(super) fn mask(arguments: &Lines, environment: &Environment) -> Result<ExitCode, Failure> {
    let config = role::read_config(&arguments.config, environment)?;
    let settings = gateway::privacy_settings(&config.privacy).map_err(Failure::usage)?;
    let masker = pii::Masker::new(settings).map_err(Failure::usage)?;
    each_line(|line| {
        let mut answer = json!({"id": line["id"]});
        let text = if line["messages"].is_array() {
            let mut chat = chat_of(line)?;
            let text = joined(&chat.messages);
            let vault = masker.mask(&mut chat).map_err(Failure::new)?;
            answer["counts"] = counts(&vault);
            answer["messages"] = json!(chat.messages);
            text
        } else {
            line["text"].as_str().unwrap_or_default().to_owned()
        };
        let (masked, spans, _) = masker.mask_text(&text).map_err(Failure::new)?;
        answer["spans"] = spans_of(&text, &spans);
        answer["masked"] = masked.into();
        Ok(answer)
    })
}

/// What messages say, one after the other with a line's end between: what spans are places in.
fn joined(messages: &[Message]) -> String {
    let contents = messages.iter().filter_map(|message| message.content.as_ref());
    contents.flat_map(Content::texts).collect::<Vec<_>>().join("\n")
}

fn counts(vault: &pii::Vault) -> Value {
    let count =
        |(kind, count): (pii::Kind, usize)| json!({"type": kind.type_name(), "count": count});
    vault.counts().into_iter().map(count).collect()
}

fn spans_of(text: &str, spans: &[pii::Span]) -> Value {
    let span = |span: pii::Span| {
        let kind = span.kind.type_name();
        json!({"start": span.start, "end": span.end, "type": kind})
    };
    pii::code_points(text, spans).into_iter().map(span).collect()
}

/// A line as a chat: `messages` as they are, or a bare `prompt` or `text` as the user's.
fn chat_of(line: &Value) -> Result<ChatRequest, Failure> {
    let mut body = line.clone();
    let Some(fields) = body.as_object_mut() else {
        return Err(Failure::new("a line is not a JSON object"));
    };
    fields.remove("id");
    fields.insert("model".into(), "auto".into());
    if !fields.contains_key("messages") {
        let text = fields.remove("prompt").or_else(|| fields.remove("text")).unwrap_or_default();
        let text = text.as_str().unwrap_or_default();
        fields.insert("messages".into(), json!([Message::text(Role::User, text)]));
    }
    serde_json::from_value(body).map_err(Failure::new)
}

fn each_line(mut work: impl FnMut(&Value) -> Result<Value, Failure>) -> Result<ExitCode, Failure> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let number = number + 1;
        let value: Value = serde_json::from_str(&line)
            .map_err(|error| Failure::usage(format!("line {number}: {error}")))?;
        let answer = work(&value)?;
        writeln!(out, "{answer}")?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
