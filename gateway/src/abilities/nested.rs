//! Fields within tools and parts that a model has no word for. Each has one name for all places
//! where it stands, and is left out of all of them.

use super::conflicts::forces_a_call;
use infra::config::Model;
use schemas::anthropic::TOOL_FIELDS;
use schemas::catalogue::{Capability, Vendor};
use schemas::openai::{ChatRequest, Content};
use serde_json::{Map, Value};

/// What the name of a field of the tools begins with.
const OF_TOOLS: &str = "tools.";

/// A call's arguments are to be held to the schema.
const STRICT: &str = "strict";

/// Anthropic's models are to name their sources. No answer here has a place for them.
const CITATIONS: &str = "citations";

/// The given ones that the model has no word for.
pub(super) fn unknown_to(model: &Model, chat: &ChatRequest) -> Vec<String> {
    let holds = match model.vendor {
        Vendor::Anthropic => model.can(Capability::JsonSchema),
        Vendor::Gemini => false,
        Vendor::Llama => must_call(chat),
        Vendor::Openai | Vendor::Azure | Vendor::Compatible => true,
    };
    let others = TOOL_FIELDS.iter().filter(|_| model.vendor != Vendor::Anthropic);
    let names = (!holds).then_some(&STRICT).into_iter().chain(others);
    let names = names.map(|name| format!("{OF_TOOLS}{name}")).chain([CITATIONS.to_owned()]);
    names.filter(|name| is_given(chat, name) == Some(true)).collect()
}

/// Whether a tool must be called: then our own worker holds the answer to its schema, and else a
/// call is the model's own words.
fn must_call(chat: &ChatRequest) -> bool {
    let mode = chat.tool_choice.as_ref().and_then(|choice| choice.pointer("/allowed_tools/mode"));
    forces_a_call(chat) && mode.and_then(Value::as_str) != Some("auto")
}

/// Whether it is there and says something; `None` for a field that isn't one of these.
pub(super) fn is_given(chat: &ChatRequest, field: &str) -> Option<bool> {
    if let Some(name) = field.strip_prefix(OF_TOOLS) {
        let asks = |tool: &Value| {
            let function = tool.get("function");
            let of_function = function.filter(|_| name == STRICT);
            let value = of_function.unwrap_or(tool).get(name);
            function.is_some() && value.is_some_and(|v| !v.is_null() && *v != Value::Bool(false))
        };
        return Some(chat.tools.iter().flatten().any(asks));
    }
    (field == CITATIONS).then(|| {
        let asks = |rest: &Map<String, Value>| {
            rest.get(CITATIONS).and_then(|asked| asked.get("enabled")) == Some(&Value::Bool(true))
        };
        let contents = chat.messages.iter().filter_map(|message| message.content.as_ref());
        contents.flat_map(Content::parts).any(|part| asks(&part.rest))
    })
}

/// Leaves it out everywhere; `false` for a field that isn't one of these.
pub(super) fn remove(chat: &mut ChatRequest, field: &str) -> bool {
    if let Some(name) = field.strip_prefix(OF_TOOLS) {
        for tool in chat.tools.iter_mut().flatten().filter_map(Value::as_object_mut) {
            let fields = match tool.get_mut("function") {
                Some(function) if name == STRICT => function.as_object_mut(),
                Some(_) => Some(tool),
                None => None,
            };
            fields.and_then(|fields| fields.shift_remove(name));
        }
        return true;
    }
    if field != CITATIONS {
        return false;
    }
    for message in &mut chat.messages {
        if let Some(Content::Parts(parts)) = &mut message.content {
            for part in parts {
                part.rest.shift_remove(CITATIONS);
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abilities::tests::{chat, model};
    use crate::abilities::{dropped, refusal, without};
    use infra::config::DropParams;
    use serde_json::json;

    /// What is dropped, the tools without it, and what a client who wants all of it is told.
    fn judged(kind: &str, capabilities: &str, asked: Value) -> (String, ChatRequest, String) {
        let (model, chat) = (model(kind, capabilities), chat(asked));
        assert_eq!(refusal(&model, &chat, DropParams::Hints), None, "{kind}");
        let strict = refusal(&model, &chat, DropParams::Never);
        let dropped = dropped(&model, &chat);
        let left = without(&chat, &dropped);
        (dropped.join(" "), left, strict.and_then(|told| told.parameter).unwrap_or_default())
    }

    #[test]
    fn what_of_a_tool_is_lost_is_told() {
        let function = |strict: bool| json!({"name": "f", "strict": strict});
        let asked = json!({"tools": [
            {"type": "function", "function": function(false)},
            {"type": "function", "function": function(true), "input_examples": [{}]},
        ]});
        let (full, bare) = ("chat, tools, json_schema", "chat, tools");
        for (kind, capabilities, expected) in [
            ("vendor: anthropic", full, ""),
            ("vendor: anthropic", bare, "tools.strict"),
            ("vendor: gemini", full, "tools.strict tools.input_examples"),
            ("vendor: openai", bare, "tools.input_examples"),
        ] {
            let (dropped, left, first) = judged(kind, capabilities, asked.clone());
            assert_eq!(dropped, expected, "{kind}");
            assert_eq!(first, expected.split(' ').next().unwrap(), "{kind}");
            let tool = &left.tools.as_ref().unwrap()[1];
            let is_strict = tool["function"].get("strict").is_some();
            assert_eq!(is_strict, !expected.contains("strict"), "{kind}");
            let has_examples = tool.get("input_examples").is_some();
            assert_eq!(has_examples, !expected.contains("examples"), "{kind}");
        }
        for (choice, expected) in [
            (json!("auto"), "tools.strict tools.input_examples"),
            (json!("required"), "tools.input_examples"),
            (json!({"type": "function", "function": {"name": "f"}}), "tools.input_examples"),
            (
                json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}),
                "tools.strict tools.input_examples",
            ),
        ] {
            let mut asked = asked.clone();
            asked["tool_choice"] = choice;
            assert_eq!(judged("vendor: llama", full, asked).0, expected);
        }
        let model = model("vendor: openai", "chat");
        let dropped = dropped(&model, &chat(asked));
        assert_eq!(dropped, ["tools"], "nothing of what is left out as a whole");
    }

    #[test]
    fn citations_are_not_asked_for_and_that_is_told() {
        let bare = json!({"type": "document", "source": {}});
        let part = |enabled: bool| {
            let mut part = bare.clone();
            part[CITATIONS] = json!({"enabled": enabled});
            part
        };
        let ask = |parts: Value| json!({"messages": [{"role": "user", "content": parts}]});
        let asked = ask(json!([part(true), part(true)]));
        let (dropped, left, first) = judged("vendor: anthropic", "chat, files", asked);
        assert_eq!((dropped.as_str(), first.as_str()), (CITATIONS, CITATIONS));
        let left = serde_json::to_value(&left.messages[0].content).unwrap();
        assert_eq!(left[1], bare);
        let asked = ask(json!([part(false)]));
        assert_eq!(judged("vendor: anthropic", "chat, files", asked).0, "");
    }
}
