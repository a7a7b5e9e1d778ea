//! Balances, usage and last requests, read from the view. What is read here is never written back.

use super::{Store, StoreError, apply, keys};
use schemas::ids::{AccountId, KeyId, RequestId};
use schemas::ledger::{EventV1, Fact, Outcome, VoidReason};
use schemas::money::MicroUsd;
use schemas::subjects;
use schemas::usage::Usage;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

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
    /// `requests`, `cache_hits`, `input`, `cache_read`, `cache_write`, `output`, `reasoning`,
    /// `cost` (micro-USD).
    pub counters: BTreeMap<String, u64>,
}

/// One of the last requests of an account: when, with what and how it ended. It holds no content;
/// the receipt in the ledger tells more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRow {
    /// Which request.
    pub request: RequestId,
    /// With which key.
    pub key: KeyId,
    /// When its end was written: milliseconds since 1970.
    pub at_ms: u64,
    /// How it ended.
    pub end: RequestEnd,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestEnd {
    /// It was answered, in whole or in part.
    Used {
        /// By which model of the catalogue.
        model: String,
        /// All input tokens.
        input: u64,
        /// All output tokens.
        output: u64,
        /// What it cost.
        charge: MicroUsd,
        /// How the answer ended.
        outcome: Outcome,
        /// Whether the answer had been kept.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        cached: bool,
    },
    /// It cost nothing.
    Void {
        /// Why.
        reason: VoidReason,
    },
}

impl RequestRow {
    /// The row of an event; none for one that ends no request.
    pub(super) fn of(event: &EventV1) -> Option<Self> {
        let (request, key, end) = match &event.fact {
            Fact::Use(fact) => {
                let Usage { input, cache_read, output, reasoning, .. } = fact.usage;
                let end = RequestEnd::Used {
                    model: fact.model.clone(),
                    input: sum([Some(input), cache_read, fact.usage.cache_writes()]),
                    output: sum([Some(output), reasoning]),
                    charge: event.amount.negated(),
                    outcome: fact.outcome,
                    cached: fact.cached,
                };
                (&fact.request, &fact.key, end)
            }
            Fact::Void(fact) => {
                (&fact.request, &fact.key, RequestEnd::Void { reason: fact.reason })
            }
            _ => return None,
        };
        Some(Self { request: request.clone(), key: key.clone(), at_ms: event.at_ms, end })
    }
}

/// A sum that no vendor's nonsense overflows.
fn sum<const N: usize>(counts: [Option<u64>; N]) -> u64 {
    counts.into_iter().flatten().fold(0, u64::saturating_add)
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

    /// What an account has that isn't reserved; nothing while its part of the view is made anew,
    /// which shows too little then.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn left_if_live(&self, account: &AccountId) -> Result<Option<MicroUsd>, StoreError> {
        let mut moment = redis::pipe();
        moment.atomic().cmd("EXISTS").arg(keys::live(subjects::partition(account)));
        moment.cmd("HMGET").arg(keys::account(account)).arg("balance").arg("held");
        let (is_live, (balance, held)): (bool, (Option<i64>, Option<i64>)) =
            moment.query_async(&mut self.connection()).await?;
        let left = balance.unwrap_or(0).saturating_sub(held.unwrap_or(0));
        Ok(is_live.then_some(MicroUsd(left)))
    }

    /// The balances of several accounts, in their order.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn balances(&self, accounts: &[AccountId]) -> Result<Vec<MicroUsd>, StoreError> {
        if accounts.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = redis::pipe();
        for account in accounts {
            pipeline.cmd("HGET").arg(keys::account(account)).arg("balance");
        }
        let balances: Vec<Option<i64>> = pipeline.query_async(&mut self.connection()).await?;
        Ok(balances.into_iter().map(|balance| MicroUsd(balance.unwrap_or(0))).collect())
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

    /// An account's last requests, the newest first; at most [`apply::REQUESTS_MAX`] are kept.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn requests(&self, account: &AccountId) -> Result<Vec<RequestRow>, StoreError> {
        let name = keys::requests(account);
        let rows: Vec<String> = redis::cmd("ZREVRANGE")
            .arg(&name)
            .arg(0)
            .arg(-1)
            .query_async(&mut self.connection())
            .await?;
        let rows = rows.iter().map(|row| serde_json::from_str(row));
        rows.collect::<Result<_, _>>().map_err(|_| StoreError::Unreadable(name))
    }

    /// All accounts of the view with their balances.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn all_balances(&self) -> Result<BTreeMap<String, Balance>, StoreError> {
        let mut balances = BTreeMap::new();
        for partition in apply::partitions() {
            for account in self.account_names(partition).await? {
                balances.insert(account.to_string(), self.balance(&account).await?);
            }
        }
        Ok(balances)
    }

    /// The accounts of a part of the view.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn account_names(&self, partition: u16) -> Result<BTreeSet<AccountId>, StoreError> {
        let start = keys::accounts(partition);
        let (mut accounts, mut cursor) = (BTreeSet::new(), 0u64);
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
                accounts.insert(account);
            }
            cursor = next;
            if cursor == 0 {
                return Ok(accounts);
            }
        }
    }

    /// The balances of some accounts of one part in their order, and the sequence of the last event
    /// in them: all of one moment, also while charges are applied. Nobody else is served meanwhile.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn balances_at(
        &self,
        partition: u16,
        accounts: &[AccountId],
    ) -> Result<(u64, Vec<MicroUsd>), StoreError> {
        let mut moment = redis::pipe();
        moment.atomic().cmd("GET").arg(keys::watermark(partition));
        for account in accounts {
            moment.cmd("HGET").arg(keys::account(account)).arg("balance");
        }
        let read: Vec<Option<i64>> = moment.query_async(&mut self.connection()).await?;
        let mut read = read.into_iter().map(Option::unwrap_or_default);
        let watermark = u64::try_from(read.next().unwrap_or(0)).unwrap_or(0);
        Ok((watermark, read.map(MicroUsd).collect()))
    }
}
