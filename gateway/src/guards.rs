//! Whether a request says what the operator lets no request say. It names the rule and never the
//! text, here and in logs.

use crate::pii::is_inline;
use infra::config::Guards;
use schemas::error::{ErrorCode, Problem};
use schemas::openai::ChatRequest;
use serde_json::Value;

/// The first rule that a request breaks: in any text of its messages and tools.
pub(crate) fn broken<'a>(guards: &'a Guards, chat: &ChatRequest) -> Option<&'a str> {
    if guards.is_empty() {
        return None;
    }
    // Whatever can't be written as JSON can't leave either.
    broken_in(guards, &serde_json::to_value(chat).ok()?)
}

fn broken_in<'a>(guards: &'a Guards, value: &Value) -> Option<&'a str> {
    match value {
        // Pictures and sound as text are no words; a text that only begins like one is.
        Value::String(text) if is_inline(text) => None,
        Value::String(text) => guards.broken_by(text),
        Value::Array(values) => values.iter().find_map(|value| broken_in(guards, value)),
        Value::Object(fields) => fields.values().find_map(|value| broken_in(guards, value)),
        _ => None,
    }
}

/// What the client is told.
pub(crate) fn refusal(rule: &str) -> Problem {
    Problem::new(
        ErrorCode::ContentBlocked,
        format!(
            "運用者のルール「{rule}」に触れるため受け付けません。該当する部分を取り除いてください。"
        ),
        format!("The operator's rule '{rule}' refuses this request. Remove what it is about."),
    )
}
