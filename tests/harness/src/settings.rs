//! The configuration of the tests: a few models of the scripted vendor with round prices, limits
//! that get in nobody's way, no cache. A test that is about one of these changes it.

use crate::stripe::{SECRET_KEY, WEBHOOK_SECRET};
use infra::config::{Config, Plan};
use infra::environment::Environment;
use infra::secret::Secret;
use schemas::money::MicroUsd;

/// The vendor takes requests with it.
pub(crate) const VENDOR_KEY: &str = "vendor-secret-key";

/// What stands in it. Prices are round: an input token costs 1 µUSD, an output token 2.
const TEMPLATE: &str = r#"
gateway: {listen: "127.0.0.1:0", metrics_listen: "127.0.0.1:0",
  leave_notice_seconds: 0, drain_seconds_max: 5}
workers: {provider_slots: 16, drain_seconds_max: 5}
queue: {pull_ms: 100}
limits:
  requests_per_minute: 1000000
  tokens_per_minute: 1000000000
  parallel: 100000
  max_tokens_per_request: 1000
cache: {enabled: false}
models:
  - name: fast
    aliases: [quick]
    pool: cloud
    vendor: compatible
    api_base: BASE/v1
    price: {input: 1, cached_input: 0.5, cache_write: 1, output: 2}
    context: 100000
    max_output: 1000
    capabilities: [chat, tools, vision, json_schema]
    tier: economy
  - name: backup
    pool: cloud
    vendor: compatible
    api_base: BASE/v1
    price: {input: 2, cached_input: 1, cache_write: 2, output: 4}
    context: 100000
    max_output: 1000
    capabilities: [chat, tools]
    tier: standard
  - name: claude
    pool: cloud
    vendor: anthropic
    api_base: BASE
    api_key: VENDOR_KEY
    price: {input: 3, cached_input: 0.3, cache_write: 3.75, cache_write_hour: 6, output: 15}
    context: 100000
    max_output: 1000
    capabilities: [chat, tools]
    tier: premium
  - name: keyed
    pool: cloud
    vendor: openai
    api_base: BASE/v1
    api_key: VENDOR_KEY
    price: {input: 1, cached_input: 0.5, cache_write: 0, output: 2}
    context: 100000
    max_output: 1000
    tier: standard
  - name: keyless
    pool: cloud
    vendor: openai
    api_base: BASE/v1
    api_key: ${NOT_SET_ANYWHERE}
    price: {input: 1, cached_input: 1, cache_write: 1, output: 1}
    context: 1000
    max_output: 100
  - name: embedder
    pool: cloud
    vendor: compatible
    preset: vllm
    api_base: BASE/v1
    price: {input: 1}
    context: 1000
    capabilities: [embeddings]
  - name: gem
    pool: cloud
    vendor: gemini
    api_base: BASE/v1beta
    api_key: VENDOR_KEY
    price: {input: 1, cached_input: 0.5, cache_write: 0, output: 2}
    context: 100000
    max_output: 1000
    capabilities: [chat, tools, vision, json_schema, embeddings]
auto: {candidates: [fast, backup], default: fast}
"#;

/// Sells credit through a double of Stripe, in two plans.
pub(crate) fn sell(config: &mut Config, stripe: &str) {
    config.stripe.secret_key = Some(Secret::new(SECRET_KEY));
    config.stripe.webhook_secret = Some(Secret::new(WEBHOOK_SECRET));
    config.stripe.api_base = stripe.to_owned();
    config.stripe.public_url = Some("https://fly.example".to_owned());
    let plan = |id: &str, dollars: i64, bonus_percent| Plan {
        id: id.to_owned(),
        usd: MicroUsd(dollars * 1_000_000),
        jpy: dollars.unsigned_abs() * 100,
        credit_usd: MicroUsd(dollars * 1_000_000),
        bonus_percent,
    };
    config.plans = vec![plan("starter", 10, 0), plan("pro", 50, 5)];
}

/// The text, for processes of their own.
pub(crate) fn text(vendor: &str) -> String {
    TEMPLATE.replace("BASE", vendor).replace("VENDOR_KEY", VENDOR_KEY)
}

/// The checked configuration.
pub(crate) fn config(vendor: &str) -> Config {
    let parsed = Config::parse(&text(vendor), "harness", &Environment::default());
    parsed.expect("the harness's own configuration")
}
