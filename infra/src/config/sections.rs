//! The sections of config.yaml that are plain values. Each limit's name ends with its unit; each
//! default here equals the one written in the default file (a test holds that).

use schemas::ids::AccountId;
pub use schemas::privacy::{Media as PrivacyMedia, Mode as PrivacyMode};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// The HTTP side.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gateway {
    /// Where the API listens, `HOST:PORT`.
    pub listen: String,
    /// Where Prometheus reads, apart from the API.
    pub metrics_listen: String,
    /// The header in which a proxy on a private address tells whom it serves. Without one only a
    /// proxy that comes over loopback is believed: its `x-forwarded-for`. In small letters.
    pub client_address_header: Option<String>,
    /// Largest request body, in bytes; below NATS's `max_payload`.
    pub body_bytes_max: usize,
    /// A request's whole life, in seconds.
    pub request_seconds_max: u64,
    /// From the queue to the first token, in seconds.
    pub first_token_seconds_max: u64,
    /// Between two tokens, in seconds.
    pub stream_idle_seconds_max: u64,
    /// After so long without a token a stream begins with comments instead of waiting for a status,
    /// in milliseconds.
    pub begin_stream_after_ms: u64,
    /// Between two comments while nothing else is to be said, in seconds.
    pub ping_seconds: u64,
    /// How long a gateway that is asked to stop goes on taking requests while it says that it isn't
    /// ready: whoever balances the load hears it in this time. In seconds.
    pub leave_notice_seconds: u64,
    /// How long running answers may take after that, in seconds.
    pub drain_seconds_max: u64,
    /// After its life a request may still be settled for so long; then its hold counts as
    /// forgotten. In seconds.
    pub settle_grace_seconds: u64,
    /// What becomes of fields that the chosen model can't honour.
    pub drop_params: DropParams,
}

/// What becomes of fields that the chosen model can't honour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropParams {
    /// None is dropped: each refuses the request.
    Never,
    /// Those that only steer the answer are dropped; the others refuse the request.
    #[default]
    Hints,
    /// All that can be are dropped.
    All,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".into(),
            metrics_listen: "127.0.0.1:9464".into(),
            client_address_header: None,
            body_bytes_max: 7_000_000,
            request_seconds_max: 600,
            first_token_seconds_max: 120,
            stream_idle_seconds_max: 60,
            begin_stream_after_ms: 1_000,
            ping_seconds: 5,
            leave_notice_seconds: 5,
            drain_seconds_max: 30,
            settle_grace_seconds: 60,
            drop_params: DropParams::Hints,
        }
    }
}

/// The work queue.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Queue {
    /// Jobs that may wait, in all pools together.
    pub jobs_max: i64,
    /// Memory that they may take, in bytes.
    pub bytes_max: i64,
    /// Copies of each stream in a NATS cluster: 1 or 3.
    pub replicas: usize,
    /// After so long without a sign from its worker a job is given to another one, in seconds.
    pub acknowledge_seconds: u64,
    /// How long a worker's pull waits before it is renewed, in milliseconds.
    pub pull_ms: u64,
    /// How often a job is handed out before it counts as poison.
    pub deliveries_max: i64,
    /// Requests that may wait in each gateway for their turn in a pool.
    pub waiting_max: usize,
    /// How long one may wait for its turn, in seconds.
    pub wait_seconds_max: u64,
    /// A longer expected wait lets a request go to its next candidate, in seconds.
    pub overflow_seconds: u64,
    /// Turns of keys of high priority, against the others'.
    pub weight_high: u32,
    /// Turns of keys of normal priority.
    pub weight_normal: u32,
    /// Turns of keys of low priority.
    pub weight_low: u32,
    /// The three limits above for single pools.
    pub pools: BTreeMap<String, PoolLimits>,
}

/// Limits of one pool; what is absent is as for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PoolLimits {
    /// Requests that may wait in each gateway for their turn.
    pub waiting_max: Option<usize>,
    /// How long one may wait for its turn, in seconds.
    pub wait_seconds_max: Option<u64>,
    /// A longer expected wait lets a request go to its next candidate, in seconds.
    pub overflow_seconds: Option<u64>,
}

impl Queue {
    fn limits_of(&self, pool: &str) -> PoolLimits {
        self.pools.get(pool).copied().unwrap_or_default()
    }

    /// Requests that may wait in each gateway for their turn in this pool.
    pub fn waiting_max_of(&self, pool: &str) -> usize {
        self.limits_of(pool).waiting_max.unwrap_or(self.waiting_max)
    }

    /// How long one may wait for its turn in this pool.
    pub fn wait_max_of(&self, pool: &str) -> Duration {
        let limit = self.limits_of(pool).wait_seconds_max;
        Duration::from_secs(limit.unwrap_or(self.wait_seconds_max))
    }

    /// The expected wait in this pool that lets a request go to its next candidate.
    pub fn overflow_of(&self, pool: &str) -> Duration {
        let limit = self.limits_of(pool).overflow_seconds;
        Duration::from_secs(limit.unwrap_or(self.overflow_seconds))
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            jobs_max: 10_000,
            bytes_max: 536_870_912,
            replicas: 1,
            acknowledge_seconds: 3,
            pull_ms: 1_000,
            deliveries_max: 3,
            waiting_max: 10_000,
            wait_seconds_max: 120,
            overflow_seconds: 30,
            weight_high: 16,
            weight_normal: 4,
            weight_low: 1,
            pools: BTreeMap::new(),
        }
    }
}

/// When a model's upstream is left alone for a while, as each gateway judges it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Breaker {
    /// Failures in a row before the first piece; then it cools down.
    pub failures_max: u32,
    /// The first cool-down, in seconds; it doubles with each trial that fails.
    pub cool_down_seconds: u64,
    /// The longest, in seconds; also of the pauses that vendors ask for.
    pub cool_down_seconds_max: u64,
    /// A first piece that comes later counts as a failure, in seconds.
    pub slow_first_token_seconds: u64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            failures_max: 5,
            cool_down_seconds: 10,
            cool_down_seconds_max: 300,
            slow_first_token_seconds: 60,
        }
    }
}

/// The workers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Workers {
    /// Calls at once of one provider worker, in each pool.
    pub provider_slots: u32,
    /// To reach an upstream, in seconds.
    pub connect_seconds_max: u64,
    /// From the call to the first byte of the answer, in seconds.
    pub first_byte_seconds_max: u64,
    /// Between two bytes of the answer, in seconds.
    pub idle_seconds_max: u64,
    /// How long running jobs may take when a worker is asked to stop, in seconds.
    pub drain_seconds_max: u64,
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            provider_slots: 1_000,
            connect_seconds_max: 10,
            first_byte_seconds_max: 120,
            idle_seconds_max: 60,
            drain_seconds_max: 30,
        }
    }
}

/// The auto-router.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auto {
    /// The models to choose from; all offered ones when empty.
    pub candidates: Vec<String>,
    /// The model for a request that nothing speaks for or against; the first candidate when absent.
    pub default: Option<String>,
    /// The most that a request may cost at worst, in USD; exact decimal.
    #[serde(deserialize_with = "super::file::optional_usd")]
    pub max_cost: Option<schemas::money::MicroUsd>,
    /// The language of those who say none, such as `ja-JP`: it decides what letters alone cannot.
    pub locale: Option<String>,
    /// How long a conversation stays with its model, in seconds; 0 pins none.
    pub pin_seconds: u64,
    /// Whether a better model answers when the user was not content with the last answer.
    pub escalate: bool,
}

impl Default for Auto {
    fn default() -> Self {
        Self {
            candidates: Vec::new(),
            default: None,
            max_cost: None,
            locale: None,
            pin_seconds: 3_600,
            escalate: false,
        }
    }
}

/// The answer cache.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// Whether answers are kept.
    pub enabled: bool,
    /// For how long, in seconds.
    pub ttl_seconds: u64,
    /// How long a look may take before the question is simply asked anew, in milliseconds.
    pub look_ms_max: u64,
    /// Largest answer kept, in bytes.
    pub entry_bytes_max: usize,
    /// All kept answers of a tenant together, in bytes; beyond it those that end soonest go.
    pub tenant_bytes_max: usize,
    /// What a kept answer costs, in percent of what it would cost anew.
    pub hit_price_percent: u8,
    /// Accounts that share kept answers, by a name for them.
    pub groups: BTreeMap<AccountId, Vec<AccountId>>,
    /// Answers to other wordings of a question.
    pub semantic: SemanticCache,
    /// How alike two wordings must be, up to 1.
    pub semantic_similarity_min: f64,
    /// Requests of a higher temperature get such an answer only if they ask for it.
    pub semantic_temperature_max: f64,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            enabled: true,
            ttl_seconds: 3_600,
            look_ms_max: 100,
            entry_bytes_max: 262_144,
            tenant_bytes_max: 67_108_864,
            hit_price_percent: 0,
            groups: BTreeMap::new(),
            semantic: SemanticCache::Off,
            semantic_similarity_min: 0.95,
            semantic_temperature_max: 0.3,
        }
    }
}

impl Cache {
    /// The group that an account shares kept answers with.
    pub fn group_of(&self, account: &AccountId) -> Option<&AccountId> {
        let mut groups = self.groups.iter();
        groups.find(|(_, members)| members.contains(account)).map(|(group, _)| group)
    }
}

/// Responses of `/v1/responses` that are kept.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Responses {
    /// Whether any is kept, unless its request says `store: false`.
    pub enabled: bool,
    /// For how long, in seconds.
    pub ttl_seconds: u64,
    /// Largest response kept, with the conversation before it, in bytes.
    pub entry_bytes_max: usize,
    /// What one account's may take together, in bytes; the oldest give way.
    pub account_bytes_max: usize,
}

impl Default for Responses {
    fn default() -> Self {
        Self {
            enabled: true,
            ttl_seconds: 86_400,
            entry_bytes_max: 1_048_576,
            account_bytes_max: 16_777_216,
        }
    }
}

/// Answers to other wordings of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SemanticCache {
    /// Only equal requests share an answer.
    Off,
    /// Keys whose record says `similar_answers` get them.
    Keys,
}

/// What may be spent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// By a key that has no `max_budget` of its own, in all; unlimited when absent.
    #[serde(deserialize_with = "super::file::optional_usd")]
    pub per_key_usd: Option<schemas::money::MicroUsd>,
    /// By everybody together, in all; unlimited when absent.
    #[serde(deserialize_with = "super::file::optional_usd")]
    pub total_usd: Option<schemas::money::MicroUsd>,
    /// By whose clocks the days, weeks and months of budgets begin.
    pub time_zone: crate::calendar::TimeZone,
}

impl Default for Budget {
    fn default() -> Self {
        Self { per_key_usd: None, total_usd: None, time_zone: crate::calendar::TimeZone::JAPAN }
    }
}

/// Personal data.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Privacy {
    /// What to do with it.
    pub mode: PrivacyMode,
    /// What to do with single kinds, by their names (`email`, `phone`, `person`, …).
    pub kinds: BTreeMap<String, PrivacyMode>,
    /// Patterns of our own: what they match counts as kind `custom`.
    pub patterns: Vec<String>,
    /// Values that are never touched, exactly as they are written.
    pub allow: Vec<String>,
    /// What to do with images, sounds and files.
    pub media: PrivacyMedia,
}

/// What can be bought.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Its name in the API.
    pub id: String,
    /// Its price in USD.
    #[serde(deserialize_with = "super::file::usd")]
    pub usd: schemas::money::MicroUsd,
    /// Its price in yen, a whole number.
    pub jpy: u64,
    /// The credit it brings.
    #[serde(deserialize_with = "super::file::usd")]
    pub credit_usd: schemas::money::MicroUsd,
    /// The bonus on top, in percent of the credit.
    pub bonus_percent: u32,
}

/// A code that brings credit.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coupon {
    /// What is typed in; capitals and small letters are the same.
    pub code: String,
    /// The credit it brings.
    #[serde(deserialize_with = "super::file::usd")]
    pub credit_usd: schemas::money::MicroUsd,
    /// How often one account may have it.
    #[serde(default = "once")]
    pub account_max: u32,
    /// How often all together may.
    pub total_max: u32,
    /// When it ends, as `2027-01-01T00:00:00+09:00`; never when absent.
    #[serde(default)]
    pub expires_at: Option<String>,
}

fn once() -> u32 {
    1
}

/// Selling credit through Stripe.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stripe {
    /// Stripe's secret key; without one nothing is sold.
    pub secret_key: Option<crate::secret::Secret>,
    /// What Stripe signs its webhooks with.
    pub webhook_secret: Option<crate::secret::Secret>,
    /// Where Stripe's API is.
    pub api_base: String,
    /// Where buyers reach the gateway, for the way back from Stripe's page; the request's own host
    /// when absent.
    pub public_url: Option<String>,
    /// One call of Stripe's API, in seconds.
    pub call_seconds_max: u64,
    /// How long bought credit is good, in days.
    pub credit_days: u64,
    /// The smallest amount of the buyer's own, in USD; never more than the largest.
    #[serde(deserialize_with = "super::file::usd")]
    pub custom_usd_min: schemas::money::MicroUsd,
    /// The largest.
    #[serde(deserialize_with = "super::file::usd")]
    pub custom_usd_max: schemas::money::MicroUsd,
    /// What a dollar of credit costs in yen, for an amount of the buyer's own.
    pub jpy_per_usd: u64,
    /// Who sells, on receipts and at the plans.
    pub seller_name: String,
    /// The seller's address, on receipts.
    pub seller_address: String,
    /// The seller's number as an issuer of qualified invoices (`T` and 13 digits), on receipts.
    pub registration_number: Option<String>,
    /// Where buyers read who sells and how a purchase is returned; linked at the plans.
    pub seller_url: Option<String>,
    /// Consumption tax that prices include, in percent.
    pub tax_percent: u64,
}

impl Default for Stripe {
    fn default() -> Self {
        Self {
            secret_key: None,
            webhook_secret: None,
            api_base: "https://api.stripe.com".into(),
            public_url: None,
            call_seconds_max: 10,
            credit_days: 180,
            custom_usd_min: schemas::money::MicroUsd(10_000_000),
            custom_usd_max: schemas::money::MicroUsd(1_000_000_000),
            jpy_per_usd: 100,
            seller_name: "Fly-LLM".into(),
            seller_address: String::new(),
            registration_number: None,
            seller_url: None,
            tax_percent: 10,
        }
    }
}
