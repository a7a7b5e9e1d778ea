//! Parts of messages that only Anthropic's models know, for all others: what has the same meaning
//! in OpenAI's form is said in it, and a model isn't asked what has none.

use super::{beside, unpriced};
use infra::config::Model;
use schemas::anthropic::CACHE_CONTROL;
use schemas::catalogue::{Capability, Vendor};
use schemas::openai::{ChatRequest, Content, Message, Part, Role};
use serde_json::{Map, Value};

/// Anthropic's own parts beside documents and images; the results of the vendor's own tools are too
/// many to be listed.
const FOREIGN: [&str; 5] =
    ["search_result", "server_tool_use", "mcp_tool_use", "container_upload", "tool_reference"];

/// How the others end.
const FOREIGN_RESULT: &str = "_tool_result";

/// The parts and tools that the model can't be asked, by their places.
pub(super) fn unfit(model: &Model, chat: &ChatRequest) -> Vec<String> {
    let mut places = Vec::new();
    if model.vendor == Vendor::Anthropic {
        return places;
    }
    for (number, message) in chat.messages.iter().enumerate() {
        let parts = message.content.as_ref().map(Content::parts).unwrap_or_default();
        for (place, part) in parts.iter().enumerate().filter(|(_, part)| is_foreign(part)) {
            let said = translated(part);
            let has_file = said.iter().flatten().any(|part| part.kind == "file");
            if said.is_none() || (has_file && !model.can(Capability::Files)) {
                places.push(format!("messages[{number}].content[{place}]"));
            }
        }
    }
    if model.can(Capability::Tools) {
        let tools = chat.tools.iter().flatten().enumerate();
        let own = tools.filter(|(_, tool)| unpriced::is_run_by_the_client_for_anthropic(tool));
        places.extend(own.map(|(number, _)| format!("tools[{number}]")));
    }
    places
}

/// Says the request in the words that the model knows.
pub(crate) fn fit(model: &Model, chat: &mut ChatRequest) {
    unpriced::leave_out(model, chat);
    if model.vendor == Vendor::Anthropic {
        return;
    }
    for content in chat.messages.iter_mut().filter_map(|message| message.content.as_mut()) {
        let Content::Parts(parts) = content else { continue };
        if parts.iter().any(is_foreign) {
            let said = |part: Part| translated(&part).unwrap_or_else(|| vec![part]);
            *parts = std::mem::take(parts).into_iter().flat_map(said).collect();
        }
    }
    beside::say(model.vendor, &mut chat.messages);
    // Gemini's own form takes what isn't text beside a result.
    if model.vendor != Vendor::Gemini {
        show_after_results(&mut chat.messages);
    }
}

fn is_foreign(part: &Part) -> bool {
    let has_source = || part.rest.contains_key("source");
    match part.kind.as_str() {
        // Under these names another server may have something else.
        "document" | "image" => has_source(),
        kind => FOREIGN.contains(&kind) || kind.ends_with(FOREIGN_RESULT),
    }
}

/// The same in OpenAI's words, if it can be said in them.
fn translated(part: &Part) -> Option<Vec<Part>> {
    let field = |name| part.rest.get(name).and_then(Value::as_str);
    let marks = || part.rest.get_key_value(CACHE_CONTROL);
    match part.kind.as_str() {
        "document" => {
            let source = part.rest.get("source")?;
            let of_source = |name| source.get(name).and_then(Value::as_str);
            let (title, context) = (field("title"), field("context"));
            let body = match (of_source("type")?, of_source("media_type")) {
                ("text", _) => of_source("data")?.to_owned(),
                ("content", _) => texts(source.get("content")?)?,
                ("base64", Some("application/pdf")) => {
                    let context = context.map(|context| text(context.to_owned(), None));
                    let file = pdf(title, of_source("data")?, marks());
                    return Some(context.into_iter().chain([file]).collect());
                }
                _ => return None,
            };
            Some(vec![text(joined([title, context, Some(body.as_str())]), marks())])
        }
        "search_result" => {
            let body = texts(part.rest.get("content")?)?;
            let said = joined([field("title"), field("source"), Some(body.as_str())]);
            Some(vec![text(said, marks())])
        }
        _ => None,
    }
}

/// A text, or blocks that are nothing but texts.
fn texts(content: &Value) -> Option<String> {
    if let Some(text) = content.as_str() {
        return Some(text.to_owned());
    }
    let text = |block: &Value| {
        let is_text = block.get("type")? == "text";
        block.get("text").filter(|_| is_text)?.as_str().map(ToOwned::to_owned)
    };
    let texts: Option<Vec<String>> = content.as_array()?.iter().map(text).collect();
    Some(texts?.join("\n"))
}

fn joined(texts: [Option<&str>; 3]) -> String {
    let texts: Vec<&str> = texts.into_iter().flatten().filter(|text| !text.is_empty()).collect();
    texts.join("\n")
}

fn text(text: String, mark: Option<(&String, &Value)>) -> Part {
    let rest = mark.map(|(name, mark)| (name.clone(), mark.clone())).into_iter().collect();
    Part { kind: "text".into(), text: Some(text), rest }
}

fn pdf(title: Option<&str>, data: &str, mark: Option<(&String, &Value)>) -> Part {
    let mut file = Map::new();
    if let Some(title) = title {
        file.insert("filename".into(), title.into());
    }
    file.insert("file_data".into(), format!("data:application/pdf;base64,{data}").into());
    let mut rest = Map::new();
    rest.insert("file".into(), Value::Object(file));
    rest.extend(mark.map(|(name, mark)| (name.clone(), mark.clone())));
    Part { kind: "file".into(), text: None, rest }
}

/// In OpenAI's form a tool's result is text: what else it holds is shown by the user, after the
/// last of the results.
fn show_after_results(messages: &mut Vec<Message>) {
    let is_shown = |part: &Part| matches!(part.kind.as_str(), "image_url" | "file" | "input_audio");
    let (mut fitted, mut shown) = (Vec::with_capacity(messages.len()), Vec::new());
    for mut message in std::mem::take(messages) {
        if message.role != Role::Tool {
            show(&mut shown, Some(&mut message), &mut fitted);
        } else if let Some(Content::Parts(parts)) = &mut message.content
            && parts.iter().any(is_shown)
        {
            let id = message.tool_call_id.as_deref().unwrap_or_default();
            shown.push(text(format!("{id}:"), None));
            shown.extend(parts.extract_if(.., |part| is_shown(part)));
            if parts.is_empty() {
                message.content = Some(Content::Text(String::new()));
            }
        }
        fitted.push(message);
    }
    show(&mut shown, None, &mut fitted);
    *messages = fitted;
}

/// Puts them before what the user says next, or lets him say nothing else.
fn show(shown: &mut Vec<Part>, next: Option<&mut Message>, fitted: &mut Vec<Message>) {
    if shown.is_empty() {
        return;
    }
    let mut parts = std::mem::take(shown);
    match next.filter(|next| next.role == Role::User) {
        Some(next) => {
            match next.content.take() {
                Some(Content::Text(said)) => parts.push(text(said, None)),
                Some(Content::Parts(said)) => parts.extend(said),
                None => {}
            }
            next.content = Some(Content::Parts(parts));
        }
        None => fitted.push(Message {
            content: Some(Content::Parts(parts)),
            ..Message::text(Role::User, "")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abilities::tests::{chat, model};
    use crate::abilities::{dropped, refusal};
    use infra::config::DropParams;
    use serde_json::json;

    fn asked(messages: Value) -> ChatRequest {
        chat(json!({"messages": messages}))
    }

    /// The messages as a model of that kind gets them, and the place that it is not asked.
    fn fitted(kind: &str, messages: Value) -> (Value, Option<String>) {
        let (model, mut chat) = (model(kind, "chat, vision, files, tools"), asked(messages));
        let problem = refusal(&model, &chat, DropParams::All);
        fit(&model, &mut chat);
        let messages = serde_json::to_value(&chat.messages).unwrap();
        (messages, problem.and_then(|problem| problem.parameter))
    }

    #[test]
    fn what_can_be_said_as_text_or_file_is() {
        let source = |source: Value| json!({"type": "document", "source": source, "title": "T"});
        let text = source(json!({"type": "text", "media_type": "text/plain", "data": "body"}));
        let block = json!({"type": "text", "text": "c"});
        let blocks = source(json!({"type": "content", "content": [block, block]}));
        let mut pdf = source(json!({"type": "base64", "media_type": "application/pdf",
            "data": "JVBERi0="}));
        pdf["context"] = "why".into();
        let found = json!({"type": "search_result", "source": "https://h", "title": "R",
            "content": [block], "cache_control": {"type": "ephemeral"}});
        let messages = json!([{"role": "user", "content": [text, blocks, pdf, found]}]);
        let said = json!([
            {"type": "text", "text": "T\nbody"},
            {"type": "text", "text": "T\nc\nc"},
            {"type": "text", "text": "why"},
            {"type": "file", "file": {"filename": "T",
                "file_data": "data:application/pdf;base64,JVBERi0="}},
            {"type": "text", "text": "R\nhttps://h\nc", "cache_control": {"type": "ephemeral"}},
        ]);
        for kind in ["vendor: openai", "vendor: gemini", "vendor: llama"] {
            let (messages, refused) = fitted(kind, messages.clone());
            assert_eq!((&messages[0]["content"], refused), (&said, None), "{kind}");
        }
        assert_eq!(fitted("vendor: anthropic", messages.clone()), (messages.clone(), None));
        let blind = refusal(&model("vendor: openai", "chat"), &asked(messages), DropParams::All);
        assert_eq!(blind.unwrap().parameter.as_deref(), Some("messages[0].content[2]"));
    }

    #[test]
    fn a_model_is_not_asked_what_it_has_no_words_for() {
        for part in [
            json!({"type": "document", "source": {"type": "url", "url": "https://h/a.pdf"}}),
            json!({"type": "document", "source": {"type": "file", "file_id": "f"}}),
            json!({"type": "image", "source": {"type": "file", "file_id": "f"}}),
            json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}),
            json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": []}),
        ] {
            let messages = json!([{"role": "user", "content": [part]}]);
            let place = Some("messages[0].content[0]".to_owned());
            for kind in ["vendor: openai", "vendor: gemini", "vendor: llama"] {
                assert_eq!(fitted(kind, messages.clone()).1, place, "{kind} {part}");
            }
            assert_eq!(fitted("vendor: anthropic", messages).1, None, "{part}");
        }
        for kind in ["video_url", "image", "document"] {
            let others = json!([{"role": "user", "content": [{"type": kind}]}]);
            assert_eq!(fitted("vendor: openai", others.clone()), (others, None));
        }
        let tools = json!({"tools": [{"type": "bash_20250124", "name": "bash"}]});
        let problem = |kind: &str, capabilities: &str| {
            refusal(&model(kind, capabilities), &chat(tools.clone()), DropParams::All)
                .and_then(|problem| problem.parameter)
        };
        assert_eq!(problem("vendor: openai", "chat, tools").as_deref(), Some("tools[0]"));
        assert_eq!(problem("vendor: anthropic", "chat, tools"), None);
        let bare = model("vendor: openai", "chat");
        assert_eq!(dropped(&bare, &chat(tools.clone())), ["tools"]);
    }

    #[test]
    fn the_images_of_results_are_shown_by_the_user_after_the_last_of_them() {
        let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,i"}});
        let text = |text: &str| json!({"type": "text", "text": text});
        let result = |id: &str, content: Value| {
            let mut result = json!({"role": "tool", "tool_call_id": id});
            result["content"] = content;
            result
        };
        let results = [result("c1", json!([text("one"), image])), result("c2", json!([image]))];
        let left = [result("c1", json!([text("one")])), result("c2", json!(""))];
        let shown = [text("c1:"), image.clone(), text("c2:"), image];
        let answer = json!({"role": "assistant", "content": "x"});
        for (next, said) in [
            (json!({"role": "user", "content": "and?"}), Some(text("and?"))),
            (json!({"role": "user", "content": [text("and?")]}), Some(text("and?"))),
            (answer.clone(), None),
        ] {
            let parts: Vec<Value> = shown.iter().cloned().chain(said.clone()).collect();
            let shown = json!({"role": "user", "content": parts});
            let after = said.is_none().then(|| answer.clone());
            let expected: Vec<Value> = left.iter().cloned().chain([shown]).chain(after).collect();
            let messages: Vec<Value> = results.iter().cloned().chain([next]).collect();
            let (fitted, refused) = fitted("vendor: openai", json!(messages));
            assert_eq!((fitted, refused), (json!(expected), None));
        }
        let last = fitted("vendor: openai", json!(results)).0;
        assert_eq!(last[2], json!({"role": "user", "content": shown}));
        for kind in ["vendor: gemini", "vendor: anthropic"] {
            assert_eq!(fitted(kind, json!(results)).0, json!(results), "{kind}");
        }
    }
}
