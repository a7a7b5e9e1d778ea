//! What a request consumed. The buckets are disjoint: their sum is what the vendor counted. Absent
//! is not zero: `None` says that the vendor told nothing about that bucket.

use serde::{Deserialize, Serialize};

/// Tokens by bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Input that no cache served.
    pub input: u64,
    /// Input read from the vendor's prompt cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<u64>,
    /// Input written to the vendor's prompt cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
    /// Input written to a cache that keeps it for an hour, which costs more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_hour: Option<u64>,
    /// Output that the client sees, or that carries tool calls.
    pub output: u64,
    /// Output spent on reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u64>,
}

impl Usage {
    /// All input tokens, as OpenAI's `prompt_tokens` counts them.
    pub fn prompt_tokens(&self) -> u64 {
        self.input + self.cache_read.unwrap_or(0) + self.cache_writes().unwrap_or(0)
    }

    /// All input written to the vendor's prompt cache, for however long.
    pub fn cache_writes(&self) -> Option<u64> {
        match (self.cache_write, self.cache_write_hour) {
            (None, None) => None,
            (short, long) => Some(short.unwrap_or(0).saturating_add(long.unwrap_or(0))),
        }
    }

    /// All output tokens, as OpenAI's `completion_tokens` counts them.
    pub fn completion_tokens(&self) -> u64 {
        self.output + self.reasoning.unwrap_or(0)
    }
}

/// Where the numbers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenSource {
    /// The vendor's own usage, complete.
    Vendor,
    /// Counted here with the model's real tokenizer.
    Counted,
    /// Our estimate, because the stream was cut before any count arrived.
    Estimated,
}

/// Bytes whose wide characters are counted together: one byte counts as many.
const COUNTED_TOGETHER: usize = u8::MAX as usize;

/// Estimated tokens of a text that comes in pieces and whose tokenizer is not at hand: about four
/// characters a token for Latin scripts, one for Japanese, Chinese and Korean. Only the sum is
/// rounded, so that it is the same however the text is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenEstimate {
    wide: u64,
    narrow: u64,
}

impl TokenEstimate {
    /// Counts a piece.
    pub fn add(&mut self, text: &str) {
        let wide = wide_characters(text);
        self.wide += wide;
        self.narrow += text.chars().count() as u64 - wide;
    }

    /// About so many tokens.
    pub fn tokens(self) -> u64 {
        self.wide + self.narrow.div_ceil(4)
    }
}

/// The same of a text that is there as a whole. For what nobody counts only; a hold uses
/// [`token_upper_bound`].
pub fn token_estimate(text: &str) -> u64 {
    let mut estimate = TokenEstimate::default();
    estimate.add(text);
    estimate.tokens()
}

fn wide_characters(text: &str) -> u64 {
    // From U+2E80 on characters are wide: in UTF-8 they begin with E2 BA, or with more than E2. So
    // many bytes at a time as a byte can count, which the processor does for many at once.
    let bytes = text.as_bytes();
    let next = bytes.get(1..).unwrap_or_default();
    let is_wide = |first: u8, second: u8| (first > 0xE2) | ((first == 0xE2) & (second >= 0xBA));
    let pairs = bytes.chunks(COUNTED_TOGETHER).zip(next.chunks(COUNTED_TOGETHER));
    let wide = pairs.map(|(first, second)| {
        let pairs = first.iter().zip(second);
        u64::from(pairs.map(|(first, second)| u8::from(is_wide(*first, *second))).sum::<u8>())
    });
    wide.sum()
}

/// An upper bound of the tokens of a text under any byte-level or byte-fallback tokenizer: a token
/// is at least one byte long.
pub fn token_upper_bound(text: &str) -> u64 {
    text.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_stay_under_the_bound() {
        for text in ["", "hello world", "日本の首都は東京です。", "🙂", "a"] {
            assert!(token_estimate(text) <= token_upper_bound(text), "{text}");
        }
        assert_eq!(token_estimate("日本"), 2);
        // The last narrow one and the first wide one, those with the same first byte, and the last.
        for (text, tokens) in [
            ("\u{2E7F}", 1),
            ("\u{2E80}", 1),
            ("\u{2E7F}".repeat(5).as_str(), 2),
            ("\u{2E80}\u{2FFF}\u{3000}\u{10FFFF}é—", 5),
        ] {
            assert_eq!(token_estimate(text), tokens, "{text}");
        }
    }
}
