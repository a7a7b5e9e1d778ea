//! The conversation as canonical messages. Calls that stand together are one assistant's message,
//! because their results must follow it directly; thoughts stand beside what they led to, for those
//! who want them back.

use super::item::EXTRA;
use super::thoughts::{self, Thought};
use super::tools;
use crate::problems::wrong;
use schemas::anthropic::{Group, THINKING_BLOCKS, keep_order};
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
        "custom_tool_call" => "ctc",
        "custom_tool_call_output" => "ctco",
        "reasoning" => "rs",
        _ => "item",
    };
    (kind.to_owned(), prefix)
}

/// All messages, the instructions first, then what was said before this request.
pub(super) fn messages(
    instructions: Option<String>,
    before: &[Value],
    input: Option<Value>,
) -> Result<Vec<Message>, Problem> {
    let mut conversation = Conversation::default();
    if let Some(instructions) = instructions.filter(|text| !text.is_empty()) {
        conversation.push(Message::text(Role::System, instructions));
    }
    for (number, item) in before.iter().enumerate() {
        conversation.add(item.clone(), &format!("previous_response_id[{number}]"))?;
    }
    match input {
        // The conversation goes on by itself.
        None if !before.is_empty() => {}
        Some(Value::String(text)) if !text.is_empty() => {
            conversation.push(Message::text(Role::User, text));
        }
        Some(Value::Array(items)) if !items.is_empty() => {
            for (number, item) in items.into_iter().enumerate() {
                conversation.add(item, &format!("input[{number}]"))?;
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
    Ok(conversation.messages)
}

/// The messages while they grow.
#[derive(Default)]
struct Conversation {
    messages: Vec<Message>,
    /// What was thought, until it is known what that led to. What led to nothing is left out: no
    /// message may end with it.
    thoughts: Vec<Thought>,
    /// In which order the last message's parts came.
    order: Vec<Group>,
}

impl Conversation {
    /// A new message.
    fn push(&mut self, message: Message) {
        self.order.clear();
        if message.role != Role::Assistant {
            self.thoughts.clear();
        }
        self.messages.push(message);
    }

    fn add(&mut self, mut item: Value, place: &str) -> Result<(), Problem> {
        let kind = item.get("type").and_then(Value::as_str).map(ToOwned::to_owned);
        match kind.as_deref() {
            None | Some("message") => self.say(item, place)?,
            Some("function_call" | "custom_tool_call") => {
                let call = call(&item, place)?;
                self.call(call);
            }
            Some("function_call_output" | "custom_tool_call_output") => {
                let call = text(&item, "call_id", place)?;
                let output = item.get_mut("output").map(Value::take).unwrap_or_default();
                let content = content(output, &format!("{place}.output"))?;
                let mut result = Message::text(Role::Tool, "");
                result.content = Some(content);
                result.tool_call_id = Some(call);
                self.push(result);
            }
            Some("item_reference") => {
                let english = "the id of an item that is kept";
                return Err(wrong(&format!("{place}.id"), "保存されている項目の id", english));
            }
            Some("reasoning") => self.thoughts.push(thoughts::read(&item)),
            Some(_) => return Err(unknown(place)),
        }
        Ok(())
    }

    fn say(&mut self, mut item: Value, place: &str) -> Result<(), Problem> {
        let role = role(&item, place)?;
        let said = item.get_mut("content").map(Value::take).unwrap_or_default();
        let content = content(said, &format!("{place}.content"))?;
        let parts = match &content {
            Content::Text(_) => 1,
            Content::Parts(parts) => parts.len(),
        };
        // What is said after calls belongs to them: their results must follow directly.
        let goes_on = self.messages.last().is_some_and(|last| {
            role == Role::Assistant
                && last.role == role
                && last.tool_calls.is_some()
                && last.content.is_none()
        });
        if !goes_on {
            self.push(Message::text(role, ""));
        }
        if role == Role::Assistant {
            self.think();
        }
        let said = std::iter::repeat_n(Group::Text, parts);
        self.grow(said, |message| message.content = Some(content));
        Ok(())
    }

    fn call(&mut self, call: Value) {
        if self.messages.last().is_none_or(|last| last.role != Role::Assistant) {
            let message = Message { content: None, ..Message::text(Role::Assistant, "") };
            self.push(message);
        }
        self.think();
        self.grow([Group::ToolUse], |last| last.tool_calls.get_or_insert_default().push(call));
    }

    /// Puts what was thought beside what it led to: as text, and as its vendor signed it.
    fn think(&mut self) {
        for Thought { text, block } in std::mem::take(&mut self.thoughts) {
            let group = block.as_ref().map(|_| Group::Thinking);
            self.grow(group, |message| {
                if !text.is_empty() {
                    append(&mut message.rest, &text);
                }
                if let Some(block) = block {
                    let blocks = message.rest.entry(THINKING_BLOCKS).or_insert_with(|| json!([]));
                    blocks.as_array_mut().into_iter().for_each(|blocks| blocks.push(block.clone()));
                }
            });
        }
    }

    /// Adds to the last message, and keeps the order where a vendor must see it again.
    fn grow(&mut self, groups: impl IntoIterator<Item = Group>, add: impl FnOnce(&mut Message)) {
        let Some(last) = self.messages.last_mut() else { return };
        add(last);
        self.order.extend(groups);
        if last.rest.contains_key(THINKING_BLOCKS) {
            keep_order(&self.order, &mut last.rest);
        }
    }
}

/// Adds to the thoughts that can be read.
fn append(rest: &mut Map<String, Value>, text: &str) {
    let before = rest.get("reasoning_content").and_then(Value::as_str).unwrap_or_default();
    let all = [before, text].concat();
    rest.insert("reasoning_content".to_owned(), all.into());
}

fn unknown(place: &str) -> Problem {
    wrong(
        &format!("{place}.type"),
        "message、function_call、function_call_output、custom_tool_call、\
         custom_tool_call_output、reasoning、item_reference のどれか",
        "message, function_call, function_call_output, custom_tool_call, \
         custom_tool_call_output, reasoning or item_reference",
    )
}

/// A field that must be a text with something in it.
fn text(item: &Value, name: &str, place: &str) -> Result<String, Problem> {
    match item.get(name).and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(wrong(&format!("{place}.{name}"), "空ではない文字列", "a text that isn't empty")),
    }
}

fn role(item: &Value, place: &str) -> Result<Role, Problem> {
    match item.get("role").and_then(Value::as_str) {
        Some("user") => Ok(Role::User),
        Some("assistant") => Ok(Role::Assistant),
        Some("system") => Ok(Role::System),
        Some("developer") => Ok(Role::Developer),
        _ => Err(wrong(
            &format!("{place}.role"),
            "user、assistant、system、developer のどれか",
            "user, assistant, system or developer",
        )),
    }
}

fn call(item: &Value, place: &str) -> Result<Value, Problem> {
    let (id, name) = (text(item, "call_id", place)?, text(item, "name", place)?);
    let name = tools::in_group(item, &name);
    let field = |name: &str| item.get(name).and_then(Value::as_str);
    let mut call = if field("type") == Some("custom_tool_call") {
        let Some(input) = field("input") else {
            return Err(wrong(&format!("{place}.input"), "文字列", "a text"));
        };
        json!({"id": id, "type": "custom", "custom": {"name": name, "input": input}})
    } else {
        let Some(arguments) = field("arguments") else {
            let field = format!("{place}.arguments");
            return Err(wrong(&field, "JSON を書いた文字列", "a text that spells JSON"));
        };
        let function = json!({"name": name, "arguments": arguments});
        json!({"id": id, "type": "function", "function": function})
    };
    if let Some(extra) = item.get(EXTRA).filter(|extra| !extra.is_null()) {
        call[EXTRA] = extra.clone();
    }
    Ok(call)
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
