//! What a model has no word for within fields. A field of tools and parts has one name for all
//! places where it stands, and is left out of all of them; of a list, only what isn't known is.

use super::conflicts::forces_a_call;
use infra::config::Model;
use schemas::anthropic::{ANTHROPIC_BETA, TOOL_FIELDS, beta_names, is_carried};
use schemas::catalogue::{Capability, Vendor};
use schemas::openai::{ChatRequest, Content, Stop};
use serde_json::{Map, Value};

/// What the name of a field of the tools begins with.
const OF_TOOLS: &str = "tools.";

/// A call's arguments are to be held to the schema.
const STRICT: &str = "strict";

/// Anthropic's models are to name their sources. No answer here has a place for them.
const CITATIONS: &str = "citations";

/// What the name of a text that ends an answer begins with, before its number.
const OF_STOP: &str = "stop[";

/// What the name of a feature that is asked for by name begins with.
const OF_BETAS: &str = "anthropic_beta.";

/// The given ones that the model has no word for.
pub(super) fn unknown_to(model: &Model, chat: &ChatRequest) -> Vec<String> {
    let holds = match model.vendor {
        Vendor::Anthropic => model.can(Capability::JsonSchema),
        Vendor::Gemini => false,
        Vendor::Llama => must_call(chat),
        Vendor::Openai | Vendor::Azure | Vendor::Compatible => true,
    };
    let others = TOOL_FIELDS.iter().filter(|_| model.vendor != Vendor::Anthropic);
    let has_tools = chat.tools.as_ref().is_some_and(|tools| !tools.is_empty());
    let names = (!holds).then_some(&STRICT).into_iter().chain(others).filter(|_| has_tools);
    let names = names.map(|name| format!("{OF_TOOLS}{name}")).chain([CITATIONS.to_owned()]);
    let given = names.filter(|name| is_given(chat, name) == Some(true));
    given.chain(unknown_to_anthropic(model, chat)).collect()
}

/// Of the lists: features that aren't carried, and blank texts to end an answer, which Anthropic's
/// API refuses.
fn unknown_to_anthropic(model: &Model, chat: &ChatRequest) -> Vec<String> {
    if model.vendor != Vendor::Anthropic {
        return Vec::new();
    }
    let stops = chat.stop.as_ref().map(Stop::texts).unwrap_or_default();
    let blank = stops.iter().enumerate().filter(|(_, text)| is_blank(text));
    let blank: Vec<String> = match stops.iter().all(|text| text.trim().is_empty()) {
        true => blank.take(1).map(|_| "stop".to_owned()).collect(),
        false => blank.map(|(number, _)| format!("{OF_STOP}{number}]")).collect(),
    };
    let betas = betas(chat).filter(|name| !is_carried(name));
    blank.into_iter().chain(betas.map(|name| format!("{OF_BETAS}{name}"))).collect()
}

/// An empty text says nothing at all.
fn is_blank(text: &str) -> bool {
    !text.is_empty() && text.trim().is_empty()
}

fn betas(chat: &ChatRequest) -> impl Iterator<Item = &str> {
    let names = chat.rest.get(ANTHROPIC_BETA).and_then(Value::as_str);
    beta_names(names.unwrap_or_default())
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
    if let Some(name) = field.strip_prefix(OF_BETAS) {
        return Some(betas(chat).any(|named| named == name));
    }
    if let Some(number) = field.strip_prefix(OF_STOP) {
        let number = number.trim_end_matches(']').parse::<usize>();
        let texts = chat.stop.as_ref().map(Stop::texts).unwrap_or_default();
        return Some(number.is_ok_and(|number| number < texts.len()));
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
    if let Some(name) = field.strip_prefix(OF_BETAS) {
        let left: Vec<&str> = betas(chat).filter(|named| *named != name).collect();
        let left = Some(left.join(",")).filter(|left| !left.is_empty());
        match left {
            Some(left) => chat.rest.insert(ANTHROPIC_BETA.to_owned(), left.into()),
            None => chat.rest.shift_remove(ANTHROPIC_BETA),
        };
        return true;
    }
    if field.starts_with(OF_STOP) {
        // The numbers are those of the whole list, so all that are left out go at once.
        if let Some(Stop::Many(texts)) = &mut chat.stop {
            texts.retain(|text| !text.trim().is_empty());
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

    #[test]
    fn features_that_are_not_carried_are_told_one_by_one() {
        let names = "context-1m-2025-08-07,interleaved-thinking-2025-05-14,of-tomorrow";
        let asked = json!({"anthropic_beta": names});
        let (dropped, left, first) = judged("vendor: anthropic", "chat", asked.clone());
        let untold = "anthropic_beta.context-1m-2025-08-07";
        assert_eq!(dropped, format!("{untold} anthropic_beta.of-tomorrow"));
        assert_eq!(first, untold);
        assert_eq!(left.rest[ANTHROPIC_BETA], "interleaved-thinking-2025-05-14");
        let unknown = json!({"anthropic_beta": "of-tomorrow"});
        let (_, left, _) = judged("vendor: anthropic", "chat", unknown);
        assert!(left.rest.is_empty(), "{left:?}");
        let whole = [
            ("vendor: openai", asked.clone()),
            ("vendor: llama", asked.clone()),
            ("vendor: compatible\n    api_base: http://h/v1", asked),
            ("vendor: anthropic", json!({"anthropic_beta": ["interleaved-thinking-2025-05-14"]})),
        ];
        for (kind, asked) in whole {
            let (dropped, left, _) = judged(kind, "chat", asked);
            assert_eq!((dropped.as_str(), left.rest.is_empty()), (ANTHROPIC_BETA, true), "{kind}");
        }
    }

    #[test]
    fn blank_texts_that_end_an_answer_are_told_for_anthropics_models() {
        let many = |texts: &[&str]| Some(Stop::Many(texts.iter().map(|&t| t.to_owned()).collect()));
        for (stop, expected, kept) in [
            (json!(["\n\n", "END", " ", "", "."]), "stop[0] stop[2]", many(&["END", "."])),
            (json!(["\n", " "]), "stop", None),
            (json!("\n"), "stop", None),
            (json!(["END", ""]), "", many(&["END", ""])),
            (json!(""), "", Some(Stop::One(String::new()))),
        ] {
            let asked = json!({"stop": stop});
            let (dropped, left, first) = judged("vendor: anthropic", "chat", asked.clone());
            assert_eq!(dropped, expected, "{stop}");
            assert_eq!(first, expected.split(' ').next().unwrap(), "{stop}");
            assert_eq!(left.stop, kept, "{stop}");
            assert_eq!(judged("vendor: openai", "chat", asked).0, "", "{stop}");
        }
    }
}
