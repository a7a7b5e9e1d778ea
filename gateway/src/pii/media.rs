//! What can't be looked through: images, sounds, files. It must take what it doesn't know for one
//! of them, so that the policy on them can't be passed by.

use schemas::openai::{ChatRequest, Content, Part, TOKENS};
use serde_json::{Map, Value};

/// Thoughts that their vendor encrypted.
const REDACTED: &str = "redacted_thinking";

/// Parts whose strings are all looked through by the walk.
const TEXT_PARTS: [&str; 5] = ["text", "refusal", "thinking", REDACTED, schemas::openai::TOKENS];

/// Labels of bytes that stand without a `data:` before them: a sound's, and a file's, of which
/// OpenAI's specification asks for no more than base64.
const BARE_LABELS: [&str; 2] = ["data", "file_data"];

/// A shorter string is looked through, whatever it is made of, unless all that stands around it
/// says that it is a file.
const BARE_BYTES_MIN: usize = 64 * 1024;

/// Encoders that break lines break them no earlier (of PEM after 64 characters, of MIME after 76);
/// a column of numbers, one below the other, does.
const BARE_LINE_BYTES_MIN: usize = 60;

/// Whether a request holds more than text.
pub(super) fn is_in(request: &ChatRequest) -> bool {
    let mut contents = request.messages.iter().filter_map(|message| message.content.as_ref());
    contents.any(|content| content.parts().iter().any(is_media))
        || request.messages.iter().any(|message| message.rest.get("audio").is_some_and(is_there))
}

/// How many bytes of what is said in a request nobody looks through: files that stand in it whole,
/// and token numbers.
pub(crate) fn bytes(request: &ChatRequest) -> u64 {
    let file = |text: &str| if is_inline(text) { text.len() as u64 } else { 0 };
    let of_part = |part: &Part| {
        let text = part.text.as_deref().map_or(0, file);
        text + bytes_within(&part.kind, &part.rest)
    };
    let of_content = |content: &Content| match content {
        Content::Text(text) => file(text),
        Content::Parts(parts) => parts.iter().map(of_part).sum(),
    };
    request.messages.iter().filter_map(|message| message.content.as_ref()).map(of_content).sum()
}

fn bytes_of(name: &str, value: &Value) -> u64 {
    match value {
        Value::String(text) if is_inline(text) || is_bare(name, text) => text.len() as u64,
        Value::Number(number) if name == TOKENS => number.to_string().len() as u64 + 1,
        Value::Array(items) => items.iter().map(|item| bytes_of(name, item)).sum(),
        Value::Object(fields) => bytes_within(name, fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn bytes_within(label: &str, fields: &Map<String, Value>) -> u64 {
    let place = place_of_bytes(label, fields);
    let of_field = |(name, value): (&String, &Value)| match value {
        Value::String(text) if place == Some(name.as_str()) && is_encoded(text) => {
            text.len() as u64
        }
        value => bytes_of(name, value),
    };
    fields.iter().map(of_field).sum()
}

/// The field in which a vendor takes bytes in base64 and nothing else, of an object under a label:
/// a sound, a file, a source, and thoughts that only the vendor can read.
pub(super) fn place_of_bytes(label: &str, of: &Map<String, Value>) -> Option<&'static str> {
    let kind = of.get("type").and_then(Value::as_str);
    match (label, kind) {
        ("file", _) => Some("file_data"),
        ("input_audio" | REDACTED, _) | ("source", Some("base64")) | (_, Some(REDACTED)) => {
            Some("data")
        }
        _ => None,
    }
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

/// Whether a long string is a file's bytes in base64 and nothing else, as encoders write them. To
/// look through them would find nothing but chance, and take a hundred times their room.
pub(super) fn is_bare(label: &str, string: &str) -> bool {
    BARE_LABELS.contains(&label) && string.len() > BARE_BYTES_MIN && is_encoded(string)
}

/// Whether a string of any size that stands where bytes do is base64 and nothing else, as encoders
/// write it. What chance would find in it can't be masked: the bytes would be broken.
pub(super) fn is_encoded(string: &str) -> bool {
    if !is_base64(string) {
        return false;
    }
    let has = |is: fn(&u8) -> bool| string.as_bytes().iter().any(is);
    let is_mixed =
        has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit);
    is_mixed && has_even_lines(string.trim_end())
}

/// Whether all lines are as long as the first one, but for the last.
fn has_even_lines(text: &str) -> bool {
    let mut lengths = text.lines().map(str::len);
    let first = lengths.next().unwrap_or_default();
    let mut is_over = false;
    let follows = |length: usize| {
        let fits = !is_over && length <= first;
        is_over = length < first;
        fits
    };
    first >= BARE_LINE_BYTES_MIN && lengths.all(follows)
}

/// Whether a string is made of nothing but what base64 is written with.
fn is_base64(string: &str) -> bool {
    let in_bytes = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=\r\n".contains(&byte);
    string.bytes().all(in_bytes)
}

#[cfg(test)]
mod tests {
    use super::{BARE_BYTES_MIN, bytes, is_bare, is_in, is_inline};
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
    fn bytes_without_a_head_are_known_by_label_length_and_lines() {
        let bytes = "JVBERi0xLjQKJ".repeat(BARE_BYTES_MIN / 13 + 1);
        let lines = |length: usize, end: &str| {
            let lines = bytes.as_bytes().chunks(length);
            lines.map(|line| String::from_utf8_lossy(line) + end).collect::<String>()
        };
        for bare in [bytes.clone(), lines(76, "\r\n"), lines(64, "\n")] {
            assert!(is_bare("file_data", &bare) && is_bare("data", &bare));
            assert!(!is_bare("text", &bare) && !is_bare("", &bare));
        }
        assert!(!is_bare("data", &bytes[..1_000]));
        for text in [
            "09012345678\n".repeat(10_000),
            "taro-yamada_090Z\n".repeat(10_000),
            ["Taro1\n", &lines(76, "\n")].concat(),
            "1234567890".repeat(10_000),
            "Mr. Taro Yamada, 1-2-3".repeat(10_000),
        ] {
            assert!(!is_bare("data", &text), "{}", &text[..30]);
        }
    }

    #[test]
    fn only_what_nobody_looks_through_is_left_out() {
        let of = |content: Value| {
            let request = json!({"model": "m", "messages": [{"role": "user", "content": content}]});
            bytes(&serde_json::from_value(request).unwrap())
        };
        let file = ["data:image/png;base64,", &"A".repeat(100_000)].concat();
        let text = [&file, " と 090-1234-5678"].concat();
        let part = |of: &str| json!([{"type": "image_url", "image_url": {"url": of}}]);
        assert_eq!((of(json!(file)), of(part(&file))), (100_022, 100_022));
        assert_eq!(of(json!([{"type": "text", "text": file}])), 100_022);
        assert_eq!((of(json!(text)), of(part(&text))), (0, 0));
        let sound = |data: &str| json!([{"type": "input_audio", "input_audio": {"data": data}}]);
        assert_eq!(of(sound("A")), 0);
        assert_eq!(of(sound(&"UklGRi4A".repeat(50))), 400);
        assert_eq!(of(json!([{"type": "tokens", "tokens": [1, 23, 456]}])), 9);
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
