//! What the tests of this crate share. It asserts nothing about the crate itself.

/// Jobs, and streams put together again.
pub(crate) mod jobs;

/// Sinks that tests look into.
pub(crate) mod sink;

/// A scripted vendor.
pub(crate) mod vendor;

use futures::FutureExt;
use futures::future::BoxFuture;
use schemas::catalogue::Vendor as Protocol;
use schemas::job::ChatJob;
use schemas::openai::{ChatRequest, Message, Role};
use sink::Collected;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use vendor::Vendor;
use worker_provider::{ApiKey, Ended, Limits, Provider, Upstream};

/// Limits that a test can wait for, where it wants one to be reached; the others stay far away.
pub(crate) const SOON: Duration = Duration::from_millis(100);

/// Our process would have installed it at its start.
pub(crate) fn install_cryptography() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// An upstream of this vendor, with keys.
pub(crate) fn upstream(vendor: &Vendor, protocol: Protocol, keys: &[&str]) -> Upstream {
    Upstream {
        vendor: protocol,
        preset: None,
        name: "upstream-model".into(),
        api_base: Some(vendor.base()),
        api_version: None,
        takes_schemas: true,
        api_keys: keys.iter().map(|key| ApiKey::new(*key)).collect(),
    }
}

/// A provider whose `model` is served by this vendor.
pub(crate) fn provider(vendor: &Vendor, protocol: Protocol, keys: &[&str]) -> Provider {
    provider_within(vendor, protocol, keys, Limits::default())
}

/// The same with limits.
pub(crate) fn provider_within(
    vendor: &Vendor,
    protocol: Protocol,
    keys: &[&str],
    limits: Limits,
) -> Provider {
    install_cryptography();
    let models = vec![("model".to_owned(), vec![upstream(vendor, protocol, keys)])];
    Provider::with_limits(models, limits).unwrap()
}

/// A job that greets.
pub(crate) fn greeting(stream: bool) -> ChatJob {
    let messages = vec![Message::text(Role::User, "こんにちは 🙂")];
    jobs::job(ChatRequest { messages, ..ChatRequest::default() }, stream, 100)
}

/// Answers a greeting.
pub(crate) async fn answer(provider: &Provider, stream: bool) -> (Ended, Collected) {
    let mut sink = Collected::default();
    let (job, stop) = (greeting(stream), CancellationToken::new());
    // A worker runs it on any of its threads.
    let answer: BoxFuture<'_, Ended> = provider.answer(&job, &mut sink, &stop).boxed();
    let ended = answer.await;
    (ended, sink)
}

/// One OpenAI event with more text.
pub(crate) fn text_event(text: &str) -> String {
    format!(
        "data: {}\n\n",
        serde_json::json!({"choices": [{"index": 0, "delta": {"content": text}}]})
    )
}

/// OpenAI's end of an answer, its count, and its last word.
pub(crate) const FINISH: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
pub(crate) const COUNT: &str =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\n";
pub(crate) const DONE: &str = "data: [DONE]\n\n";
