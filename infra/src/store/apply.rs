//! Ledger events → balances, holds, usage and last requests, each exactly once: the watermark moves
//! in the same script. Several billing workers may apply the same events; the compare is the fence.

use super::balances::RequestRow;
use super::{Store, StoreError, keys, lots, spending};
use crate::bus::ledger::Entry;
use crate::clock;
use redis::Script;
use schemas::ledger::{EventV1, Fact};
use schemas::subjects;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

static APPLY: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/apply.lua")));
static GO_LIVE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/go_live.lua")));
static WIPE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/wipe.lua")));

/// How long a settled request is remembered, so that a late reservation of it can't leak a hold.
const TOMBSTONE_SECONDS: u64 = 86_400;

/// Events that one script call applies at most: keeps Redis responsive beside it.
pub const BATCH_EVENTS_MAX: usize = 256;

/// The highest count of one event: no vendor's nonsense may overflow a counter, because a script
/// that fails has written half of its batch.
const COUNT_MAX: u64 = 1_000_000_000_000;

/// The last requests of an account that the view keeps.
pub const REQUESTS_MAX: isize = 1_000;

/// Counters of a key or an account beyond which those of periods that are over are forgotten.
const COUNTERS_MAX: u64 = 48;

/// What applying writes: a view that an older program wrote lacks something and is rebuilt.
const VIEW_VERSION: u64 = 2;

/// What came of applying a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The view is at this sequence now.
    At(u64),
    /// The view is not where we left it (wiped, or rolled back): read its watermark and start anew.
    Reseek,
}

/// One event as the script reads it. Amounts are strings: Lua would round them.
#[derive(Serialize)]
struct Change<'a> {
    sequence: u64,
    /// None for a refused event: it moves the watermark and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    amount: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spent: Option<String>,
    /// The counters of the calendar periods in which it was spent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    periods: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    counters: BTreeMap<String, String>,
    /// The request in the list of the last ones, as JSON within the JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<String>,
    /// The lot that it makes, and when that ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    lot: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lot_ends: Option<String>,
}

impl Store {
    /// The sequence of the last event applied to a part; 0 for none.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn watermark(&self, partition: u16) -> Result<u64, StoreError> {
        let at: Option<u64> = redis::cmd("GET")
            .arg(keys::watermark(partition))
            .query_async(&mut self.connection())
            .await?;
        Ok(at.unwrap_or(0))
    }

    /// Whether a part's view has all that this program would have written. An empty one has.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn has_current_view(&self, partition: u16) -> Result<bool, StoreError> {
        let version: Option<u64> = redis::cmd("HGET")
            .arg(keys::total(partition))
            .arg("version")
            .query_async(&mut self.connection())
            .await?;
        Ok(version == Some(VIEW_VERSION) || self.watermark(partition).await? == 0)
    }

    /// Applies events of one part in their order; `before` is the sequence applied before them.
    ///
    /// # Errors
    /// When Redis is away: repeating the batch is safe.
    pub async fn apply(
        &self,
        partition: u16,
        before: u64,
        entries: &[Entry],
    ) -> Result<Applied, StoreError> {
        let now_ms = clock::unix_ms();
        let change = |entry| {
            let mut change = change_of(entry)?;
            if let (Some(event), Some(_)) = (&entry.event, &change.spent) {
                change.periods = spending::fields_at(event.at_ms, now_ms, self.time_zone);
            }
            Ok(change)
        };
        let changes: Result<Vec<Change<'_>>, _> = entries.iter().map(change).collect();
        let changes = changes.and_then(|changes| serde_json::to_string(&changes));
        let changes = changes.map_err(|_| StoreError::Unreadable("a batch of events".into()))?;
        let at: i64 = APPLY
            .prepare_invoke()
            .key(keys::watermark(partition))
            .key(keys::holds(partition))
            .key(keys::total(partition))
            .key(keys::lots(partition))
            .arg(keys::partition_prefix(partition))
            .arg(before)
            .arg(TOMBSTONE_SECONDS)
            .arg(changes)
            .arg(-1 - REQUESTS_MAX)
            .arg(COUNTERS_MAX)
            .arg(VIEW_VERSION)
            .invoke_async(&mut self.connection())
            .await?;
        Ok(u64::try_from(at).map_or(Applied::Reseek, Applied::At))
    }

    /// Declares a part's view complete once it has reached a sequence. Returns whether it has.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn go_live(&self, partition: u16, reached: u64) -> Result<bool, StoreError> {
        let live: i64 = GO_LIVE
            .prepare_invoke()
            .key(keys::watermark(partition))
            .key(keys::live(partition))
            .arg(reached)
            .invoke_async(&mut self.connection())
            .await?;
        Ok(live == 1)
    }

    /// Whether a part's view is complete.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn is_live(&self, partition: u16) -> Result<bool, StoreError> {
        let there: i64 = redis::cmd("EXISTS")
            .arg(keys::live(partition))
            .query_async(&mut self.connection())
            .await?;
        Ok(there == 1)
    }

    /// Whether a part's view has been complete without a break since it was said to be: in this
    /// process of Redis, so that it lacks nothing but the newest events.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn is_unbroken(&self, partition: u16) -> Result<bool, StoreError> {
        let said: Option<String> = redis::cmd("GET")
            .arg(keys::live(partition))
            .query_async(&mut self.connection())
            .await?;
        let server: String =
            redis::cmd("INFO").arg("server").query_async(&mut self.connection()).await?;
        let process = server.lines().find_map(|line| line.strip_prefix("run_id:"));
        Ok(said.is_some() && said.as_deref() == process.map(str::trim))
    }

    /// Withdraws the word that a part's view is complete.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn go_dark(&self, partition: u16) -> Result<(), StoreError> {
        redis::cmd("DEL")
            .arg(keys::live(partition))
            .query_async::<i64>(&mut self.connection())
            .await?;
        Ok(())
    }

    /// Forgets a part's view of money, so that it is rebuilt from the ledger.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn wipe_view(&self, partition: u16) -> Result<u64, StoreError> {
        let removed: u64 = WIPE
            .prepare_invoke()
            .key(keys::live(partition))
            .key(keys::watermark(partition))
            .key(keys::holds(partition))
            .key(keys::total(partition))
            .key(keys::lots(partition))
            .arg(keys::partition_prefix(partition))
            .invoke_async(&mut self.connection())
            .await?;
        Ok(removed)
    }
}

/// The part of the ledger that a whole store covers.
pub fn partitions() -> std::ops::Range<u16> {
    0..subjects::LEDGER_PARTITIONS
}

/// A late end of a request charges nothing. Its hold is given back all the same, because no other
/// end can be written.
fn free<'a>(change: &mut Change<'a>, late: &'a EventV1) {
    let (key, request) = match &late.fact {
        Fact::Use(fact) => (&fact.key, &fact.request),
        Fact::Void(fact) => (&fact.key, &fact.request),
        _ => return,
    };
    change.account = Some(late.account.as_str());
    change.amount = "0".to_owned();
    change.key = Some(key.as_str());
    change.request = Some(request.as_str());
}

fn change_of(entry: &Entry) -> Result<Change<'_>, serde_json::Error> {
    let mut change = Change {
        sequence: entry.sequence,
        account: None,
        amount: String::new(),
        key: None,
        request: None,
        spent: None,
        periods: Vec::new(),
        counters: BTreeMap::new(),
        lot: None,
        lot_ends: None,
        row: None,
    };
    if let Some(late) = &entry.late {
        free(&mut change, late);
    }
    let event = entry.event.as_ref().filter(|event| event.is_of_an_account());
    let Some(event) = event else { return Ok(change) };
    change.account = Some(event.account.as_str());
    change.amount = event.amount.0.to_string();
    change.row = RequestRow::of(event).map(|row| serde_json::to_string(&row)).transpose()?;
    if let Some(lot) = lots::lot_of(event) {
        let (lot, ends) = lot?;
        (change.lot, change.lot_ends) = (Some(lot), Some(ends.to_string()));
    }
    match &event.fact {
        Fact::Use(fact) => {
            let charge = event.amount.negated().0;
            let day = clock::day_of(event.at_ms);
            let mut count = |counter: &str, value: u64| {
                let field = format!("{day}|{}|{}|{counter}", fact.key, fact.model);
                change.counters.insert(field, value.min(COUNT_MAX).to_string());
            };
            count("requests", 1);
            if fact.cached {
                // Its tokens were counted when they were consumed.
                count("cache_hits", 1);
            } else {
                count("input", fact.usage.input);
                count("cache_read", fact.usage.cache_read.unwrap_or(0));
                count("cache_write", fact.usage.cache_writes().unwrap_or(0));
                count("output", fact.usage.output);
                count("reasoning", fact.usage.reasoning.unwrap_or(0));
            }
            count("cost", u64::try_from(charge).unwrap_or(0));
            change.counters.retain(|_, value| value != "0");
            change.key = Some(fact.key.as_str());
            change.request = Some(fact.request.as_str());
            change.spent = Some(charge.to_string());
        }
        Fact::Void(fact) => {
            change.key = Some(fact.key.as_str());
            change.request = Some(fact.request.as_str());
        }
        // The amount says it all.
        Fact::Grant { .. }
        | Fact::TopUp(_)
        | Fact::Bonus { .. }
        | Fact::Refund { .. }
        | Fact::RefundFailed { .. }
        | Fact::Dispute { .. }
        | Fact::Expiry { .. }
        | Fact::Snapshot(_)
        | Fact::Cut(_)
        | Fact::Closing(_) => {}
    }
    Ok(change)
}
