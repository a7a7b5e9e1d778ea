//! Whether a request says what the operator lets no request say, also inside of JSON that is
//! written as a text, as arguments and results of tools are. It names the rule and never the text,
//! here and in logs.

use crate::pii::is_inline;
use infra::config::Guards;
use schemas::error::{ErrorCode, Problem};
use schemas::openai::ChatRequest;
use serde_json::Value;

/// JSON in JSON in JSON is looked into so deep.
const DEPTH_MAX: usize = 4;

/// The first rule that a request breaks: in any text of its messages and tools.
pub(crate) fn broken<'a>(guards: &'a Guards, chat: &ChatRequest) -> Option<&'a str> {
    if guards.is_empty() {
        return None;
    }
    // Whatever can't be written as JSON can't leave either.
    broken_in(guards, &serde_json::to_value(chat).ok()?, DEPTH_MAX, false)
}

/// `names_too`: whether the keys of an object are words of the client's, and not the protocol's.
fn broken_in<'a>(
    guards: &'a Guards,
    value: &Value,
    depth: usize,
    names_too: bool,
) -> Option<&'a str> {
    match value {
        // Pictures and sound as text are no words; a text that only begins like one is.
        Value::String(text) if is_inline(text) => None,
        Value::String(text) => guards.broken_by(text).or_else(|| {
            let inside = json_in(text).filter(|_| depth > 0)?;
            broken_in(guards, &inside, depth - 1, true)
        }),
        Value::Array(values) => {
            values.iter().find_map(|value| broken_in(guards, value, depth, names_too))
        }
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let of_name = names_too.then(|| guards.broken_by(name)).flatten();
            // Field names are read, too, where the client chose them: below a schema's
            // `properties`, and everywhere in JSON that came as a text.
            let names_too = depth < DEPTH_MAX || name == "properties";
            of_name.or_else(|| broken_in(guards, value, depth, names_too))
        }),
        _ => None,
    }
}

/// The JSON that a text is, when it may say more than its letters do.
fn json_in(text: &str) -> Option<Value> {
    let is_escaped = text.contains('\\') && text.trim_start().starts_with(['{', '[', '"']);
    is_escaped.then(|| serde_json::from_str(text).ok()).flatten()
}

/// What the client is told.
pub(crate) fn refusal(rule: &str) -> Problem {
    Problem::new(
        ErrorCode::ContentBlocked,
        format!(
            "運営者のルール「{rule}」に触れるため受け付けません。該当する部分を取り除いてください。"
        ),
        format!("The operator's rule '{rule}' refuses this request. Remove what it is about."),
    )
}
