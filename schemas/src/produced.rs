//! What came through of an answer, when nobody counted it: whether there is anything to be paid,
//! and an estimate of its tokens. A worker and a gateway estimate alike, however a vendor cuts its
//! stream. Whatever was given on is something, in whichever field it stood.

use crate::anthropic::THINKING_BLOCKS;
use crate::openai::{AnswerChoice, ChunkChoice, EMBEDDING};
use crate::usage::TokenEstimate;
use serde_json::{Map, Value};

/// Where a vendor tells its thoughts once more, beside the text that we count.
const THOUGHTS_AGAIN: [&str; 2] = [THINKING_BLOCKS, "reasoning_details"];

/// What names a thing and says nothing.
const NAMES: [&str; 7] = ["id", "call_id", "type", "index", "role", "name", "format"];

/// What stands for sounds, pictures and sealed thoughts: how much it counts, only its vendor knows.
const SEALED: [&str; 5] = ["data", "b64_json", "file_data", "signature", "encrypted_content"];

/// What came through so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Produced {
    is_something: bool,
    is_beyond_text: bool,
    tokens: TokenEstimate,
}

impl Produced {
    /// Counts pieces of a stream: each of them is something, because it was given on. Only vectors
    /// are nothing before they are all there: nobody is told one alone.
    pub fn count_pieces(&mut self, choices: &[ChunkChoice]) {
        for choice in choices {
            let delta = &choice.delta;
            self.is_something |= !delta.rest.contains_key(EMBEDDING);
            let texts = [&delta.content, &delta.refusal, &delta.reasoning_content];
            self.count(texts, delta.tool_calls.as_deref(), &delta.rest);
        }
    }

    /// Counts a whole answer, which is something also when it is empty.
    pub fn count_whole(&mut self, choices: &[AnswerChoice]) {
        self.is_something = true;
        for choice in choices {
            let message = &choice.message;
            let texts = [&message.content, &message.refusal, &message.reasoning_content];
            self.count(texts, message.tool_calls.as_deref(), &message.rest);
        }
    }

    /// Whether anything came that is to be paid.
    pub fn is_something(&self) -> bool {
        self.is_something
    }

    /// Whether something came that nobody but its vendor can count.
    pub fn is_beyond_text(&self) -> bool {
        self.is_beyond_text
    }

    /// About so many tokens.
    pub fn tokens_estimate(&self) -> u64 {
        self.tokens.tokens()
    }

    fn count(
        &mut self,
        texts: [&Option<String>; 3],
        calls: Option<&[Value]>,
        rest: &Map<String, Value>,
    ) {
        texts.into_iter().flatten().for_each(|text| self.tokens.add(text));
        calls.unwrap_or_default().iter().for_each(|call| self.count_value("", call));
        let is_thought = texts[2].is_some();
        for (name, value) in rest {
            let is_counted = is_thought && THOUGHTS_AGAIN.contains(&name.as_str());
            if !is_counted && name != EMBEDDING {
                self.count_value(name, value);
            }
        }
    }

    /// Counts the texts of a value, however deep they lie.
    fn count_value(&mut self, name: &str, value: &Value) {
        match value {
            Value::String(text) if is_sealed(name, text) => {
                self.is_beyond_text |= !text.is_empty();
            }
            Value::String(text) if !NAMES.contains(&name) => self.tokens.add(text),
            Value::Array(values) => values.iter().for_each(|value| self.count_value(name, value)),
            Value::Object(fields) => {
                fields.iter().for_each(|(name, value)| self.count_value(name, value));
            }
            _ => {}
        }
    }
}

fn is_sealed(name: &str, text: &str) -> bool {
    SEALED.contains(&name) || (name == "url" && text.starts_with("data:"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pieces(texts: &[&str]) -> Produced {
        let mut produced = Produced::default();
        for text in texts {
            let choices = json!([{"index": 0, "delta": {"content": text}}]);
            let choices: Vec<ChunkChoice> = serde_json::from_value(choices).unwrap();
            produced.count_pieces(&choices);
        }
        produced
    }

    #[test]
    fn a_text_has_as_many_tokens_however_it_is_cut() {
        let whole = "The quick brown fox jumps over the lazy dog. 日本語";
        let letters: Vec<String> = whole.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        let words: Vec<&str> = whole.split_inclusive(' ').collect();
        assert_eq!(pieces(&[whole]).tokens_estimate(), 45_u64.div_ceil(4) + 3);
        assert_eq!(pieces(&letters), pieces(&[whole]));
        assert_eq!(pieces(&words), pieces(&[whole]));
    }

    fn of_delta(delta: &Value) -> Produced {
        let choices = json!([{"index": 0, "delta": delta}]);
        let choices: Vec<ChunkChoice> = serde_json::from_value(choices).unwrap();
        let mut produced = Produced::default();
        produced.count_pieces(&choices);
        produced
    }

    #[test]
    fn whatever_was_given_on_is_something_and_its_texts_count() {
        let call = |call: Value| json!({"tool_calls": [call]});
        let text = "sixteen letters.";
        for (delta, tokens, is_beyond_text) in [
            (json!({}), 0, false),
            (json!({"content": ""}), 0, false),
            (json!({"content": text}), 4, false),
            (json!({"function_call": {"name": "look", "arguments": text}}), 4, false),
            (call(json!({"index": 0, "function": {"name": "look", "arguments": ""}})), 0, false),
            (call(json!({"index": 0, "function": {"arguments": text}})), 4, false),
            (call(json!({"id": "call_1", "type": "custom", "custom": {"input": text}})), 4, false),
            (json!({"audio": {"id": "audio_1", "transcript": text, "data": "AAAA"}}), 4, true),
            (json!({"images": [{"image_url": {"url": "data:image/png;base64,AA"}}]}), 0, true),
            (json!({"unknown": [{"deep": {"er": text}}]}), 4, false),
            (json!({"reasoning_content": text, "thinking_blocks": [{"thinking": text}]}), 4, false),
            (json!({"thinking_blocks": [{"type": "thinking", "signature": "AA"}]}), 0, true),
        ] {
            let produced = of_delta(&delta);
            assert!(produced.is_something(), "{delta}");
            let seen = (produced.tokens_estimate(), produced.is_beyond_text());
            assert_eq!(seen, (tokens, is_beyond_text), "{delta}");
        }
    }

    #[test]
    fn a_vector_alone_is_nothing_and_no_text() {
        let produced = of_delta(&json!({"embedding": "AAAA"}));
        assert_eq!(produced, Produced::default());
    }
}
