//! Thoughts on their way out and back again: as text, which servers that keep thoughts want back,
//! and sealed in `encrypted_content`, which clients return unread. The seal hides nothing: the text
//! stands beside it, and a vendor's signature is opaque by itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use schemas::anthropic::THINKING_BLOCKS;
use schemas::openai::DeltaMessage;
use serde_json::{Value, json};

/// What a response includes only if it was asked for, where no signature needs it.
pub(super) const ENCRYPTED_CONTENT: &str = "reasoning.encrypted_content";

/// A thought that nobody can read, but its vendor.
const REDACTED: &str = "redacted_thinking";

/// What is kept of a thought beside its text.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    /// Its number among the thoughts of the answer, where it is known.
    number: Option<u64>,
    signature: String,
    /// All of a thought that can't be read.
    data: Option<String>,
}

/// A whole thought, or a piece of one: what is kept of it, and its text.
pub(super) type Told = (Option<Kept>, String);

/// The thoughts that a piece of an answer tells of. Where there are several, each has its own text;
/// else the readable one is true, because personal data is restored in it.
pub(super) fn told(delta: &DeltaMessage) -> Vec<Told> {
    let kept = delta.rest.get(THINKING_BLOCKS).and_then(Value::as_array);
    let kept = kept.map(Vec::as_slice).unwrap_or_default();
    let readable = || delta.reasoning_content.clone().unwrap_or_default();
    if kept.is_empty() {
        return vec![(None, readable())];
    }
    let is_whole = kept.len() > 1;
    let thoughts = (0..).zip(kept).map(|(place, block)| {
        let text = |name| block.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_redacted = text("type") == REDACTED;
        let number = block.get("index").and_then(Value::as_u64).unwrap_or(place);
        let kept = Kept {
            number: Some(number),
            signature: text("signature"),
            data: is_redacted.then(|| text("data")),
        };
        (Some(kept), if is_whole { text("thinking") } else { readable() })
    });
    thoughts.collect()
}

impl Kept {
    /// Whether a piece belongs to the same thought.
    pub(super) fn takes(&self, piece: &Self) -> bool {
        let is_same = self.number.is_none() || self.number == piece.number;
        is_same && self.data.is_none() && piece.data.is_none()
    }

    /// Adds a piece.
    pub(super) fn add(&mut self, piece: &Self) {
        self.number = self.number.or(piece.number);
        self.signature.push_str(&piece.signature);
    }

    /// All of it, for a client to bring back; `None` where its text is all of it.
    pub(super) fn sealed(&self, text: &str, is_asked: bool) -> Option<String> {
        let block = match &self.data {
            Some(data) => json!({"type": REDACTED, "data": data}),
            None if self.signature.is_empty() && !is_asked => return None,
            None => json!({"type": "thinking", "thinking": text, "signature": self.signature}),
        };
        Some(STANDARD_NO_PAD.encode(block.to_string()))
    }
}

/// A thought that came back.
#[derive(Debug, PartialEq)]
pub(super) struct Thought {
    /// What can be read of it.
    pub(super) text: String,
    /// What its vendor wants back, if it was signed.
    pub(super) block: Option<Value>,
}

/// Reads a reasoning item. What was sealed elsewhere is worth nothing here.
pub(super) fn read(item: &Value) -> Thought {
    let sealed = item.get("encrypted_content").and_then(Value::as_str).and_then(opened);
    let field = |name| sealed.as_ref().and_then(|block| block.get(name)).and_then(Value::as_str);
    let texts = |list: &str| -> String {
        let parts = item.get(list).and_then(Value::as_array).into_iter().flatten();
        parts.filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
    };
    // The sealed text is the one that was signed.
    let text = field("thinking").map(ToOwned::to_owned).unwrap_or_else(|| texts("content"));
    let is_signed = match field("type") {
        Some(REDACTED) => field("data").is_some(),
        Some("thinking") => field("signature").is_some_and(|signature| !signature.is_empty()),
        _ => false,
    };
    Thought { text, block: sealed.filter(|_| is_signed) }
}

fn opened(sealed: &str) -> Option<Value> {
    let block = STANDARD_NO_PAD.decode(sealed).ok()?;
    serde_json::from_slice(&block).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thought_comes_back_as_it_went() {
        let thinking = json!({"type": "thinking", "thinking": "想", "signature": "s1"});
        let redacted = json!({"type": REDACTED, "data": "d"});
        let rest = json!({"thinking_blocks": [thinking, redacted], "reasoning_content": "…"});
        let delta: DeltaMessage = serde_json::from_value(rest).unwrap();
        for ((kept, text), block) in told(&delta).into_iter().zip([thinking, redacted]) {
            let sealed = kept.unwrap().sealed(&text, false);
            let item = json!({"type": "reasoning", "encrypted_content": sealed});
            assert_eq!(read(&item), Thought { text, block: Some(block) });
        }
    }

    #[test]
    fn without_a_signature_the_text_is_all() {
        let kept = Kept::default();
        assert_eq!(kept.sealed("想", false), None);
        let sealed = kept.sealed("想", true);
        for item in [
            json!({"encrypted_content": sealed, "summary": []}),
            json!({"content": [{"type": "reasoning_text", "text": "想"}]}),
            json!({"content": [{"type": "reasoning_text", "text": "想"}],
                "encrypted_content": "gAAAAAB-of-another-vendor"}),
        ] {
            assert_eq!(read(&item), Thought { text: "想".to_owned(), block: None }, "{item}");
        }
        let odd = json!({"encrypted_content": STANDARD_NO_PAD.encode("[1]"), "content": 5});
        assert_eq!(read(&odd), Thought { text: String::new(), block: None });
    }
}
