//! Money: charged before the end is told, once, exactly, and never more than there is.

use harness::vendor::script::Counts;
use harness::{Gate, Script, Step, World, wait_until};
use schemas::ledger::{Outcome, Writer};
use schemas::usage::TokenSource;
use serde_json::json;

/// What one question to `fast` with these limits holds at worst, in µUSD: each byte of the text,
/// 32 for the message and 512 around it at 1; each token of the answer at 2.
fn worst_case(question: &str, max_tokens: i64) -> i64 {
    i64::try_from(question.len()).unwrap() + 32 + 512 + max_tokens * 2
}

fn question(text: &str, max_tokens: i64) -> serde_json::Value {
    let messages = json!([{"role": "user", "content": text}]);
    json!({"model": "fast", "max_tokens": max_tokens, "messages": messages})
}

#[tokio::test]
async fn whoever_reads_done_finds_the_charge_in_the_ledger() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    for round in 1..=5 {
        let mut stream = client.ask_stream("fast", "hello").await;
        stream.rest().await;
        assert!(stream.is_done());
        assert_eq!(world.uses().await.len(), round, "the charge is durable when [DONE] is read");
        let whole = client.ask("fast", "hello").await;
        assert_eq!(whole.status, 200);
        let _ = whole;
        assert_eq!(world.uses().await.len(), round + 5 - 5 + round, "and with a whole answer");
    }
    world.finish().await;
}
