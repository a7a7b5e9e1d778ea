//! What can't be looked through: images, sounds, files. It must take what it doesn't know for one
//! of them, so that the policy on them can't be passed by.

use schemas::openai::{ChatRequest, Part};
use serde_json::Value;

/// Parts whose strings are all looked through by the walk.
const TEXT_PARTS: [&str; 5] =
    ["text", "refusal", "thinking", "redacted_thinking", schemas::openai::TOKENS];

/// Whether a request holds more than text.
pub(super) fn is_in(request: &ChatRequest) -> bool {
    let mut contents = request.messages.iter().filter_map(|message| message.content.as_ref());
    contents.any(|content| content.parts().iter().any(is_media))
        || request.messages.iter().any(|message| message.rest.get("audio").is_some_and(is_there))
}

fn is_there(value: &Value) -> bool {
    !value.is_null()
}

fn is_media(part: &Part) -> bool {
    if part.text.as_deref().is_some_and(is_inline) {
        return true;
    }
    let source_kind = || part.rest.get("source")?.get("type")?.as_str();
    match part.kind.as_str() {
        "document" => source_kind() != Some("text"),
        kind => !TEXT_PARTS.contains(&kind),
    }
}

/// Whether a string is a file's bytes and nothing else: `data:KIND;base64,BYTES`. A text that only
/// begins like one is a text.
pub(crate) fn is_inline(string: &str) -> bool {
    let Some((head, bytes)) = string.strip_prefix("data:").and_then(|s| s.split_once(";base64,"))
    else {
        return false;
    };
    let in_head = |byte: u8| byte.is_ascii_alphanumeric() || b"/+-.;=\"".contains(&byte);
    head.bytes().all(in_head) && is_base64(bytes)
}

/// Whether a string is made of nothing but what base64 is written with.
pub(super) fn is_base64(string: &str) -> bool {
    let in_bytes = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=\r\n".contains(&byte);
    string.bytes().all(in_bytes)
}

#[cfg(test)]
mod tests {
    use super::{is_in, is_inline};
    use serde_json::{Value, json};

    fn holds(content: Value) -> bool {
        let request = json!({"model": "m", "messages": [{"role": "user", "content": content}]});
        is_in(&serde_json::from_value(request).unwrap())
    }

    #[test]
    fn only_whole_files_are_inline() {
        assert!(is_inline("data:image/png;base64,iVBORw0KGgo="));
        assert!(is_inline("data:text/plain;charset=utf-8;base64,5bGx55Sw"));
        assert!(!is_inline("data:image/png;base64,iVBORw0K と 090-1234-5678"));
        assert!(!is_inline("data: 山田太郎;base64,AAAA"));
        assert!(!is_inline("an image: data:image/png;base64,AAAA"));
    }

    #[test]
    fn what_is_no_text_is_seen() {
        assert!(!holds(json!("a text")));
        assert!(!holds(json!([{"type": "text", "text": "a text"}])));
        let text_document = json!({"type": "text", "media_type": "text/plain", "data": "a text"});
        assert!(!holds(json!([{"type": "document", "source": text_document}])));
        assert!(holds(json!([{"type": "image_url", "image_url": {"url": "https://x.example/a"}}])));
        assert!(holds(json!([{"type": "input_audio", "input_audio": {"data": "AAAA"}}])));
        assert!(holds(json!([{"type": "file", "file": {"file_id": "file-1"}}])));
        assert!(holds(
            json!([{"type": "document", "source": {"type": "url", "url": "https://x"}}])
        ));
        assert!(holds(json!([{"type": "of_tomorrow", "x": 1}])));
        assert!(holds(json!([{"type": "text", "text": "data:image/png;base64,AAAA"}])));
    }
}
