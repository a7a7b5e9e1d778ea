//! What a key or an account has spent, in all and in the calendar periods that run now: what its
//! budgets are compared with. Written by applying the ledger alone.

use super::{Store, StoreError, keys};
use crate::calendar::{Period, TimeZone};
use schemas::ids::{AccountId, KeyId};
use schemas::money::MicroUsd;

/// How long after its end what was spent in a period is still counted: events may come late.
const PERIOD_GRACE_SECONDS: u64 = 2 * 86_400;

/// Keys that one pipeline asks for.
const ASKED_TOGETHER_MAX: usize = 1_000;

/// What was spent in all and in each period, as Redis has it.
type Sums = (Option<i64>, Option<i64>, Option<i64>, Option<i64>);

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

    /// What keys have spent, each with its account, in their order.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn keys_spending(
        &self,
        keys: impl IntoIterator<Item = (&AccountId, &KeyId)>,
        now_ms: u64,
    ) -> Result<Vec<Spending>, StoreError> {
        let names: Vec<String> =
            keys.into_iter().map(|(account, key)| keys::key(account, key)).collect();
        let fields = self.spending_fields(now_ms);
        let mut all = Vec::with_capacity(names.len());
        for names in names.chunks(ASKED_TOGETHER_MAX) {
            let mut asked = redis::pipe();
            for name in names {
                asked.cmd("HMGET").arg(name).arg(&fields);
            }
            let sums: Vec<Sums> = asked.query_async(&mut self.connection()).await?;
            all.extend(sums.into_iter().map(read));
        }
        Ok(all)
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
        let mut asked = redis::cmd("HMGET");
        asked.arg(name).arg(&self.spending_fields(now_ms));
        Ok(read(asked.query_async(&mut self.connection()).await?))
    }

    fn spending_fields(&self, now_ms: u64) -> [String; 4] {
        let [day, week, month] =
            Period::ALL.map(|period| field(period, period.end_seconds(now_ms, self.time_zone)));
        [TOTAL.to_owned(), day, week, month]
    }
}

fn read((total, day, week, month): Sums) -> Spending {
    let amount = |amount: Option<i64>| MicroUsd(amount.unwrap_or(0));
    Spending { total: amount(total), periods: [day, week, month].map(amount) }
}
