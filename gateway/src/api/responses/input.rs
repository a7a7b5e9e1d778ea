//! The conversation as canonical messages. Calls that stand together are one assistant's message,
//! because their results must follow it directly; thoughts of former turns are left out, as no
//! other API takes them back.

use crate::api::fields::wrong;
use schemas::error::Problem;
use schemas::openai::{Content, Message, Part, Role};
use serde_json::{Map, Value, json};

/// What an item is, and what its name begins with.
pub(super) fn kind_and_prefix(item: &Value) -> (String, &'static str) {
    let kind = item.get("type").and_then(Value::as_str).unwrap_or("message");
    let prefix = match kind {
        "message" => "msg",
        "function_call" => "fc",
        "function_call_output" => "fco",
        _ => "item",
    };
    (kind.to_owned(), prefix)
}

/// All messages, the instructions first, then what was said before this request.
pub(super) fn messages(
    instructions: Option<String>,
    before: &[Value],
    input: Value,
) -> Result<Vec<Message>, Problem> {
    let mut messages = Vec::new();
    if let Some(instructions) = instructions.filter(|text| !text.is_empty()) {
        messages.push(Message::text(Role::System, instructions));
    }
    for (number, item) in before.iter().enumerate() {
        add(item.clone(), &format!("previous_response_id[{number}]"), &mut messages)?;
    }
    match input {
        Value::String(text) if !text.is_empty() => messages.push(Message::text(Role::User, text)),
        Value::Array(items) if !items.is_empty() => {
            for (number, item) in items.into_iter().enumerate() {
                add(item, &format!("input[{number}]"), &mut messages)?;
            }
        }
        _ => {
            return Err(wrong(
                "input",
                "空ではない文字列、または1件以上の項目",
                "a text that isn't empty, or one item or more",
            ));
        }
    }
    Ok(messages)
}

fn add(mut item: Value, place: &str, messages: &mut Vec<Message>) -> Result<(), Problem> {
    let kind = item.get("type").and_then(Value::as_str).map(ToOwned::to_owned);
    match kind.as_deref() {
        None | Some("message") => say(item, place, messages),
        Some("function_call") => {
            call(&item, place, messages)?;
            Ok(())
        }
        Some("function_call_output") => {
            let call = text(&item, "call_id", place)?;
            let output = item.get_mut("output").map(Value::take).unwrap_or_default();
            let content = content(output, &format!("{place}.output"))?;
            let mut result = Message::text(Role::Tool, "");
            result.content = Some(content);
            result.tool_call_id = Some(call);
            messages.push(result);
            Ok(())
        }
        Some("reasoning") => Ok(()),
        Some("item_reference") => Err(wrong(
            &format!("{place}.type"),
            "項目そのもの（item_reference には対応していません）",
            "the item itself: a reference to a kept item is not supported",
        )),
        Some(_) => Err(wrong(
            &format!("{place}.type"),
            "message、function_call、function_call_output、reasoning のどれか",
            "message, function_call, function_call_output or reasoning",
        )),
    }
}

/// A field that must be a text with something in it.
fn text(item: &Value, name: &str, place: &str) -> Result<String, Problem> {
    match item.get(name).and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(wrong(&format!("{place}.{name}"), "空ではない文字列", "a text that isn't empty")),
    }
}

fn say(mut item: Value, place: &str, messages: &mut Vec<Message>) -> Result<(), Problem> {
    let role = match item.get("role").and_then(Value::as_str) {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        Some("developer") => Role::Developer,
        _ => {
            let (japanese, english) = (
                "user、assistant、system、developer のどれか",
                "user, assistant, system or developer",
            );
            return Err(wrong(&format!("{place}.role"), japanese, english));
        }
    };
    let said = item.get_mut("content").map(Value::take).unwrap_or_default();
    let content = content(said, &format!("{place}.content"))?;
    // What is said after calls belongs to them: their results must follow directly.
    if let (Role::Assistant, Some(last)) = (role, messages.last_mut())
        && last.tool_calls.is_some()
        && last.content.is_none()
    {
        last.content = Some(content);
        return Ok(());
    }
    let mut message = Message::text(role, "");
    message.content = Some(content);
    messages.push(message);
    Ok(())
}

fn call(item: &Value, place: &str, messages: &mut Vec<Message>) -> Result<(), Problem> {
    let (id, name) = (text(item, "call_id", place)?, text(item, "name", place)?);
    let Some(arguments) = item.get("arguments").and_then(Value::as_str) else {
        let field = format!("{place}.arguments");
        return Err(wrong(&field, "JSON を書いた文字列", "a text that spells JSON"));
    };
    let function = json!({"name": name, "arguments": arguments});
    let call = json!({"id": id, "type": "function", "function": function});
    match messages.last_mut().filter(|last| last.role == Role::Assistant) {
        Some(last) => last.tool_calls.get_or_insert_default().push(call),
        None => {
            let mut message = Message::text(Role::Assistant, "");
            message.content = None;
            message.tool_calls = Some(vec![call]);
            messages.push(message);
        }
    }
    Ok(())
}

/// A text where there is nothing but one, else parts.
fn content(said: Value, place: &str) -> Result<Content, Problem> {
    let parts = match said {
        Value::String(text) => return Ok(Content::Text(text)),
        Value::Array(parts) => parts,
        _ => return Err(wrong(place, "文字列かパーツの配列", "a text, or an array of parts")),
    };
    let parts = parts.into_iter().enumerate();
    let parts = parts.map(|(number, part)| self::part(part, &format!("{place}[{number}]")));
    let mut parts = parts.collect::<Result<Vec<Part>, _>>()?;
    Ok(match parts.as_mut_slice() {
        [] => Content::Text(String::new()),
        [Part { kind, text: Some(text), .. }] if kind == "text" => {
            Content::Text(std::mem::take(text))
        }
        _ => Content::Parts(parts),
    })
}

fn part(mut part: Value, place: &str) -> Result<Part, Problem> {
    let kind = part.get("type").and_then(Value::as_str).map(ToOwned::to_owned);
    let mut said = |field: &str| match part.get_mut(field).map(Value::take) {
        Some(Value::String(text)) => {
            Ok(Part { kind: "text".into(), text: Some(text), rest: Map::new() })
        }
        _ => Err(wrong(&format!("{place}.{field}"), "文字列", "a text")),
    };
    match kind.as_deref() {
        Some("input_text" | "output_text" | "text") => said("text"),
        Some("refusal") => said("refusal"),
        Some("input_image") => image(&part, place),
        Some("input_file") => file(&part, place),
        Some("input_audio") => {
            let audio = part.get_mut("input_audio").map(Value::take).unwrap_or_default();
            Ok(other("input_audio", "input_audio", audio))
        }
        _ => Err(wrong(
            &format!("{place}.type"),
            "input_text、input_image、input_file、input_audio、output_text、refusal のどれか",
            "input_text, input_image, input_file, input_audio, output_text or refusal",
        )),
    }
}

fn other(kind: &str, field: &str, value: Value) -> Part {
    let rest = Map::from_iter([(field.to_owned(), value)]);
    Part { kind: kind.to_owned(), text: None, rest }
}

/// An image with its bytes or its address; files that were sent before aren't kept here.
fn image(part: &Value, place: &str) -> Result<Part, Problem> {
    let Some(url) = part.get("image_url").filter(|url| url.is_string()) else {
        let field = format!("{place}.image_url");
        let english = "the image's URL or data URL";
        return Err(wrong(&field, "画像の URL か data URL", english));
    };
    let mut image = Map::from_iter([("url".to_owned(), url.clone())]);
    if let Some(detail) = part.get("detail").filter(|detail| detail.is_string()) {
        image.insert("detail".to_owned(), detail.clone());
    }
    Ok(other("image_url", "image_url", Value::Object(image)))
}

fn file(part: &Value, place: &str) -> Result<Part, Problem> {
    let file = super::tools::picked(part, &["filename", "file_data"]);
    if !file.contains_key("file_data") {
        let field = format!("{place}.file_data");
        return Err(wrong(&field, "ファイルの data URL", "the file's data URL"));
    }
    Ok(other("file", "file", Value::Object(file)))
}
