//! What stands beside messages for Anthropic's models, in words that all others know: the thoughts
//! between calls, and that a tool has failed.

use schemas::anthropic::THINKING_BLOCKS;
use schemas::catalogue::Vendor;
use schemas::openai::{Content, Message, Part, Role};
use serde_json::{Map, Value};

/// Where servers of OpenAI's protocol that keep thoughts have them.
const REASONING: &str = "reasoning_content";

/// Whether a tool has failed.
const IS_ERROR: &str = "is_error";

/// What is said then.
const ERROR: &str = "Error";

/// Says it in the words of a vendor that isn't Anthropic.
pub(super) fn say(vendor: Vendor, messages: &mut [Message]) {
    for message in messages {
        say_thoughts(message);
        // Gemini's own form has a word for it.
        if vendor != Vendor::Gemini {
            say_error(message);
        }
    }
}

/// The readable thoughts; workers whose servers refuse them leave them out.
fn say_thoughts(message: &mut Message) {
    let thoughts = message.rest.get(THINKING_BLOCKS).and_then(Value::as_array);
    let texts = thoughts.into_iter().flatten().filter_map(|thought| thought["thinking"].as_str());
    let said: String = texts.collect();
    if !said.is_empty() {
        message.rest.entry(REASONING).or_insert_with(|| said.into());
    }
}

/// Before what the tool says, unless that begins with it.
fn say_error(message: &mut Message) {
    if message.role != Role::Tool || message.rest.get(IS_ERROR) != Some(&Value::Bool(true)) {
        return;
    }
    let said = message.content.get_or_insert_with(|| Content::Text(String::new()));
    match said.texts_mut().into_iter().next() {
        Some(text) if text.is_empty() => text.push_str(ERROR),
        Some(text) if begins_with_it(text) => {}
        Some(text) => text.insert_str(0, &format!("{ERROR}: ")),
        None => {
            let text = Some(ERROR.to_owned());
            let error = Part { kind: "text".into(), text, rest: Map::new() };
            if let Content::Parts(parts) = said {
                parts.insert(0, error);
            }
        }
    }
}

fn begins_with_it(text: &str) -> bool {
    text.trim_start().get(..ERROR.len()).is_some_and(|start| start.eq_ignore_ascii_case(ERROR))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(vendor: Vendor, message: &Value) -> Value {
        let mut messages: Vec<Message> = serde_json::from_value(json!([message])).unwrap();
        say(vendor, &mut messages);
        serde_json::to_value(&messages[0]).unwrap()
    }

    #[test]
    fn readable_thoughts_are_said_unless_they_are_already() {
        let thought = |text: &str| json!({"type": "thinking", "thinking": text, "signature": "s"});
        let secret = json!({"type": "redacted_thinking", "data": "d"});
        let blocks = json!([thought("一"), secret, thought("二")]);
        let mut message = json!({"role": "assistant", "content": "x", "thinking_blocks": blocks});
        assert_eq!(said(Vendor::Compatible, &message)[REASONING], "一二");
        message[REASONING] = "三".into();
        assert_eq!(said(Vendor::Compatible, &message)[REASONING], "三");
        let hidden = json!({"role": "assistant", "content": "x", "thinking_blocks": [secret]});
        assert_eq!(said(Vendor::Compatible, &hidden), hidden);
    }

    #[test]
    fn a_tool_that_failed_says_so() {
        let result = |content: Value, is_error: bool| {
            let mut result = json!({"role": "tool", "content": content, "tool_call_id": "c"});
            result[IS_ERROR] = is_error.into();
            result
        };
        let text = |text: &str| json!({"type": "text", "text": text});
        let image = json!({"type": "image_url", "image_url": {"url": "https://h/i.png"}});
        for (content, expected) in [
            (json!("exit 1"), json!("Error: exit 1")),
            (json!(""), json!("Error")),
            (json!("\nerror: no"), json!("\nerror: no")),
            (json!("失敗"), json!("Error: 失敗")),
            (json!([image, text("a"), text("b")]), json!([image, text("Error: a"), text("b")])),
            (json!([image]), json!([text("Error"), image])),
        ] {
            let failed = result(content.clone(), true);
            assert_eq!(said(Vendor::Openai, &failed)["content"], expected);
            assert_eq!(said(Vendor::Gemini, &failed), failed);
            let well = result(content, false);
            assert_eq!(said(Vendor::Openai, &well), well);
        }
    }
}
