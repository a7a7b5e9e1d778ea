//! The Stripe double for programs in other languages, so that Stripe's own SDK can judge it. Says
//! where it is in one line of JSON, then takes a command a line (`pay SESSION`, `expire SESSION`,
//! `refund SESSION MINOR`, `dispute SESSION`, `decline REASON`, `charges`) and answers each with
//! the webhooks that it makes.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a tool of the tests: it ends by panicking, and standard output is its answer"
)]

use harness::stripe::{SECRET_KEY, WEBHOOK_SECRET};
use harness::{Delivery, Stripe, StripeEvent};
use serde_json::{Value, json};

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stripe = runtime.block_on(Stripe::start());
    let url = stripe.url();
    say(&json!({"url": url, "secret_key": SECRET_KEY, "webhook_secret": WEBHOOK_SECRET}));
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let events = match words.as_slice() {
            ["pay", session] => stripe.pay(session),
            ["expire", session] => vec![stripe.expire(session)],
            ["refund", session, minor] => {
                vec![stripe.refund(session, minor.parse().unwrap(), "succeeded").1]
            }
            ["dispute", session] => vec![stripe.dispute(session, "needs_response").1],
            ["decline", reason] => {
                let known = ["insufficient_funds", "expired_card"];
                stripe.decline_cards(known.into_iter().find(|known| known == reason));
                Vec::new()
            }
            ["charges"] => stripe.charges(),
            _ => panic!("no such command: {line}"),
        };
        let webhooks: Vec<Value> = events.iter().map(webhook).collect();
        say(&webhooks.into());
    }
}

/// An event as it would come, honestly and otherwise: each its body and its signature.
fn webhook(event: &StripeEvent) -> Value {
    let [honest, forged, stale, changed] =
        [Delivery::Honest, Delivery::Forged, Delivery::Stale, Delivery::Changed]
            .map(|how| event.signed(how));
    json!({"honest": honest, "forged": forged, "stale": stale, "changed": changed})
}

fn say(answer: &Value) {
    use std::io::Write;
    println!("{answer}");
    std::io::stdout().flush().unwrap();
}
