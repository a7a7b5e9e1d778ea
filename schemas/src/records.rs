//! The records of keys and accounts, as they lie in NATS KV. A key's secret is never in a record:
//! only its SHA-256.

use crate::ids::{AccountId, KeyId};
use crate::money::MicroUsd;
use crate::privacy::PolicyV1;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What every API key begins with.
pub const API_KEY_PREFIX: &str = "sk-fly-";

/// How soon a key's requests have their turn while others wait for the same pool.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Before the others, most of the time.
    High,
    /// As most.
    #[default]
    Normal,
    /// After the others, most of the time.
    Low,
}

impl Priority {
    fn is_normal(&self) -> bool {
        *self == Self::Normal
    }
}

/// The record of a key. The version is the variant's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyRecord {
    /// A key.
    V1(KeyRecordV1),
}

/// One API key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecordV1 {
    /// Its public name.
    pub key: KeyId,
    /// Who pays for it.
    pub account: AccountId,
    /// What its owner calls it.
    pub name: String,
    /// SHA-256 of the secret, as 64 hexadecimal digits.
    pub sha256: String,
    /// The last four characters of the secret, to recognise it by.
    pub last_four: String,
    /// When it was made: milliseconds since 1970.
    pub created_ms: u64,
    /// What it may do; where a number of requests or tokens is absent the configuration's counts.
    #[serde(flatten)]
    pub limits: OwnLimits,
    /// How soon its requests have their turn.
    #[serde(default, skip_serializing_if = "Priority::is_normal")]
    pub priority: Priority,
    /// What is done with personal data in its requests; as configured when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy: Option<PolicyV1>,
    /// Whether a kept answer to another wording of its question may serve it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub similar_answers: bool,
    /// When it was deleted: milliseconds since 1970. The record stays, so that its usage can still
    /// be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_ms: Option<u64>,
}

/// What may be spent in each calendar period; unlimited where absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PeriodBudgets {
    /// From midnight to midnight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day_max: Option<MicroUsd>,
    /// From Monday to Sunday.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub week_max: Option<MicroUsd>,
    /// From the first to the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month_max: Option<MicroUsd>,
}

impl PeriodBudgets {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a key may do, or an account's keys together beside what each may do. What is absent isn't
/// limited.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OwnLimits {
    /// After this nothing is opened by it: milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// The models that may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// What may be spent in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_max: Option<MicroUsd>,
    /// What may be spent in a day, a week, a month.
    #[serde(default, skip_serializing_if = "PeriodBudgets::is_empty")]
    pub budgets: PeriodBudgets,
    /// Requests a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute_max: Option<u64>,
    /// Tokens a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute_max: Option<u64>,
    /// Requests at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel_max: Option<u64>,
}

impl OwnLimits {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The record of an account. The version is the variant's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountRecord {
    /// An account.
    V1(AccountRecordV1),
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecordV1 {
    /// Its name.
    pub account: AccountId,
    /// What its owner is called.
    pub name: String,
    /// When it was made: milliseconds since 1970.
    pub created_ms: u64,
    /// What its keys may do together.
    #[serde(default, skip_serializing_if = "OwnLimits::is_empty")]
    pub limits: OwnLimits,
    /// The language of its people, such as `ja-JP`: it decides what letters alone cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

/// The record of a coupon's code. The version is the variant's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CouponRecord {
    /// Who has redeemed it.
    V1(CouponRecordV1),
}

/// Who has redeemed a code. What it brought is in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CouponRecordV1 {
    /// How often, by account.
    pub redeemed: BTreeMap<AccountId, u32>,
}
