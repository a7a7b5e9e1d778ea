//! What a key or an account has spent, in all and in the calendar periods that run now: what its
//! budgets are compared with. Written by applying the ledger alone.

use super::{Store, StoreError, keys};
use crate::calendar::{Period, TimeZone};
use schemas::ids::{AccountId, KeyId};
use schemas::money::MicroUsd;

/// How long after its end what was spent in a period is still counted: events may come late.
const PERIOD_GRACE_SECONDS: u64 = 2 * 86_400;

/// Who spends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spender {
    /// One key.
    Key,
    /// All keys of an account together.
    Account,
}

/// What was spent in all, and in each period that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spending {
    /// In all.
    pub total: MicroUsd,
    /// Since midnight, since Monday, since the first.
    pub periods: [MicroUsd; 3],
}

/// The field of a key's or an account's hash that counts what is spent in all.
pub(super) const TOTAL: &str = "spent";

/// The field that counts what is spent in a period: its name tells when it is over.
pub(super) fn field(period: Period, end_seconds: u64) -> String {
    format!("{}|{end_seconds}", period.as_str())
}

/// The fields of the periods that a moment lies in, without those that are long over.
pub(super) fn fields_at(at_ms: u64, now_ms: u64, zone: TimeZone) -> Vec<String> {
    let fields = Period::ALL.map(|period| (period, period.end_seconds(at_ms, zone)));
    let lasts = |end: u64| end + PERIOD_GRACE_SECONDS > now_ms / 1_000;
    let lasting = fields.into_iter().filter(|(_, end)| lasts(*end));
    lasting.map(|(period, end)| field(period, end)).collect()
}

impl Store {
    /// What a key has spent.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn key_spending(
        &self,
        account: &AccountId,
        key: &KeyId,
        now_ms: u64,
    ) -> Result<Spending, StoreError> {
        self.spending(keys::key(account, key), now_ms).await
    }

    /// What all keys of an account have spent together.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn account_spending(
        &self,
        account: &AccountId,
        now_ms: u64,
    ) -> Result<Spending, StoreError> {
        self.spending(keys::account(account), now_ms).await
    }

    async fn spending(&self, name: String, now_ms: u64) -> Result<Spending, StoreError> {
        let [day, week, month] =
            Period::ALL.map(|period| field(period, period.end_seconds(now_ms, self.time_zone)));
        let (total, day, week, month): (Option<i64>, Option<i64>, Option<i64>, Option<i64>) =
            redis::cmd("HMGET")
                .arg(name)
                .arg(&[TOTAL, &day, &week, &month])
                .query_async(&mut self.connection())
                .await?;
        let amount = |amount: Option<i64>| MicroUsd(amount.unwrap_or(0));
        Ok(Spending { total: amount(total), periods: [day, week, month].map(amount) })
    }
}
