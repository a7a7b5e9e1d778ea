//! What `/api` and the program's own pages of JSON answer, object by object. An answer is written
//! from these types and `/openapi.json` is made of them, so that neither can say what the other
//! doesn't. Only shapes: who may see what is decided elsewhere.

use schemars::JsonSchema;
use schemas::ids::{AccountId, KeyId, RequestId, WorkerId};
use schemas::ledger::{LotKind, Outcome, VoidReason, Writer};
use schemas::money::Currency;
use schemas::privacy::PolicyV1;
use schemas::records::Priority;
use schemas::usage::TokenSource;
use serde::Serialize;
use std::collections::BTreeMap;

/// How long a request of Anthropic's Messages is, as far as it can be told beforehand.
#[derive(Serialize, JsonSchema)]
pub(super) struct CountedTokens {
    pub(super) input_tokens: u64,
}

/// Several of one kind, of everybody.
#[derive(Serialize, JsonSchema)]
pub(super) struct List<T> {
    /// Always `list`.
    object: &'static str,
    data: Vec<T>,
}

impl<T> List<T> {
    pub(super) fn of(data: Vec<T>) -> Self {
        Self { object: "list", data }
    }
}

/// Several of one kind, of one account.
#[derive(Serialize, JsonSchema)]
pub(super) struct AccountList<T> {
    /// Always `list`.
    object: &'static str,
    #[schemars(with = "String")]
    account: AccountId,
    data: Vec<T>,
}

impl<T> AccountList<T> {
    pub(super) fn of(account: AccountId, data: Vec<T>) -> Self {
        Self { object: "list", account, data }
    }
}

/// A worker in one pool, as it last told.
#[derive(Serialize, JsonSchema)]
pub(super) struct SeenWorker {
    /// Always `worker`.
    pub(super) object: &'static str,
    #[schemars(with = "String")]
    pub(super) worker: WorkerId,
    pub(super) pool: String,
    pub(super) models: Vec<String>,
    pub(super) slots: u32,
    pub(super) slots_free: u32,
    /// It takes no new job and will end.
    pub(super) draining: bool,
    /// Whether its connection to NATS holds.
    pub(super) connected: bool,
    pub(super) version: String,
}

/// A worker that was told to leave, and says that it does.
#[derive(Serialize, JsonSchema)]
pub(super) struct DrainedWorker {
    /// Always `worker.drain`.
    pub(super) object: &'static str,
    #[schemars(with = "String")]
    pub(super) worker: WorkerId,
    pub(super) draining: bool,
}

/// What a key or an account may do and has spent. `null` is unlimited.
#[derive(Serialize, JsonSchema)]
pub(super) struct Allowance {
    pub(super) expires_at: Option<String>,
    pub(super) models: Option<Vec<String>>,
    pub(super) max_budget: Option<f64>,
    pub(super) max_budget_per_day: Option<f64>,
    pub(super) max_budget_per_week: Option<f64>,
    pub(super) max_budget_per_month: Option<f64>,
    pub(super) requests_per_minute: Option<u64>,
    pub(super) tokens_per_minute: Option<u64>,
    pub(super) parallel: Option<u64>,
    pub(super) spent_usd: f64,
    pub(super) spent_today_usd: f64,
    pub(super) spent_this_week_usd: f64,
    pub(super) spent_this_month_usd: f64,
}

/// A key.
#[derive(Serialize, JsonSchema)]
pub(super) struct ApiKey {
    /// Always `api_key`.
    pub(super) object: &'static str,
    #[schemars(with = "String")]
    pub(super) key_id: KeyId,
    #[schemars(with = "String")]
    pub(super) account: AccountId,
    pub(super) name: String,
    pub(super) last_four: String,
    pub(super) created_at: String,
    pub(super) priority: Priority,
    /// Its own policy of personal data; none is the service's.
    pub(super) privacy: Option<PolicyV1>,
    /// Whether a kept answer to another wording of its question may serve it.
    pub(super) similar_answers: bool,
    #[serde(flatten)]
    pub(super) allowance: Allowance,
    /// The secret: only when it was made just now, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
}

/// A key that is no more.
#[derive(Serialize, JsonSchema)]
pub(super) struct DeletedKey {
    #[schemars(with = "String")]
    pub(super) key_id: KeyId,
    /// Always `api_key`.
    pub(super) object: &'static str,
    pub(super) deleted: bool,
}

/// An account.
#[derive(Serialize, JsonSchema)]
pub(super) struct Account {
    /// Always `account`.
    pub(super) object: &'static str,
    #[schemars(with = "String")]
    pub(super) account: AccountId,
    pub(super) name: String,
    pub(super) created_at: String,
    /// The language of its people, such as `ja`.
    pub(super) locale: Option<String>,
    #[serde(flatten)]
    pub(super) allowance: Allowance,
}

/// What was used.
#[derive(Serialize, JsonSchema)]
pub(super) struct Counters {
    pub(super) requests: u64,
    pub(super) cache_hits: u64,
    pub(super) input_tokens: u64,
    pub(super) cache_read_tokens: u64,
    pub(super) cache_write_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) reasoning_tokens: u64,
    pub(super) total_tokens: u64,
    pub(super) cost_usd: f64,
    pub(super) cost_micro_usd: i64,
}

/// What was used of one model with one key on one day.
#[derive(Serialize, JsonSchema)]
pub(super) struct UsageOfDay {
    #[serde(flatten)]
    pub(super) counters: Counters,
    pub(super) date: String,
    pub(super) key_id: String,
    pub(super) model: String,
}

/// What was used of an account, or with one of its keys.
#[derive(Serialize, JsonSchema)]
pub(super) struct UsageReport {
    #[serde(flatten)]
    pub(super) counters: Counters,
    /// Always `usage`.
    pub(super) object: &'static str,
    #[schemars(with = "String")]
    pub(super) account: AccountId,
    #[schemars(with = "Option<String>")]
    pub(super) key_id: Option<KeyId>,
    pub(super) data: Vec<UsageOfDay>,
}

/// What is left of an account's credit.
#[derive(Serialize, JsonSchema)]
pub(super) struct Credits {
    /// Always `credits`.
    pub(super) object: &'static str,
    #[schemars(with = "String")]
    pub(super) account: AccountId,
    pub(super) balance_usd: f64,
    pub(super) held_usd: f64,
    pub(super) available_usd: f64,
    pub(super) balance_micro_usd: i64,
    pub(super) held_micro_usd: i64,
}

/// Credit that came together and ends together.
#[derive(Serialize, JsonSchema)]
pub(super) struct Lot {
    #[schemars(with = "String")]
    pub(super) kind: LotKind,
    pub(super) source: String,
    pub(super) expires_at: Option<String>,
    pub(super) granted_usd: f64,
    pub(super) left_usd: f64,
    pub(super) left_micro_usd: i64,
}

/// What an account's credit is made of.
#[derive(Serialize, JsonSchema)]
pub(super) struct LotList {
    /// Always `list`.
    pub(super) object: &'static str,
    #[schemars(with = "String")]
    pub(super) account: AccountId,
    pub(super) owed_usd: f64,
    pub(super) owed_micro_usd: i64,
    pub(super) data: Vec<Lot>,
}

/// A request that has ended.
#[derive(Serialize, JsonSchema)]
pub(super) struct EndedRequest {
    /// Always `request`.
    pub(super) object: &'static str,
    #[schemars(with = "String")]
    pub(super) request_id: RequestId,
    #[schemars(with = "String")]
    pub(super) key_id: KeyId,
    pub(super) recorded_at: String,
    pub(super) charge_usd: f64,
    pub(super) charge_micro_usd: i64,
    #[serde(flatten)]
    pub(super) end: RequestEnd,
}

/// How it ended.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(super) enum RequestEnd {
    /// It was answered, in part at least.
    Used {
        model: String,
        input_tokens: u64,
        output_tokens: u64,
        #[schemars(with = "String")]
        outcome: Outcome,
        cached: bool,
    },
    /// It cost nothing.
    Void {
        #[schemars(with = "String")]
        reason: VoidReason,
    },
}

/// The last requests of an account.
#[derive(Serialize, JsonSchema)]
pub(super) struct RequestList {
    /// Always `list`.
    pub(super) object: &'static str,
    #[schemars(with = "String")]
    pub(super) account: AccountId,
    #[schemars(with = "Option<String>")]
    pub(super) key_id: Option<KeyId>,
    pub(super) data: Vec<EndedRequest>,
}

/// The tokens of a request, by bucket; `null` is what the vendor told nothing about.
#[derive(Serialize, JsonSchema)]
pub(super) struct Buckets {
    pub(super) input_tokens: u64,
    pub(super) cache_read_tokens: Option<u64>,
    pub(super) cache_write_tokens: Option<u64>,
    /// The part of what was written that is kept for an hour.
    pub(super) cache_write_hour_tokens: Option<u64>,
    pub(super) output_tokens: u64,
    pub(super) reasoning_tokens: Option<u64>,
}

/// The price that a request was charged at, as a price list has it.
#[derive(Serialize, JsonSchema)]
pub(super) struct PriceList {
    /// Always `usd_per_million_tokens`.
    pub(super) unit: &'static str,
    pub(super) input: f64,
    pub(super) cached_input: f64,
    pub(super) cache_write: f64,
    pub(super) cache_write_hour: Option<f64>,
    pub(super) output: f64,
}

/// How one request ended, from the ledger itself.
#[derive(Serialize, JsonSchema)]
pub(super) struct Receipt {
    /// Always `receipt`.
    pub(super) object: &'static str,
    #[schemars(with = "String")]
    pub(super) request_id: RequestId,
    #[schemars(with = "String")]
    pub(super) account: AccountId,
    #[schemars(with = "String")]
    pub(super) key_id: KeyId,
    pub(super) started_at: Option<String>,
    pub(super) started_ms: Option<u64>,
    pub(super) recorded_at: String,
    pub(super) recorded_ms: u64,
    pub(super) charge_usd: f64,
    pub(super) charge_micro_usd: i64,
    #[schemars(with = "String")]
    pub(super) writer: Writer,
    #[serde(flatten)]
    pub(super) end: ReceiptEnd,
}

/// What it was charged for.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(super) enum ReceiptEnd {
    /// It was answered, in part at least.
    Used {
        model: String,
        usage: Box<Buckets>,
        #[schemars(with = "String")]
        token_source: TokenSource,
        price: Box<PriceList>,
        hold_usd: f64,
        hold_micro_usd: i64,
        #[schemars(with = "String")]
        outcome: Outcome,
        cached: bool,
        /// Why the auto-router chose the model, if it did.
        route_reason: Option<String>,
    },
    /// It cost nothing.
    Void {
        #[schemars(with = "String")]
        reason: VoidReason,
    },
}

/// A coupon that became credit.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Redemption {
    /// Always `redemption`.
    pub(super) object: &'static str,
    #[schemars(with = "String")]
    pub(super) account: AccountId,
    pub(super) code: String,
    pub(super) credit_usd: f64,
    pub(crate) credit_micro_usd: i64,
}

/// Opinions on a model's answers to one kind of task, counted by what they say.
#[derive(Serialize, JsonSchema)]
pub(super) struct OpinionCounts {
    pub(super) model: String,
    pub(super) task: String,
    #[serde(flatten)]
    pub(super) counts: BTreeMap<&'static str, i64>,
}

/// Kept answers that were forgotten.
#[derive(Serialize, JsonSchema)]
pub(super) struct ForgottenAnswers {
    /// Always `cache`.
    pub(super) object: &'static str,
    pub(super) tenant: String,
    pub(super) deleted: u64,
}

/// What is sold, at its two prices.
#[derive(Serialize, JsonSchema)]
pub(super) struct PlanOffer {
    pub(super) id: Option<String>,
    pub(super) usd: String,
    pub(super) jpy: String,
    pub(super) credit_micro_usd: i64,
    pub(super) bonus_micro_usd: i64,
    /// How long it is good after its purchase, in days.
    pub(super) credit_days: u64,
}

/// A purchase that has begun: its buyer goes to `url`.
#[derive(Serialize, JsonSchema)]
pub(super) struct Checkout {
    /// Always `checkout`.
    pub(super) object: &'static str,
    pub(super) id: String,
    pub(super) url: Option<String>,
    #[schemars(with = "String")]
    pub(super) account: AccountId,
    pub(super) price: String,
    pub(super) credit_micro_usd: i64,
    pub(super) bonus_micro_usd: i64,
}

/// What an account wishes its saved card to be charged for, and how that stands.
#[derive(Serialize, JsonSchema)]
pub(super) struct Recharge {
    /// Always `recharge`.
    pub(super) object: &'static str,
    #[schemars(with = "String")]
    pub(super) account: AccountId,
    /// `off`, `no_card`, `on`, `charging`, `month_full`, or `stopped` until it is wished again.
    pub(super) status: &'static str,
    pub(super) wish: Option<RechargeMoney>,
    pub(super) has_card: bool,
    pub(super) stopped_at: Option<String>,
    /// Stripe's word for it, such as `insufficient_funds`.
    pub(super) stopped_reason: Option<String>,
}

/// The amounts of a wish.
#[derive(Serialize, JsonSchema)]
pub(super) struct RechargeMoney {
    pub(super) below_usd: f64,
    #[schemars(with = "String")]
    pub(super) currency: Currency,
    pub(super) amount: String,
    pub(super) month_max: String,
    pub(super) charged_this_month: String,
}

/// A purchase that was paid.
#[derive(Serialize, JsonSchema)]
pub(super) struct Purchase {
    pub(super) payment: String,
    pub(super) created_at: String,
    pub(super) plan: Option<String>,
    pub(super) paid: String,
    /// What of it went back to the buyer, by refunds and disputes.
    pub(super) refunded: String,
    #[schemars(with = "String")]
    pub(super) currency: Currency,
    pub(super) credit_usd: f64,
    pub(super) bonus_usd: f64,
    pub(super) expires_at: String,
    /// The path of its receipt.
    pub(super) receipt: String,
}

/// The process is alive.
#[derive(Serialize, JsonSchema)]
pub(super) struct Health {
    /// Always `ok`.
    pub(super) status: &'static str,
    pub(super) version: &'static str,
}

/// What answering needs, and whether it is there.
#[derive(Serialize, JsonSchema)]
pub(super) struct Readiness {
    pub(super) ready: bool,
    /// Whether NATS answers, and what it has told of keys and accounts is known.
    pub(super) nats: bool,
    /// Whether the ledger took what was written to it last.
    pub(super) ledger: bool,
    /// Whether Redis answers and may be written.
    pub(super) redis: bool,
    /// Whether all balances are there: they are made from the ledger by a billing worker.
    pub(super) balances: bool,
    pub(super) workers: usize,
    /// Whether it was asked to stop: it takes requests for a few seconds more.
    pub(super) leaving: bool,
    /// Models whose upstream rests after failures.
    pub(super) cooling: Vec<String>,
}
