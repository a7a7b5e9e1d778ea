//! Balances and usage, read from the view. What is read here is never written back.

use super::{Store, StoreError, apply, keys};
use schemas::ids::{AccountId, KeyId};
use schemas::money::MicroUsd;
use std::collections::{BTreeMap, HashMap};

/// An account's money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// What the ledger sums to.
    pub balance: MicroUsd,
    /// What is reserved for running requests.
    pub held: MicroUsd,
}

/// What one key did with one model on one day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsageRow {
    /// The UTC day, as `2026-11-25`.
    pub day: String,
    /// The key's name.
    pub key: String,
    /// The model's name in the catalogue.
    pub model: String,
    /// `requests`, `input`, `cache_read`, `cache_write`, `output`, `reasoning`, `cost` (micro-USD).
    pub counters: BTreeMap<String, u64>,
}

impl Store {
    /// An account's balance and holds; zero for an account that the ledger doesn't know.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn balance(&self, account: &AccountId) -> Result<Balance, StoreError> {
        let (balance, held): (Option<i64>, Option<i64>) = redis::cmd("HMGET")
            .arg(keys::account(account))
            .arg("balance")
            .arg("held")
            .query_async(&mut self.connection())
            .await?;
        let amount = |amount: Option<i64>| MicroUsd(amount.unwrap_or(0));
        Ok(Balance { balance: amount(balance), held: amount(held) })
    }

    /// What a key has spent in all.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn spent(&self, account: &AccountId, key: &KeyId) -> Result<MicroUsd, StoreError> {
        let spent: Option<i64> = redis::cmd("HGET")
            .arg(keys::key(account, key))
            .arg("spent")
            .query_async(&mut self.connection())
            .await?;
        Ok(MicroUsd(spent.unwrap_or(0)))
    }

    /// An account's usage, by day, key and model, in that order.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn usage(&self, account: &AccountId) -> Result<Vec<UsageRow>, StoreError> {
        let fields: HashMap<String, u64> = redis::cmd("HGETALL")
            .arg(keys::usage(account))
            .query_async(&mut self.connection())
            .await?;
        let mut rows: BTreeMap<(String, String, String), BTreeMap<String, u64>> = BTreeMap::new();
        for (field, count) in fields {
            let mut parts = field.splitn(3, '|');
            let day = parts.next().unwrap_or_default().to_owned();
            let key = parts.next().unwrap_or_default().to_owned();
            // A model's name may hold the separator; a counter's never does.
            let rest = parts.next().unwrap_or_default();
            let Some((model, counter)) = rest.rsplit_once('|') else {
                return Err(StoreError::Unreadable(keys::usage(account)));
            };
            rows.entry((day, key, model.to_owned())).or_default().insert(counter.into(), count);
        }
        let row = |((day, key, model), counters)| UsageRow { day, key, model, counters };
        Ok(rows.into_iter().map(row).collect())
    }

    /// All accounts of the view with their balances.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn all_balances(&self) -> Result<BTreeMap<String, Balance>, StoreError> {
        let mut balances = BTreeMap::new();
        for partition in apply::partitions() {
            let start = keys::accounts(partition);
            let mut cursor = 0u64;
            loop {
                let (next, names): (u64, Vec<String>) = redis::cmd("SCAN")
                    .arg(cursor)
                    .arg("MATCH")
                    .arg(format!("{start}*"))
                    .arg("COUNT")
                    .arg(1_000)
                    .query_async(&mut self.connection())
                    .await?;
                for name in names {
                    let account = AccountId::parse(name.trim_start_matches(&start))
                        .map_err(|_| StoreError::Unreadable(name.clone()))?;
                    balances.insert(account.to_string(), self.balance(&account).await?);
                }
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok(balances)
    }
}
