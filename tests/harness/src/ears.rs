//! Hears every line that a role logs in any test, at the finest level, and knows the texts that
//! must never stand in one: what clients ask, what they are answered, keys and passwords. A line
//! that tells one fails the test that ends next.

use serde_json::Value;
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{LazyLock, Mutex, MutexGuard, Once, PoisonError};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What is heard: all that our own code may say, and what libraries say to an operator who looks
/// for a fault. Finer than that they tell the bytes of a connection, which we can't help.
const FILTER: &str = "info,fly_llm=trace,gateway=trace,infra=trace,payments=trace,schemas=trace,\
     worker_billing=trace,worker_job=trace,worker_provider=trace,worker_rakuten=trace";

/// Shorter texts may stand in a line by chance.
const TEXT_BYTES_MIN: usize = 16;

/// So many bytes of a text are looked up at each place of a line.
const HEAD_BYTES: usize = 8;

/// The fields of a request or an answer that hold what was said.
const SPOKEN: [&str; 8] =
    ["messages", "input", "prompt", "system", "instructions", "tools", "choices", "output"];

/// Fields below those whose values are the protocol's own words or names.
const NAMES: [&str; 10] = [
    "role",
    "type",
    "model",
    "id",
    "call_id",
    "item_id",
    "finish_reason",
    "status",
    "tool_call_id",
    "object",
];

static EARS: LazyLock<Mutex<Ears>> = LazyLock::new(|| Mutex::new(Ears::default()));

#[derive(Default)]
struct Ears {
    /// Texts by their first bytes.
    secrets: HashMap<[u8; HEAD_BYTES], Vec<String>>,
    /// Lines that tell one of them.
    told: Vec<String>,
    lines: usize,
}

impl Ears {
    fn hear(&mut self, line: &[u8]) {
        self.lines += 1;
        for (at, head) in line.windows(HEAD_BYTES).enumerate() {
            let Some(secrets) = head.first_chunk().and_then(|head| self.secrets.get(head)) else {
                continue;
            };
            let rest = &line[at..];
            if let Some(secret) = secrets.iter().find(|secret| rest.starts_with(secret.as_bytes()))
            {
                let line = String::from_utf8_lossy(line);
                self.told.push(format!("{secret:?} is told by: {line}"));
                return;
            }
        }
    }

    fn learn(&mut self, text: &str) {
        // A line shows a text as a quoted one: up to the first character that is escaped there.
        let plain = text.split(|letter: char| letter.is_control() || "\"\\".contains(letter));
        for part in plain.filter(|part| part.len() >= TEXT_BYTES_MIN) {
            let Some(head) = part.as_bytes().first_chunk::<HEAD_BYTES>() else { continue };
            let known = self.secrets.entry(*head).or_default();
            if !known.iter().any(|known| known == part) {
                known.push(part.to_owned());
            }
        }
    }
}

fn ears() -> MutexGuard<'static, Ears> {
    EARS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A subscriber's writer.
struct Writer;

impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        ears().hear(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins to hear, once for the whole program of tests; `layer` sees the same lines.
pub(crate) fn start(shown: bool) {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let heard = tracing_subscriber::fmt::layer().json().with_writer(|| Writer);
        let seen = shown.then(|| tracing_subscriber::fmt::layer().with_test_writer());
        let filter = EnvFilter::new(FILTER);
        tracing_subscriber::registry().with(filter).with(heard).with(seen).init();
    });
}

/// A text that no line may tell.
pub(crate) fn learn(secret: &str) {
    ears().learn(secret);
}

/// The same of everything that is said in a request's or an answer's JSON.
pub(crate) fn learn_spoken(body: &[u8]) {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else { return };
    let mut spoken = Vec::new();
    for (_, value) in fields.iter().filter(|(name, _)| SPOKEN.contains(&name.as_str())) {
        collect(value, &mut spoken);
    }
    let mut ears = ears();
    spoken.into_iter().for_each(|text| ears.learn(text));
}

fn collect<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
        Value::Object(fields) => {
            let spoken = fields.iter().filter(|(name, _)| !NAMES.contains(&name.as_str()));
            spoken.for_each(|(_, value)| collect(value, texts));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Nothing secret was told so far, by any test of this program.
///
/// # Panics
/// When a line told something, naming both; or when none was heard at all.
pub(crate) fn check() {
    let ears = ears();
    assert!(ears.lines > 0, "no line was heard");
    assert!(ears.told.is_empty(), "the log tells secrets: {:#?}", ears.told);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_a_secret_in_it_is_noticed() {
        let mut ears = Ears::default();
        ears.learn("short");
        ears.learn("my card is \"4242\", and my name is Hanako Yamada");
        ears.learn("東京都千代田区に住んでいます");
        ears.hear(b"{\"message\":\"short\"}");
        ears.hear(b"{\"message\":\"and my name is unknown\"}");
        assert!(ears.told.is_empty());
        ears.hear("{\"message\":\"x, and my name is Hanako Yamada!\"}".as_bytes());
        ears.hear("refused: 東京都千代田区に住んでいます".as_bytes());
        assert_eq!((ears.told.len(), ears.lines), (2, 4));
    }

    #[test]
    fn what_is_said_is_learnt_and_names_are_not() {
        let part = serde_json::json!({"type": "text", "text": "a-question-here"});
        let body = serde_json::json!({
            "model": "a-model-with-a-long-name",
            "messages": [{"role": "user", "content": [part]}],
            "tools": [{"type": "function", "function": {"description": "ears-of-a-function"}}],
        });
        learn_spoken(&serde_json::to_vec(&body).unwrap());
        let knows = |text: &str| {
            let head = text.as_bytes().first_chunk::<HEAD_BYTES>().unwrap();
            ears().secrets.get(head).is_some_and(|known| known.iter().any(|known| known == text))
        };
        assert!(knows("ears-of-a-function"));
        assert!(!knows("a-model-with-a-long-name") && !knows("a-question-here"), "15 bytes");
    }
}
