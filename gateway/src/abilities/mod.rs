//! What a model can't honour of a request, and what becomes of it: a refusal that names the field,
//! or the request without it. A field that is dropped is always told; what a message holds never
//! is dropped.

/// Which fields whose protocol has no word for.
mod fields;

/// What of messages only Anthropic's models know.
mod blocks;

/// What of it stands beside messages.
mod beside;

/// What is within fields.
mod nested;

/// What costs extra and has no price.
mod unpriced;

/// How long something is to be kept in a prompt cache.
mod lifetimes;

/// What can't be asked for together.
mod conflicts;

pub(crate) use blocks::fit;
pub(crate) use fields::NOBODYS;
pub(crate) use lifetimes::keeps_an_hour;

use infra::config::{DropParams, Model};
use schemas::catalogue::{Capability, Vendor};
use schemas::error::{ErrorCode, Problem};
use schemas::openai::{ChatRequest, Content};
use serde_json::Value;

/// Something that the model can't honour.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unmet {
    /// The field, or the place in a message.
    field: String,
    /// Whether an answer without it would be another than the one that was asked for.
    weight: Weight,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// It steers how the answer is made.
    Hint,
    /// It says what the answer is.
    Demand,
    /// It is part of the question.
    Question,
}

/// Why a model can't take the request under this policy, if it can't.
pub(crate) fn refusal(model: &Model, chat: &ChatRequest, policy: DropParams) -> Option<Problem> {
    let is_refused = |unmet: &Unmet| match (policy, unmet.weight) {
        (_, Weight::Question) | (DropParams::Never, _) | (DropParams::Hints, Weight::Demand) => {
            true
        }
        (DropParams::Hints, Weight::Hint) | (DropParams::All, _) => false,
    };
    let unmet = unmet(model, chat);
    let refusal = unmet.iter().find(|unmet| is_refused(unmet));
    refusal.map(|unmet| refused(model, &unmet.field)).or_else(|| {
        // Our own worker has no fees: what it doesn't know it never charges.
        let is_left_out = |field: &str| unmet.iter().any(|unmet| unmet.field == field);
        if model.vendor == Vendor::Llama {
            return None;
        }
        let unpriced = unpriced::refusal(model, chat, is_left_out);
        unpriced
            .or_else(|| lifetimes::refusal(model, chat))
            .or_else(|| conflicts::refusal(model, chat, is_left_out))
    })
}

/// The names of the fields that are left out for a model that takes the request.
pub(crate) fn dropped(model: &Model, chat: &ChatRequest) -> Vec<String> {
    let fields = unmet(model, chat).into_iter();
    fields.filter(|unmet| unmet.weight != Weight::Question).map(|unmet| unmet.field).collect()
}

/// The request without these fields.
pub(crate) fn without(chat: &ChatRequest, dropped: &[String]) -> ChatRequest {
    let mut chat = chat.clone();
    for field in dropped {
        fields::remove(&mut chat, field);
    }
    chat
}

fn unmet(model: &Model, chat: &ChatRequest) -> Vec<Unmet> {
    let mut all = media(model, chat);
    let unfit = blocks::unfit(model, chat).into_iter();
    all.extend(unfit.map(|field| Unmet { field, weight: Weight::Question }));
    let mut add = |field: &str| {
        if !all.iter().any(|known: &Unmet| known.field == field) {
            let weight = if fields::is_demand(field) { Weight::Demand } else { Weight::Hint };
            all.push(Unmet { field: field.to_owned(), weight });
        }
    };
    if chat.tools.as_ref().is_some_and(|tools| !tools.is_empty()) && !model.can(Capability::Tools) {
        add("tools");
        if chat.tool_choice.is_some() {
            add("tool_choice");
        }
        if fields::is_given(chat, "parallel_tool_calls") {
            add("parallel_tool_calls");
        }
    }
    let format = chat.response_format.as_ref().and_then(|format| format.get("type"));
    let format = format.and_then(Value::as_str);
    let needs_schema = format == Some("json_schema")
        || (format == Some("json_object") && model.vendor == Vendor::Llama);
    // What Anthropic's models can't be asked for directly is the input of a tool.
    let by_tool = model.vendor == Vendor::Anthropic && model.can(Capability::Tools);
    if needs_schema && !model.can(Capability::JsonSchema) && !by_tool {
        add("response_format");
    }
    if fields::asks_for_sound(chat) && !model.can(Capability::Audio) {
        add("modalities");
        if chat.rest.contains_key("audio") {
            add("audio");
        }
    }
    for field in fields::unknown_to(model, chat) {
        add(&field);
    }
    for field in nested::unknown_to(model, chat) {
        if !field.starts_with("tools.") || model.can(Capability::Tools) {
            add(&field);
        }
    }
    for field in model.unsupported.iter().filter(|field| fields::is_given(chat, field)) {
        add(field);
    }
    // It has no word for JSON in general; by OpenAI's own rule the prompt asks for it as well.
    if format == Some("json_object") && model.vendor == Vendor::Anthropic && !by_tool {
        all.push(Unmet { field: "response_format".to_owned(), weight: Weight::Hint });
    }
    all
}

/// Parts of messages that the model has no sense for. What nobody here knows is let through.
fn media(model: &Model, chat: &ChatRequest) -> Vec<Unmet> {
    let mut all = Vec::new();
    for (number, message) in chat.messages.iter().enumerate() {
        let parts = message.content.as_ref().map(Content::parts).unwrap_or_default();
        for (place, part) in parts.iter().enumerate() {
            let needed = match part.kind.as_str() {
                "image_url" => Capability::Vision,
                "input_audio" => Capability::Audio,
                "file" => Capability::Files,
                _ => continue,
            };
            if !model.can(needed) {
                let field = format!("messages[{number}].content[{place}]");
                all.push(Unmet { field, weight: Weight::Question });
            }
        }
    }
    all
}

fn refused(model: &Model, field: &str) -> Problem {
    let (name, shown) = (&model.name, field.chars().take(80).collect::<String>());
    Problem::new(
        ErrorCode::InvalidRequest,
        format!(
            "モデル '{name}' は {shown} に対応していません。外すか、別のモデルを使ってください。"
        ),
        format!(
            "The model '{name}' can't honour '{shown}': leave it out, or use another model \
             (x-fly-drop-params: all leaves out what can be)."
        ),
    )
    .at(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use infra::config::Config;
    use infra::environment::Environment;
    use schemas::catalogue::Preset;
    use serde_json::json;
    use std::sync::Arc;

    pub(super) fn model(kind: &str, capabilities: &str) -> Arc<Model> {
        let text = format!(
            "models:\n  - name: m\n    pool: p\n    {kind}\n    \
             price: {{input: 1, cached_input: 1, cache_write: 1, output: 1}}\n    \
             context: 1000\n    max_output: 100\n    capabilities: [{capabilities}]\n"
        );
        let config = Config::parse(&text, "c", &Environment::default()).unwrap();
        Arc::clone(config.models.get("m").unwrap())
    }

    pub(super) fn chat(fields: Value) -> ChatRequest {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(body).unwrap()
    }

    /// What is dropped, and whether the usual policy refuses.
    fn judged(kind: &str, fields: Value) -> (Vec<String>, Option<String>) {
        let (model, chat) = (model(kind, "chat, tools, vision, json_schema"), chat(fields));
        let problem = refusal(&model, &chat, DropParams::Hints);
        (dropped(&model, &chat), problem.and_then(|problem| problem.parameter))
    }

    #[test]
    fn every_protocol_says_what_it_has_no_word_for() {
        let steering = json!({"seed": 1, "presence_penalty": 0.5, "user": "u", "top_k": 5,
            "reasoning_effort": "low", "field_of_tomorrow": 1});
        let table = [
            ("vendor: openai", "top_k"),
            ("vendor: compatible\n    api_base: http://h/v1", ""),
            ("vendor: anthropic", "seed presence_penalty reasoning_effort field_of_tomorrow"),
            ("vendor: gemini", "user field_of_tomorrow"),
            ("vendor: llama", "user reasoning_effort field_of_tomorrow"),
            ("vendor: compatible\n    preset: mistral", "user top_k"),
            ("vendor: compatible\n    preset: groq", "top_k"),
            ("vendor: compatible\n    preset: deepseek", "seed user"),
            ("vendor: compatible\n    preset: ollama", "user"),
        ];
        for (kind, expected) in table {
            let (dropped, refused) = judged(kind, steering.clone());
            assert_eq!((dropped.join(" "), refused), (expected.to_owned(), None), "{kind}");
        }
    }

    #[test]
    fn words_of_another_api_reach_nobody_who_would_refuse_them() {
        let mut chat = chat(json!({"client_metadata": {"id": "u"}, "fallbacks": [{}], "min_p": 1,
            "prompt_cache_key": "k", "store": true, "parallel_tool_calls": true, "seed": 1}));
        let of_no_chat = "client_metadata fallbacks";
        let unknown = format!("{of_no_chat} min_p");
        // Our own worker is told what it reads, in whichever words it was asked.
        let unread = &format!("{of_no_chat} prompt_cache_key store");
        for (kind, translated, of_a_chat) in [
            ("vendor: openai", unknown.clone(), ""),
            ("vendor: azure\n    api_base: http://h", unknown, ""),
            ("vendor: compatible\n    api_base: http://h/v1", of_no_chat.to_owned(), ""),
            ("vendor: llama", unread.clone(), unread),
        ] {
            let model = model(&format!("{kind}\n    passes: [fallbacks]"), "chat");
            let mut told = |is_translated| {
                chat.is_translated = is_translated;
                assert_eq!(refusal(&model, &chat, DropParams::Hints), None, "{kind}");
                dropped(&model, &chat).join(" ")
            };
            assert_eq!(told(true), translated, "{kind}");
            assert_eq!(told(false), of_a_chat, "{kind}");
        }
    }

    #[test]
    fn demands_are_refused_unless_everything_may_be_dropped() {
        let claude = "vendor: anthropic";
        for (fields, field) in [
            (json!({"n": 2}), "n"),
            (json!({"logprobs": true, "top_logprobs": 2}), "logprobs"),
            (json!({"modalities": ["text", "audio"], "audio": {"voice": "a"}}), "modalities"),
        ] {
            let refused = judged(claude, fields.clone()).1;
            assert_eq!(refused.as_deref(), Some(field));
            let (model, chat) = (model(claude, "chat"), chat(fields));
            assert_eq!(refusal(&model, &chat, DropParams::All), None);
            let left = without(&chat, &dropped(&model, &chat));
            assert!(dropped(&model, &left).is_empty(), "{left:?}");
        }
        assert_eq!(judged(claude, json!({"n": 1, "logprobs": false})), (vec![], None));
    }

    #[test]
    fn our_own_worker_is_asked_for_what_it_reads() {
        let llama = "vendor: llama";
        let read = json!({"n": 2, "logprobs": true, "top_logprobs": 1, "seed": 1, "stop": "x",
            "temperature": 1, "top_p": 1, "top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1,
            "presence_penalty": 0.1, "frequency_penalty": 0.1, "logit_bias": {"1": 1},
            "tools": [{"type": "function"}], "tool_choice": "required",
            "parallel_tool_calls": false, "response_format": {"type": "json_object"}});
        assert_eq!(judged(llama, read), (vec![], None));
        let functions = json!({"functions": [{"name": "f"}], "function_call": {"name": "f"}});
        let (dropped, refused) = judged(llama, functions);
        assert_eq!((dropped.len(), refused.as_deref()), (2, Some("functions")));
        let others = json!({"mirostat": 2, "grammar": "root ::= x", "repeat_penalty": 1.1});
        let (dropped, refused) = judged(llama, others);
        assert_eq!((dropped.join(" "), refused), ("mirostat grammar repeat_penalty".into(), None));
    }

    #[test]
    fn a_choice_of_tools_that_would_be_ignored_is_refused() {
        let ollama = "vendor: compatible\n    preset: ollama";
        let asks = |choice: Value| json!({"tools": [{"type": "function"}], "tool_choice": choice});
        for choice in [json!("required"), json!("none"), json!({"function": {"name": "f"}})] {
            let refused = judged(ollama, asks(choice.clone())).1;
            assert_eq!(refused.as_deref(), Some("tool_choice"), "{choice}");
            for kind in ["vendor: openai", "vendor: anthropic", "vendor: gemini"] {
                assert_eq!(judged(kind, asks(choice.clone())), (vec![], None), "{kind} {choice}");
            }
        }
        assert_eq!(judged(ollama, asks(json!("auto"))), (vec![], None));
    }

    #[test]
    fn capabilities_decide_and_questions_are_never_dropped() {
        let bare = model("vendor: openai", "chat");
        let part = |kind: &str| json!([{"type": "text", "text": "x"}, {"type": kind}]);
        for kind in ["image_url", "input_audio", "file"] {
            let asked = chat(json!({"messages": [{"role": "user", "content": part(kind)}]}));
            let problem = refusal(&bare, &asked, DropParams::All).unwrap();
            assert_eq!(problem.parameter.as_deref(), Some("messages[0].content[1]"), "{kind}");
            assert!(dropped(&bare, &asked).is_empty());
            let priced = "vendor: openai\n    sound_at_text_price: true";
            let able = model(priced, "chat, vision, audio, files");
            assert_eq!(refusal(&able, &asked, DropParams::Never), None, "{kind}");
        }
        let schema = json!({"type": "json_schema", "json_schema": {"name": "s", "schema": {}}});
        for (fields, field) in [
            (json!({"tools": [{"type": "function"}], "tool_choice": "auto"}), "tools"),
            (json!({"response_format": schema}), "response_format"),
        ] {
            let problem = refusal(&bare, &chat(fields), DropParams::Hints).unwrap();
            assert_eq!(problem.parameter.as_deref(), Some(field));
        }
        assert_eq!(
            judged(
                "vendor: openai",
                json!({"tools": [], "response_format":
            {"type": "text"}})
            ),
            (vec![], None)
        );
    }

    #[test]
    fn a_model_can_be_told_not_to_take_a_field() {
        let kind = "vendor: openai\n    unsupported: [temperature, n, own_field]";
        let (dropped, refused) = judged(kind, json!({"temperature": 1.0, "own_field": 1}));
        assert_eq!((dropped.len(), refused), (2, None));
        assert_eq!(judged(kind, json!({"n": 3})).1.as_deref(), Some("n"));
        let strict =
            refusal(&model(kind, "chat"), &chat(json!({"temperature": 1.0})), DropParams::Never);
        assert_eq!(strict.unwrap().parameter.as_deref(), Some("temperature"));
    }

    #[test]
    fn unknown_fields_reach_every_server_that_speaks_openais_protocol() {
        let own = json!({"field_of_tomorrow": {"deep": [1]}});
        for preset in Preset::ALL {
            let kind = format!(
                "vendor: compatible\n    preset: {}\n    api_base: http://h/v1",
                preset.as_str()
            );
            assert_eq!(judged(&kind, own.clone()), (vec![], None), "{kind}");
        }
    }
}
