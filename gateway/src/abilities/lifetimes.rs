//! How long a vendor's prompt cache is asked to keep something. Five minutes are the usual price;
//! an hour has its own, and only Anthropic itself tells afterwards how much was kept for how long.

use infra::config::Model;
use schemas::anthropic::CACHE_CONTROL;
use schemas::catalogue::Vendor;
use schemas::error::{ErrorCode, Problem};
use schemas::openai::{ChatRequest, Content};
use serde_json::{Map, Value};

/// What a mark asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lifetime {
    Hour,
    /// Neither five minutes nor an hour: of tomorrow, or nonsense.
    Other,
}

/// Whether something is to be kept for an hour.
pub(crate) fn keeps_an_hour(chat: &ChatRequest) -> bool {
    marks(chat).iter().any(|(_, lifetime)| *lifetime == Lifetime::Hour)
}

/// Why a request can't be charged rightly, if it can't.
pub(super) fn refusal(model: &Model, chat: &ChatRequest) -> Option<Problem> {
    let has_price = model.vendor == Vendor::Anthropic && model.price.cache_write_hour.is_some();
    // The others either don't know the mark, or never charge for it.
    if !matches!(model.vendor, Vendor::Anthropic | Vendor::Compatible) {
        return None;
    }
    let is_refused = |lifetime: &Lifetime| *lifetime == Lifetime::Other || !has_price;
    let (place, _) = marks(chat).into_iter().find(|(_, lifetime)| is_refused(lifetime))?;
    let field = format!("{place}{CACHE_CONTROL}.ttl");
    let name = &model.name;
    Some(
        Problem::new(
            ErrorCode::InvalidRequest,
            format!("モデル '{name}' には ttl の料金が設定されていません。ttl を外してください。"),
            format!(
                "No price is set for this ttl of the model '{name}': leave ttl out (five minutes)."
            ),
        )
        .at(field),
    )
}

/// All marks that ask for more than the usual, each with the place before its name.
fn marks(chat: &ChatRequest) -> Vec<(String, Lifetime)> {
    let mut found = Vec::new();
    let mut look = |fields: &Map<String, Value>, place: String| {
        found.extend(mark(fields).map(|lifetime| (place, lifetime)));
    };
    look(&chat.rest, String::new());
    for (number, message) in chat.messages.iter().enumerate() {
        let place = format!("messages[{number}].");
        look(&message.rest, place.clone());
        let parts = message.content.as_ref().map(Content::parts).unwrap_or_default();
        for (part, at) in parts.iter().zip(0..) {
            look(&part.rest, format!("{place}content[{at}]."));
        }
        for (call, at) in message.tool_calls.iter().flatten().zip(0..) {
            call.as_object().into_iter().for_each(|call| {
                look(call, format!("{place}tool_calls[{at}]."));
            });
        }
    }
    for (tool, at) in chat.tools.iter().flatten().zip(0..) {
        tool.as_object().into_iter().for_each(|tool| look(tool, format!("tools[{at}].")));
    }
    found
}

/// The mark among these fields, or within a part that nobody here knows.
fn mark(fields: &Map<String, Value>) -> Option<Lifetime> {
    let own = fields.get(CACHE_CONTROL).and_then(|mark| lifetime(mark.get("ttl")?));
    own.or_else(|| {
        let inner = fields.iter().filter(|(name, _)| *name == "content");
        inner
            .flat_map(|(_, value)| value.as_array())
            .flatten()
            .find_map(|part| part.as_object().and_then(mark))
    })
}

fn lifetime(ttl: &Value) -> Option<Lifetime> {
    match ttl.as_str() {
        _ if ttl.is_null() => None,
        Some("5m") => None,
        Some("1h") => Some(Lifetime::Hour),
        _ => Some(Lifetime::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abilities::tests::{chat, model};
    use serde_json::json;

    fn asked(ttl: &Value) -> [(&'static str, Value); 6] {
        let mark = json!({"type": "ephemeral", "ttl": ttl});
        let message = |fields: Value| json!({"messages": [fields]});
        let part = json!({"type": "text", "text": "x", "cache_control": mark});
        let result = json!({"type": "search_result", "content": [part]});
        let call = json!({"id": "c", "type": "function", "cache_control": mark,
            "function": {"name": "f", "arguments": "{}"}});
        let tool = json!({"type": "function", "function": {"name": "f"}, "cache_control": mark});
        [
            ("", json!({"cache_control": mark})),
            ("messages[0].content[0].", message(json!({"role": "user", "content": [part]}))),
            ("messages[0].content[0].", message(json!({"role": "user", "content": [result]}))),
            (
                "messages[0].tool_calls[0].",
                message(json!({"role": "assistant", "tool_calls": [call]})),
            ),
            (
                "messages[0].",
                message(json!({"role": "tool", "tool_call_id": "c", "content": "x",
                "cache_control": mark})),
            ),
            ("tools[0].", json!({"tools": [tool]})),
        ]
    }

    fn refused(kind: &str, fields: &Value) -> Option<String> {
        let problem = refusal(&model(kind, "chat, tools"), &chat(fields.clone()));
        problem.and_then(|problem| problem.parameter)
    }

    #[test]
    fn an_hour_needs_its_price_wherever_it_is_asked_for() {
        let compatible = "vendor: compatible\n    api_base: http://h/v1";
        for (place, fields) in asked(&json!("1h")) {
            let field = Some(format!("{place}cache_control.ttl"));
            assert!(keeps_an_hour(&chat(fields.clone())), "{fields}");
            assert_eq!(refused("vendor: anthropic", &fields), field, "{fields}");
            assert_eq!(refused(compatible, &fields), field, "nobody would count it: {fields}");
            assert_eq!(refused("vendor: gemini", &fields), None, "it is never sent: {fields}");
            let mut priced = Model::clone(&model("vendor: anthropic", "chat, tools"));
            priced.price.cache_write_hour = Some(priced.price.input);
            assert_eq!(refusal(&priced, &chat(fields.clone())), None, "{fields}");
            assert!(refusal(&priced, &chat(asked(&json!("24h"))[0].1.clone())).is_some());
        }
        for ttl in [json!("5m"), json!(null)] {
            for (_, fields) in asked(&ttl) {
                assert!(!keeps_an_hour(&chat(fields.clone())), "{fields}");
                assert_eq!(refused("vendor: anthropic", &fields), None, "{fields}");
            }
        }
    }
}
