//! Reserving credit before work begins, and finding the holds that nobody settled. A hold is
//! released by the ledger event of its request alone: when that is applied (see `apply`), or, when
//! it was made after that, at its own end.

use super::answers::Look;
use super::apply::TOMBSTONE_SECONDS;
use super::call::Words;
use super::spending::{self, Spender};
use super::{Store, StoreError, keys};
use crate::calendar::{Period, TimeZone};
use crate::clock;
use redis::Script;
use schemas::ids::{AccountId, KeyId, RequestId};
use schemas::money::MicroUsd;
use schemas::subjects;
use serde::Serialize;
use std::sync::LazyLock;

/// The functions that reserve.
pub(super) const RESERVE_TEXT: &str = include_str!("scripts/reserve.lua");

static EXPIRED: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/expired.lua")));
static RENEW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/renew.lua")));
static RETURN: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/return_hold.lua")));

/// Expired holds that one look finds at most.
const EXPIRED_HOLDS_MAX: isize = 256;

/// A hold whose request is still running, as the script reads it. The amount is a string: Lua would
/// round it.
#[derive(Debug, Clone, Serialize)]
pub struct OpenHold {
    /// Of which request.
    pub request: RequestId,
    /// Of whose balance.
    pub account: AccountId,
    /// Against which key's budget.
    pub key: KeyId,
    /// How much, in micro-USD.
    pub amount: String,
    /// After so long it counts as forgotten, as when it was reserved: milliseconds.
    pub lifetime_ms: u64,
}

/// What may be spent at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// By whom.
    pub spender: Spender,
    /// In which period; in all when absent.
    pub period: Option<Period>,
    /// How much.
    pub max: MicroUsd,
}

/// What is to be reserved.
#[derive(Debug, Clone)]
pub struct Reservation {
    /// For which request.
    pub request: RequestId,
    /// From whose balance.
    pub account: AccountId,
    /// Against which key's budget.
    pub key: KeyId,
    /// How much: the request's worst case.
    pub amount: MicroUsd,
    /// How much is enough when limits leave no more; the amount itself when nothing less will do.
    pub enough: MicroUsd,
    /// After so long, by Redis's clock, it counts as forgotten: milliseconds.
    pub lifetime_ms: u64,
    /// What the key and the account may spend, in all and in each period.
    pub budgets: Vec<Budget>,
    /// What everybody together may spend.
    pub total_budget: Option<MicroUsd>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// The amount is held for the request (also when it had been held before).
    Held(MicroUsd),
    /// The request has been settled already.
    Settled,
    /// The balance is too low; so much is available.
    Insufficient(MicroUsd),
    /// That budget is too low; so much is left.
    Budget(Budget, MicroUsd),
    /// Everybody's budget is too low; so much is left.
    TotalBudget(MicroUsd),
    /// The view is being rebuilt: nothing may be reserved now.
    Rebuilding,
}

/// What came of a look for a kept answer that may reserve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    /// There is an answer, or somebody asks for it: nothing was reserved.
    Known(Look),
    /// There is none: the request leads, if this was reserved.
    Lead(Reserved),
}

/// A hold that nobody settled in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiredHold {
    /// Of which request.
    pub request: RequestId,
    /// Of whose balance.
    pub account: AccountId,
    /// With which key.
    pub key: KeyId,
}

impl Reservation {
    /// The names of what there is to reserve from.
    pub(super) fn write_purse_keys(&self, keys: &mut Words) {
        let (account, partition) = (&self.account, subjects::partition(&self.account));
        keys.add(keys::live(partition))
            .add(keys::account(account))
            .add(keys::key(account, &self.key))
            .add(keys::holds(partition));
        for partition in 0..subjects::LEDGER_PARTITIONS {
            keys.add(keys::total(partition));
        }
    }

    /// The name of the hold.
    pub(super) fn write_hold_key(&self, keys: &mut Words) {
        keys.add(keys::hold(&self.account, &self.request));
    }

    /// What the script is given of what there is to reserve from. Days end by a place's clocks.
    pub(super) fn write_purse(&self, time_zone: TimeZone, words: &mut Words) {
        let partition = subjects::partition(&self.account);
        let total_budget = self.total_budget.map_or(String::new(), |most| most.0.to_string());
        words
            .add(self.lifetime_ms)
            .add(self.account.as_str())
            .add(self.key.as_str())
            .add(total_budget)
            .add(subjects::LEDGER_PARTITIONS)
            .add(partition + 1)
            .add(self.budgets.len());
        let now_ms = clock::unix_ms();
        for Budget { spender, period, max } in &self.budgets {
            let owner = match spender {
                Spender::Account => 1,
                Spender::Key => 2,
            };
            let spent_in =
                |period: Period| spending::field(period, period.end_seconds(now_ms, time_zone));
            let field = period.map_or_else(|| spending::TOTAL.to_owned(), spent_in);
            words.add(owner).add(field).add(max.0);
        }
    }

    /// What it is given of how much is wanted.
    pub(super) fn write_amounts(&self, words: &mut Words) {
        words.add(self.amount.0).add(self.enough.0);
    }
}

/// What the script said of a look that may reserve.
pub(super) fn sought(
    wanted: &Reservation,
    (said, found, amount, which): (String, Vec<u8>, i64, usize),
) -> Result<Sought, StoreError> {
    let text = |found: Vec<u8>| String::from_utf8_lossy(&found).into_owned();
    match said.as_str() {
        "kept" => Ok(Sought::Known(Look::Kept(found))),
        "follow" => Ok(Sought::Known(Look::Follow(text(found)))),
        _ => reserved(wanted, (text(found), amount, which)).map(Sought::Lead),
    }
}

/// What the script said of a reservation.
fn reserved(
    wanted: &Reservation,
    (answer, amount, which): (String, i64, usize),
) -> Result<Reserved, StoreError> {
    let amount = MicroUsd(amount);
    match answer.as_str() {
        "new" | "held" => Ok(Reserved::Held(amount)),
        "done" => Ok(Reserved::Settled),
        "insufficient" => Ok(Reserved::Insufficient(amount)),
        "budget" => {
            let budget = which.checked_sub(1).and_then(|index| wanted.budgets.get(index));
            let budget = budget.ok_or_else(|| StoreError::Unreadable("reserve".into()))?;
            Ok(Reserved::Budget(*budget, amount))
        }
        "total_budget" => Ok(Reserved::TotalBudget(amount)),
        "rebuilding" => Ok(Reserved::Rebuilding),
        _ => Err(StoreError::Unreadable("reserve".into())),
    }
}

impl Store {
    /// The holds of a part that are past their time, at most 256 of them.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn expired_holds(&self, partition: u16) -> Result<Vec<ExpiredHold>, StoreError> {
        let found: Vec<(String, String, String)> = EXPIRED
            .prepare_invoke()
            .key(keys::holds(partition))
            .arg(keys::partition_prefix(partition))
            .arg(EXPIRED_HOLDS_MAX)
            .invoke_async(&mut self.connection())
            .await?;
        let named = |(request, account, key): (String, String, String)| {
            let unreadable = |_| StoreError::Unreadable(keys::hold_in(partition, &request));
            Ok(ExpiredHold {
                request: RequestId::parse(request.clone()).map_err(unreadable)?,
                account: AccountId::parse(account).map_err(unreadable)?,
                key: KeyId::parse(key).map_err(unreadable)?,
            })
        };
        found.into_iter().map(named).collect()
    }

    /// Gives a hold back whose request has ended in the ledger with the event at a sequence, if the
    /// view has that already. Returns whether it was given back.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn return_hold(&self, hold: &ExpiredHold, end: u64) -> Result<bool, StoreError> {
        let partition = subjects::partition(&hold.account);
        let returned: i64 = RETURN
            .prepare_invoke()
            .key(keys::watermark(partition))
            .key(keys::holds(partition))
            .key(keys::total(partition))
            .arg(keys::partition_prefix(partition))
            .arg(hold.request.as_str())
            .arg(end)
            .arg(TOMBSTONE_SECONDS)
            .invoke_async(&mut self.connection())
            .await?;
        Ok(returned == 1)
    }

    /// Puts holds of one part back that the view has forgotten. Returns how many it had.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn renew_holds(&self, partition: u16, open: &[OpenHold]) -> Result<u64, StoreError> {
        let open =
            serde_json::to_string(open).map_err(|_| StoreError::Unreadable("open holds".into()))?;
        let renewed = RENEW
            .prepare_invoke()
            .key(keys::holds(partition))
            .key(keys::total(partition))
            .arg(keys::partition_prefix(partition))
            .arg(open)
            .invoke_async(&mut self.connection())
            .await?;
        Ok(renewed)
    }

    /// Redis's own clock: milliseconds since 1970.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn clock_ms(&self) -> Result<u64, StoreError> {
        let time = redis::cmd("TIME");
        let (seconds, micros): (u64, u64) = time.query_async(&mut self.connection()).await?;
        Ok(seconds.saturating_mul(1_000).saturating_add(micros / 1_000))
    }

    /// How many holds are open in all.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn open_holds(&self) -> Result<u64, StoreError> {
        let mut open = 0;
        for partition in 0..subjects::LEDGER_PARTITIONS {
            let count: u64 = redis::cmd("ZCARD")
                .arg(keys::holds(partition))
                .query_async(&mut self.connection())
                .await?;
            open += count;
        }
        Ok(open)
    }
}
