//! What a vendor charges for beside tokens, and no price in the configuration covers; what makes
//! somebody else answer, or more than one answer, at the price of one: refused, so that nobody is
//! served for less than it costs. Nothing here is ever left out silently: a request for faster
//! service or a search is a wish that money was meant for. Only what asks for nothing is: clients
//! of one server send it its fields with every request.

use super::fields;
use infra::config::Model;
use schemas::error::{ErrorCode, Problem};
use schemas::openai::{ChatRequest, Content, Part};
use serde_json::Value;

/// Tiers that cost at most what the price list says; every other one may cost more.
const SERVICE_TIERS: [&str; 6] =
    ["auto", "default", "flex", "standard", "standard_only", "on_demand"];

/// Fields that make a vendor search the web, for a fee for each search.
const SEARCHES: [&str; 4] = ["web_search_options", "search_parameters", "web_search", "plugins"];

/// Fields by which routers and servers that speak OpenAI's protocol (OpenRouter, LiteLLM, vLLM and
/// llama.cpp) are told to ask another model, at another address or with another key, to make
/// several answers of which one is told, or to let what the operator set there be.
const ELSEWHERE: &[&str] = &[
    "adapter_id",
    "api_base",
    "api_key",
    "api_version",
    "base_url",
    "best_of",
    "context_window_fallbacks",
    "custom_llm_provider",
    "deployment_id",
    "engine",
    "extra_body",
    "extra_headers",
    "extra_query",
    "fallbacks",
    "guardrails",
    "headers",
    "lora",
    "lora_request",
    "max_retries",
    "mock_response",
    "model_list",
    "models",
    "num_retries",
    "options",
    "preset",
    "provider",
    "route",
    "router_settings_override",
    "transforms",
    "use_beam_search",
    "user_config",
    "vertex_credentials",
    "vertex_project",
];

/// How long an answer may be, in other words than the one that we set.
const LENGTHS: [&str; 5] =
    ["max_length", "max_new_tokens", "max_output_tokens", "n_predict", "num_predict"];

/// Tools that the client itself runs: they cost their tokens and nothing else.
const CLIENT_TOOLS: [&str; 2] = ["function", "custom"];

/// The same, of Anthropic's own: a date follows.
const CLIENT_TOOLS_DATED: [&str; 4] = ["bash_", "text_editor_", "computer_", "memory_"];

/// Why a request can't be charged rightly, if it can't. `is_left_out` says which fields the model
/// will never see.
pub(super) fn refusal(
    model: &Model,
    chat: &ChatRequest,
    is_left_out: impl Fn(&str) -> bool,
) -> Option<Problem> {
    let is_kept = |field: &str| fields::is_given(chat, field) && !is_left_out(field);
    if is_kept("service_tier") && !is_usual(chat.rest.get("service_tier")) {
        return Some(unpriced("service_tier"));
    }
    if let Some(search) = SEARCHES.into_iter().find(|field| is_kept(field)) {
        return Some(unpriced(search));
    }
    let mut fields = chat.rest.keys().map(String::as_str);
    let is_refused = |field: &str| {
        is_ours_to_set(model, field) && is_kept(field) && !asks_for_nothing(chat, field)
    };
    if let Some(field) = fields.find(|field| is_refused(field)) {
        return Some(if LENGTHS.contains(&field) { length(field) } else { elsewhere(field) });
    }
    if let Some(sound) = sound(chat, &is_left_out).filter(|_| !model.sound_at_text_price) {
        return Some(unpriced(&sound));
    }
    if is_left_out("tools") {
        return None;
    }
    for (place, tool) in chat.tools.iter().flatten().enumerate() {
        if tool.get("type").is_none_or(|kind| !kind.is_string()) {
            return Some(untyped(place));
        }
        if is_run_by_the_vendor(tool) {
            return Some(unpriced(&format!("tools[{place}]")));
        }
    }
    None
}

/// Leaves out what could make somebody else answer and asks for nothing.
pub(super) fn leave_out(model: &Model, chat: &mut ChatRequest) {
    let is_empty = |field: &String| is_ours_to_set(model, field) && asks_for_nothing(chat, field);
    let empty: Vec<String> = chat.rest.keys().filter(|field| is_empty(field)).cloned().collect();
    for field in empty {
        chat.rest.shift_remove(&field);
    }
}

/// Whether a field says what a client may not, and the operator doesn't let it through.
fn is_ours_to_set(model: &Model, field: &str) -> bool {
    (ELSEWHERE.contains(&field) || LENGTHS.contains(&field))
        && !model.passes.iter().any(|passed| passed == field)
}

/// Whether a field says no more than that it is not wished.
fn asks_for_nothing(chat: &ChatRequest, field: &str) -> bool {
    match chat.rest.get(field) {
        None | Some(Value::Null | Value::Bool(false)) => true,
        Some(Value::Bool(true)) => false,
        // Of as many as are told none is thrown away.
        Some(Value::Number(count)) if field == "best_of" => {
            let answers = f64::from(chat.n.unwrap_or(1));
            count.as_f64().is_some_and(|count| (0.0..=answers).contains(&count))
        }
        Some(Value::Number(number)) => number.as_f64() == Some(0.0),
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(fields)) => fields.is_empty(),
    }
}

/// Where a request has sound in it or asks for some: vendors count its tokens apart, at many times
/// the price of text.
fn sound(chat: &ChatRequest, is_left_out: impl Fn(&str) -> bool) -> Option<String> {
    if fields::asks_for_sound(chat) && !is_left_out("modalities") {
        return Some("modalities".to_owned());
    }
    for (at, message) in chat.messages.iter().enumerate() {
        let parts = message.content.as_ref().map(Content::parts).unwrap_or_default();
        if let Some(part) = parts.iter().position(is_sound) {
            return Some(format!("messages[{at}].content[{part}]"));
        }
        // What an answer before said.
        if message.rest.get("audio").is_some_and(|audio| !audio.is_null()) {
            return Some(format!("messages[{at}].audio"));
        }
    }
    None
}

fn is_sound(part: &Part) -> bool {
    let data = || part.rest.get("file")?.get("file_data")?.as_str();
    part.kind == "input_audio" || data().is_some_and(|data| data.starts_with("data:audio/"))
}

fn is_usual(tier: Option<&Value>) -> bool {
    tier.and_then(Value::as_str).is_some_and(|tier| SERVICE_TIERS.contains(&tier))
}

/// A search, a sandbox, a file store: each has its own fee, or brings tokens that no hold covers.
fn is_run_by_the_vendor(tool: &Value) -> bool {
    let Some(kind) = tool.get("type").and_then(Value::as_str) else { return false };
    !is_dated(kind) && !CLIENT_TOOLS.contains(&kind)
}

fn is_dated(kind: &str) -> bool {
    CLIENT_TOOLS_DATED.iter().any(|name| kind.starts_with(name))
}

/// One of Anthropic's own that the client runs: no other vendor knows what it is called with.
pub(super) fn is_run_by_the_client_for_anthropic(tool: &Value) -> bool {
    tool.get("type").and_then(Value::as_str).is_some_and(is_dated)
}

/// Whoever takes it may run it, and none of ours does.
fn untyped(place: usize) -> Problem {
    let field = format!("tools[{place}].type");
    Problem::new(
        ErrorCode::InvalidRequest,
        format!("{field} を文字列で指定してください（例: \"function\"）。"),
        format!("Write '{field}' as a text, such as \"function\"."),
    )
    .at(field)
}

fn elsewhere(field: &str) -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        format!(
            "{field} は、回答するモデル・サーバー・キー、回答の回数、運営者の設定を変えられるため、\
             受け付けません。外してください。"
        ),
        format!(
            "'{field}' can change who answers, how many answers are made, or what the operator has \
             set: leave it out."
        ),
    )
    .at(field.to_owned())
}

fn length(field: &str) -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        format!("回答の長さは {field} ではなく max_tokens で指定してください。"),
        format!("Write how long the answer may be as 'max_tokens', not as '{field}'."),
    )
    .at(field.to_owned())
}

fn unpriced(field: &str) -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        format!("{field} には追加料金がかかりますが、料金が設定されていません。外してください。"),
        format!(
            "'{field}' costs extra at the vendor, and no price is set for it here: leave it out."
        ),
    )
    .at(field.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{chat, model};
    use super::*;
    use serde_json::json;

    const COMPATIBLE: &str = "vendor: compatible\n    api_base: http://h/v1";

    fn refused_by(kind: &str, fields: Value) -> Option<String> {
        let (model, chat) = (model(kind, "chat, tools, audio, files"), chat(fields));
        refusal(&model, &chat, |field| field == "plugins").and_then(|problem| problem.parameter)
    }

    fn refused(fields: Value) -> Option<String> {
        refused_by(COMPATIBLE, fields)
    }

    #[test]
    fn nobody_is_made_to_answer_elsewhere_or_more_than_once() {
        for field in ELSEWHERE.iter().copied().chain(LENGTHS) {
            for asks in [json!(["x"]), json!("x"), json!(2), json!(-1), json!(true)] {
                assert_eq!(refused(json!({(field): asks})).as_deref(), Some(field), "{asks}");
            }
        }
        let passes = format!("{COMPATIBLE}\n    passes: [provider]");
        assert_eq!(refused_by(&passes, json!({"provider": {"only": ["x"]}})), None);
        let both = json!({"provider": {"only": []}, "models": ["x"]});
        assert_eq!(refused_by(&passes, both).as_deref(), Some("models"));
        let of_tomorrow = json!({"top_k": 5, "min_p": 0.1, "min_tokens": 1, "tomorrow": {"x": 1}});
        assert_eq!(refused(of_tomorrow), None);
    }

    #[test]
    fn what_asks_for_nothing_is_left_out() {
        let empty = [json!(null), json!(false), json!(0), json!(""), json!([]), json!({})];
        for field in ELSEWHERE.iter().copied().chain(LENGTHS) {
            for value in &empty {
                assert_eq!(refused(json!({(field): value})), None, "{field}: {value}");
            }
        }
        let of_a_client = json!({"use_beam_search": false, "best_of": 2, "n": 2, "provider": {},
            "num_retries": 0.0, "top_k": 0, "tomorrow": {}});
        let passes = model(&format!("{COMPATIBLE}\n    passes: [provider]"), "chat");
        for (model, left) in
            [(&model(COMPATIBLE, "chat"), "tomorrow top_k"), (&passes, "provider tomorrow top_k")]
        {
            let mut chat = chat(of_a_client.clone());
            assert_eq!(refusal(model, &chat, |_| false), None);
            leave_out(model, &mut chat);
            let mut fields: Vec<_> = chat.rest.keys().map(String::as_str).collect();
            fields.sort_unstable();
            assert_eq!(fields.join(" "), left);
        }
        for (best_of, n) in [(2, json!(1)), (2, json!(null)), (3, json!(2))] {
            let asked = json!({"best_of": best_of, "n": n});
            assert_eq!(refused(asked).as_deref(), Some("best_of"));
        }
    }

    #[test]
    fn a_length_is_told_by_its_name() {
        let problem = |fields: Value| {
            let problem = refusal(&model(COMPATIBLE, "chat"), &chat(fields), |_| false);
            serde_json::to_string(&problem.unwrap().message).unwrap()
        };
        assert!(problem(json!({"max_new_tokens": 5})).contains("max_tokens"));
        assert!(!problem(json!({"num_retries": 5})).contains("max_tokens"));
    }

    #[test]
    fn sound_needs_its_price() {
        let said = |part: Value| json!({"messages": [{"role": "user", "content": [part]}]});
        let file = said(json!({"type": "file", "file": {"file_data": "data:audio/mp3;base64,AA"}}));
        let before = json!({"messages": [{"role": "assistant", "audio": {"id": "a"}}]});
        for (fields, place) in [
            (json!({"modalities": ["text", "audio"], "audio": {"voice": "v"}}), "modalities"),
            (said(json!({"type": "input_audio", "input_audio": {}})), "messages[0].content[0]"),
            (file, "messages[0].content[0]"),
            (before, "messages[0].audio"),
        ] {
            assert_eq!(refused(fields.clone()).as_deref(), Some(place));
            let priced = format!("{COMPATIBLE}\n    sound_at_text_price: true");
            assert_eq!(refused_by(&priced, fields), None, "{place}");
        }
        let document =
            json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,"}});
        assert_eq!(refused(said(document)), None);
    }

    #[test]
    fn a_tool_says_what_it_is() {
        for tool in [json!({"google_search": {}}), json!({"type": null}), json!({"type": ["x"]})] {
            let tools = json!({"tools": [{"type": "function"}, tool]});
            assert_eq!(refused(tools).as_deref(), Some("tools[1].type"));
        }
    }

    #[test]
    fn only_what_the_price_list_covers_passes() {
        for tier in SERVICE_TIERS {
            assert_eq!(refused(json!({"service_tier": tier})), None, "{tier}");
        }
        for tier in [json!("priority"), json!("of_tomorrow"), json!(1)] {
            assert_eq!(refused(json!({"service_tier": tier})).as_deref(), Some("service_tier"));
        }
        for field in ["web_search_options", "search_parameters", "web_search"] {
            assert_eq!(refused(json!({(field): {}})).as_deref(), Some(field));
        }
        assert_eq!(refused(json!({"service_tier": null, "web_search_options": null})), None);
        assert_eq!(refused(json!({"plugins": [{"id": "web"}]})), None, "the model never sees it");
    }

    #[test]
    fn tools_that_the_client_runs_pass_and_the_vendors_do_not() {
        let tools = |kind: &str| json!({"tools": [{"type": "function"}, {"type": kind}]});
        for kind in ["function", "custom", "bash_20250124", "computer_20251124", "memory_20250818"]
        {
            assert_eq!(refused(tools(kind)), None, "{kind}");
        }
        let vendors =
            ["web_search_20250305", "web_fetch_20250910", "code_execution_20250825", "mcp"];
        for kind in vendors {
            assert_eq!(refused(tools(kind)).as_deref(), Some("tools[1]"), "{kind}");
        }
    }
}
