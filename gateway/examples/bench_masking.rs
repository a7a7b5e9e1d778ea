//! What masking costs, and a digest of what it gives: `bench_masking [FILE.jsonl...]`.
//!
//! Without files some texts of its own are looked through again and again, each time for another
//! account and then for the same, which remembers: the least time of many calls is the call that
//! nobody disturbed. With files of `{"text"}` a line each text is masked once. The
//! digest is over all places and masked texts: a change that shall only be faster leaves it as it
//! is. It must never print a text.

#![expect(clippy::print_stdout, reason = "a tool for a terminal")]

use gateway::pii::{MaskError, Masker, Settings};
use sha2::{Digest, Sha256};
use std::error::Error;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// Calls of which the quickest counts.
const CALLS: usize = 400;

const JAPANESE: &str = "お世話になっております。株式会社あおぞらの山田花子と申します。先週注文した商品が\
    まだ届いていません。電話は090-1234-5678、住所は〒150-0041 東京都渋谷区神南1-19-11 です。\
    ご確認のうえ、hanako.yamada@example.jp までご連絡ください。";
const ENGLISH: &str = "Hello, my name is Margaret Whitfield and I live at 242 Vaughn Pike, Apt. 7. \
    Order 9960730 never arrived; the carrier says it was left with a neighbour on Monday. Please \
    call me at (206) 555-0147 or write to m.whitfield@example.com before Friday.";
const CODE: &str = "fn total(items: &[Item]) -> u64 {\n    // version 3.12.4, see RFC 9110\n    \
    items.iter().map(|item| item.price * item.count).sum()\n}\n\
    {\"id\": \"a3f9c1\", \"at\": \"2024-07-01T12:00:00Z\", \"values\": [1, 22, 333]}\n";

fn main() -> Result<(), Box<dyn Error>> {
    let masker = Masker::new(Settings::default())?;
    let mut digest = Sha256::new();
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        let mixed = [JAPANESE, ENGLISH, CODE].join("\n");
        let texts = [("japanese", JAPANESE), ("english", ENGLISH), ("code", CODE)];
        for (name, text) in texts.into_iter().chain([("mixed", mixed.as_str())]) {
            let text = text.repeat(3);
            mask(&masker, &text, &mut digest)?;
            let [new, known] = [false, true].map(|is_known| least(&masker, name, &text, is_known));
            let per_kib = |time: Duration| time.as_secs_f64() * 1e6 * 1024.0 / text.len() as f64;
            let line = serde_json::json!({
                "text": name,
                "bytes": text.len(),
                "microseconds_per_kib": per_kib(new),
                "microseconds_per_kib_known": per_kib(known),
            });
            println!("{line}");
        }
    }
    let mut texts = 0;
    for file in files {
        for line in std::fs::read_to_string(file)?.lines() {
            let row: serde_json::Value = serde_json::from_str(line)?;
            mask(&masker, row["text"].as_str().ok_or("a line has no text")?, &mut digest)?;
            texts += 1;
        }
    }
    let mut hexadecimal = String::new();
    for byte in digest.finalize() {
        write!(hexadecimal, "{byte:02x}")?;
    }
    println!("{}", serde_json::json!({"texts": texts, "digest": hexadecimal}));
    Ok(())
}

fn least(masker: &Masker, name: &str, text: &str, is_known: bool) -> Duration {
    let time = |call| {
        let account = if is_known { "known".to_owned() } else { format!("new {name} {call}") };
        let masker = masker.for_key(&account, None);
        let start = Instant::now();
        std::hint::black_box(masker.detect(text));
        start.elapsed()
    };
    (0..CALLS).map(time).min().unwrap_or_default()
}

fn mask(masker: &Masker, text: &str, digest: &mut Sha256) -> Result<(), MaskError> {
    let (masked, spans, _) = masker.mask_text(text)?;
    digest.update(masked);
    for span in spans {
        digest.update(span.start.to_le_bytes());
        digest.update(span.end.to_le_bytes());
        digest.update(span.kind.as_str());
    }
    Ok(())
}
