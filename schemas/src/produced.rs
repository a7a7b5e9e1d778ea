//! What came through of an answer, when nobody counted it: whether there is anything to be paid,
//! and an estimate of its tokens. A worker and a gateway estimate alike, however a vendor cuts its
//! stream.

use crate::openai::{AnswerChoice, ChunkChoice};
use crate::usage::TokenEstimate;
use serde_json::Value;

/// What came through so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Produced {
    is_something: bool,
    tokens: TokenEstimate,
}

impl Produced {
    /// Counts pieces of a stream.
    pub fn count_pieces(&mut self, choices: &[ChunkChoice]) {
        for choice in choices {
            let delta = &choice.delta;
            for text in [&delta.content, &delta.refusal, &delta.reasoning_content] {
                self.count(text.as_deref().unwrap_or_default());
            }
            self.count_calls(delta.tool_calls.as_deref().unwrap_or_default());
        }
    }

    /// Counts a whole answer, which is something also when it is empty.
    pub fn count_whole(&mut self, choices: &[AnswerChoice]) {
        self.is_something = true;
        for choice in choices {
            let message = &choice.message;
            for text in [&message.content, &message.refusal, &message.reasoning_content] {
                self.count(text.as_deref().unwrap_or_default());
            }
            self.count_calls(message.tool_calls.as_deref().unwrap_or_default());
        }
    }

    /// Whether anything came that is to be paid.
    pub fn is_something(&self) -> bool {
        self.is_something
    }

    /// About so many tokens.
    pub fn tokens_estimate(&self) -> u64 {
        self.tokens.tokens()
    }

    fn count(&mut self, text: &str) {
        self.is_something |= !text.is_empty();
        self.tokens.add(text);
    }

    fn count_calls(&mut self, calls: &[Value]) {
        for call in calls {
            self.is_something = true;
            self.count(call["function"]["arguments"].as_str().unwrap_or_default());
        }
    }
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

    #[test]
    fn a_call_is_something_and_an_empty_piece_is_nothing() {
        assert!(!pieces(&[""]).is_something());
        let choices = json!([{"index": 0, "delta": {
            "tool_calls": [{"index": 0, "function": {"name": "look", "arguments": ""}}],
        }}]);
        let choices: Vec<ChunkChoice> = serde_json::from_value(choices).unwrap();
        let mut produced = Produced::default();
        produced.count_pieces(&choices);
        assert!(produced.is_something() && produced.tokens_estimate() == 0);
    }
}
