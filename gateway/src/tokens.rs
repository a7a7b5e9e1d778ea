//! Tokens as a model's own tokenizer counts them. That takes time and memory, so it is asked only
//! when a bound that costs nothing would refuse a request: see `hold`. It must never count less
//! than what the model will see.

use crate::credits;
use schemas::catalogue::Tokenizer;
use schemas::openai::{ChatRequest, Content};
use tiktoken_rs::CoreBPE;
use tokio::sync::Semaphore;

/// Texts of a request that are counted, in bytes: longer ones stay with the bound.
const COUNTED_BYTES_MAX: usize = 262_144;

/// Requests whose texts are counted at once: what is refused must not keep the cores busy.
static COUNTING: Semaphore = Semaphore::const_new(1);

/// An upper bound of the prompt's tokens on models of a tokenizer: texts as they are counted, all
/// else of the request by its bytes. None when there is too much to count.
pub(crate) async fn prompt_tokens_max(chat: &ChatRequest, tokenizer: Tokenizer) -> Option<u64> {
    let bytes: usize = texts(chat).map(str::len).sum();
    let bound = credits::prompt_tokens_max(chat);
    if bytes > COUNTED_BYTES_MAX || bound == u64::MAX {
        return None;
    }
    let _turn = COUNTING.acquire().await.ok()?;
    let spared = || texts(chat).map(|text| spared(text, tokenizer)).sum();
    let spared: u64 = infra::runtime::long_work(spared);
    Some(bound.saturating_sub(spared))
}

/// What is said. A text beside a picture or a file is none: it counts with that.
fn texts(chat: &ChatRequest) -> impl Iterator<Item = &str> {
    let contents = chat.messages.iter().filter_map(|message| message.content.as_ref());
    contents.flat_map(|content| {
        let whole = if let Content::Text(text) = content { Some(text.as_str()) } else { None };
        let parts = content.parts().iter().filter(|part| part.kind == "text");
        whole.into_iter().chain(parts.filter_map(|part| part.text.as_deref()))
    })
}

/// By how much a text has fewer tokens than bytes.
fn spared(text: &str, tokenizer: Tokenizer) -> u64 {
    schemas::usage::token_upper_bound(text).saturating_sub(count(text, tokenizer))
}

/// A text's tokens; what looks like a control token in it is text, as at the vendor.
pub(crate) fn count(text: &str, tokenizer: Tokenizer) -> u64 {
    core_of(tokenizer).encode_ordinary(text).len() as u64
}

/// Loaded when it is first used.
fn core_of(tokenizer: Tokenizer) -> &'static CoreBPE {
    match tokenizer {
        Tokenizer::O200kBase => tiktoken_rs::o200k_base_singleton(),
        Tokenizer::Cl100kBase => tiktoken_rs::cl100k_base_singleton(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::usage::token_upper_bound;
    use serde_json::json;

    const BOTH: [Tokenizer; 2] = [Tokenizer::O200kBase, Tokenizer::Cl100kBase];

    /// What texts are made of, kind by kind: the rarer a letter, the more tokens it takes.
    const KINDS: [&[&str]; 7] = [
        &["楽天市場で", "おすすめの", "商品を教えて。", "東京", "ありがとう", "１２３", "ー", "〜"],
        &["ｶﾞ", "ﾊﾟ", "ｱｲｳ", "ﾟ", "ﾞ", "ｯ", "｡", "｢"],
        &["𠮷", "𩸽", "髙", "﨑", "鷗", "𡈽", "龘", "齉", "\u{2000b}", "か\u{3099}", "㍻", "㌔"],
        &["🙂", "👩‍👩‍👧", "🇯🇵", "🏳️‍🌈", "\u{fe0f}", "1️⃣", "\u{200d}", "🫠"],
        &[
            "fn main() {\n",
            "\t\treturn x;",
            "=> ",
            "0x1F",
            "_a",
            "\"",
            "\\n",
            "<|endoftext|>",
            "}\n",
        ],
        &["the ", "naïve", "ß", "Ω", "ก็", "ا", "ש", "क्षि", "ﷺ", "e\u{301}"],
        &["\0", "\u{7f}", "\u{fffd}", "\u{10ffff}", "\u{e000}", "\r\n", "\u{feff}", "    ", "\n\n"],
    ];

    /// The same texts every time.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
            usize::try_from(self.0 >> 33).unwrap() % sides
        }

        fn text(&mut self, kind: usize) -> String {
            let pieces = 1 + self.roll(60);
            let mut piece = |_| {
                // One in eight is of another kind.
                let kind = if self.roll(8) == 0 { self.roll(KINDS.len()) } else { kind };
                KINDS[kind][self.roll(KINDS[kind].len())]
            };
            (0..pieces).map(&mut piece).collect()
        }
    }

    #[test]
    fn no_text_has_more_tokens_than_the_bound() {
        let mut dice = Dice(20_261_126);
        let mut nearest = [0; KINDS.len()];
        for kind in (0..KINDS.len()).cycle().take(KINDS.len() * 150) {
            let text = dice.text(kind);
            for tokenizer in BOTH {
                let (tokens, bound) = (count(&text, tokenizer), token_upper_bound(&text));
                assert!(tokens <= bound, "{tokenizer:?}: {tokens} of {bound}: {text:?}");
                nearest[kind] = nearest[kind].max(tokens * 1_000 / bound);
            }
        }
        // Some letters take a token for nearly each of their bytes: a smaller bound would be under
        // the truth for Japanese.
        assert!(nearest[2] > 700, "{nearest:?}");
    }

    #[test]
    fn it_counts_as_the_vendor_does() {
        // As OpenAI's own tokenizer has them.
        for (text, o200k, cl100k) in [("hello world", 2, 2), ("", 0, 0), ("<|endoftext|>", 7, 7)] {
            assert_eq!(count(text, Tokenizer::O200kBase), o200k, "{text:?}");
            assert_eq!(count(text, Tokenizer::Cl100kBase), cl100k, "{text:?}");
        }
        let japanese = "楽天市場でおすすめの商品を教えてください。";
        assert_eq!(BOTH.map(|it| count(japanese, it)), [10, 19]);
    }

    #[tokio::test]
    async fn a_prompt_is_bounded_by_what_is_counted_and_by_bytes_where_nothing_is() {
        let chat = |body| -> ChatRequest { serde_json::from_value(body).unwrap() };
        let text = "楽天市場でおすすめの商品を教えてください。".repeat(50);
        let said = chat(json!({"model": "m", "messages": [{"role": "user", "content": text}]}));
        let bound = credits::prompt_tokens_max(&said);
        for tokenizer in BOTH {
            let counted = prompt_tokens_max(&said, tokenizer).await.unwrap();
            let real = count(&text, tokenizer);
            assert_eq!(bound - counted, text.len() as u64 - real, "{tokenizer:?}");
            assert!(counted > real && counted < bound / 2);
        }
        // A picture, tools: by their bytes, as ever.
        let seen = json!([{"type": "text", "text": text},
            {"type": "image_url", "image_url": {"url": "https://x"}}]);
        let tools = json!([{"type": "function", "function": {"name": "f"}}]);
        let messages = json!([{"role": "user", "content": seen}]);
        let seen = chat(json!({"model": "m", "tools": tools, "messages": messages}));
        let counted = prompt_tokens_max(&seen, Tokenizer::O200kBase).await.unwrap();
        assert!(counted > 50_000 && counted < credits::prompt_tokens_max(&seen));
        // Too much to count, and what no bound is known of.
        let long = "あ".repeat(COUNTED_BYTES_MAX);
        let long = chat(json!({"model": "m", "messages": [{"role": "user", "content": long}]}));
        assert_eq!(prompt_tokens_max(&long, Tokenizer::O200kBase).await, None);
        let file = json!([{"type": "file", "file": {"file_data": "data:"}}]);
        let file = chat(json!({"model": "m", "messages": [{"role": "user", "content": file}]}));
        assert_eq!(prompt_tokens_max(&file, Tokenizer::O200kBase).await, None);
    }
}
