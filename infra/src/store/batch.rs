//! What a batch of ledger events comes to: what each counter grows by, which requests end, which
//! rows and lots there are. It is added up here, because a script reads each byte that it is given.

use super::apply::TOMBSTONE_SECONDS;
use super::balances::RequestRow;
use super::call::Call;
use super::spending::TOTAL;
use super::{StoreError, keys, lots};
use crate::bus::ledger::Entry;
use crate::counted;
use schemas::ids::{AccountId, KeyId, RequestId};
use schemas::ledger::{EventV1, Fact};
use schemas::subjects;
use std::collections::BTreeMap;

/// Counters that one hash is given at once: a script can't take any number of words together.
const FIELDS_AT_ONCE_MAX: usize = 1_000;

/// A batch, as the script reads it.
#[derive(Debug, Default)]
pub(super) struct Batch {
    hashes: BTreeMap<String, Counters>,
    ended: Vec<Ended>,
    /// The lists of last requests.
    rows: BTreeMap<String, Vec<(u64, String)>>,
    lots: Vec<(u64, String)>,
}

/// A request that ends.
#[derive(Debug)]
struct Ended {
    request: String,
    /// The names of what its account and its key has.
    owners: [String; 2],
    /// Whether it ended so lately that somebody may still reserve for it.
    is_fresh: bool,
}

/// What is counted in a hash.
#[derive(Debug, Default)]
struct Counters {
    /// Whether some are of calendar periods, which are over one day.
    spends: bool,
    /// By so much they grow. Wider than what Redis counts with, as a sum may pass that on its way.
    fields: BTreeMap<String, i128>,
}

impl Batch {
    /// Adds an event, at a time in milliseconds since 1970. Of one up to `base` the view has the
    /// sums already: it counts in the calendar periods that `periods` names, and its request ends.
    pub(super) fn add(
        &mut self,
        entry: &Entry,
        base: u64,
        now_ms: u64,
        periods: impl Fn(u64) -> Vec<String>,
    ) -> Result<(), StoreError> {
        let event = entry.event.as_ref().filter(|event| event.is_of_an_account());
        let Some(event) = event else {
            // A late end of a request charges nothing. Its hold is given back all the same,
            // because no other end can be written. What else is refused moves the watermark alone.
            if let Some(late) = &entry.late
                && self.end(late, now_ms)
            {
                self.count(keys::account(&late.account), "balance", 0);
            }
            return Ok(());
        };
        let is_new = entry.sequence > base;
        let counts = |amount: i64| if is_new { amount } else { 0 };
        self.count(keys::account(&event.account), "balance", counts(event.amount.0));
        self.end(event, now_ms);
        if let Fact::Use(fact) = &event.fact {
            let charge = event.amount.negated().0;
            self.spend(event, &fact.key, (counts(charge), charge), periods(event.at_ms));
            if is_new && let Some((row, sums)) = counted::count(event) {
                for (field, count) in counted::fields(&row, &sums) {
                    let count = i64::try_from(count).unwrap_or(i64::MAX);
                    self.count(keys::usage(&event.account), &field, count);
                }
            }
        }
        if let Some(row) = RequestRow::of(event) {
            let row = serde_json::to_string(&row).map_err(|_| unreadable())?;
            let list = self.rows.entry(keys::requests(&event.account)).or_default();
            list.push((entry.sequence, row));
        }
        if is_new && let Some(lot) = lots::lot_of(event) {
            let (lot, ends_ms) = lot.map_err(|_| unreadable())?;
            self.lots.push((ends_ms, lot));
        }
        Ok(())
    }

    /// The request of an event ends, if it has one.
    fn end(&mut self, event: &EventV1, now_ms: u64) -> bool {
        let (request, key): (&RequestId, &KeyId) = match &event.fact {
            Fact::Use(fact) => (&fact.request, &fact.key),
            Fact::Void(fact) => (&fact.request, &fact.key),
            // The amount says it all.
            Fact::Grant { .. }
            | Fact::TopUp(_)
            | Fact::Bonus { .. }
            | Fact::Refund { .. }
            | Fact::RefundFailed { .. }
            | Fact::Dispute { .. }
            | Fact::Expiry { .. }
            | Fact::Snapshot(_)
            | Fact::Counted(_)
            | Fact::Cut(_)
            | Fact::Closing(_) => return false,
        };
        let account: &AccountId = &event.account;
        let owners = [keys::account(account), keys::key(account, key)];
        let is_fresh = now_ms.saturating_sub(event.at_ms) < TOMBSTONE_SECONDS * 1_000;
        self.ended.push(Ended { request: request.to_string(), owners, is_fresh });
        true
    }

    fn spend(
        &mut self,
        event: &EventV1,
        key: &KeyId,
        (in_all, in_periods): (i64, i64),
        periods: Vec<String>,
    ) {
        let account = &event.account;
        for name in [keys::key(account, key), keys::account(account)] {
            self.hashes.entry(name.clone()).or_default().spends = true;
            self.count(name.clone(), TOTAL, in_all);
            for period in &periods {
                self.count(name.clone(), period, in_periods);
            }
        }
        self.count(keys::total(subjects::partition(account)), TOTAL, in_all);
    }

    fn count(&mut self, name: String, field: &str, count: i64) {
        let fields = &mut self.hashes.entry(name).or_default().fields;
        match fields.get_mut(field) {
            Some(sum) => *sum += i128::from(count),
            None => {
                fields.insert(field.to_owned(), i128::from(count));
            }
        }
    }

    /// Writes it behind what the script is given.
    pub(super) fn write(&self, call: &mut Call<'_>) -> Result<(), StoreError> {
        let parts = |hash: &Counters| hash.fields.len().div_ceil(FIELDS_AT_ONCE_MAX);
        call.arg(self.hashes.values().map(parts).sum::<usize>());
        for (name, hash) in &self.hashes {
            let fields: Vec<(&String, &i128)> = hash.fields.iter().collect();
            for part in fields.chunks(FIELDS_AT_ONCE_MAX) {
                call.arg(name).arg(i32::from(hash.spends)).arg(part.len());
                for (field, _) in part {
                    call.arg(field.as_str());
                }
                for (_, sum) in part {
                    call.arg(i64::try_from(**sum).map_err(|_| unreadable())?);
                }
            }
        }
        call.arg(self.ended.len());
        for Ended { request, owners: [account, key], is_fresh } in &self.ended {
            call.arg(request).arg(account).arg(key).arg(i32::from(*is_fresh));
        }
        call.arg(self.rows.len());
        for (name, rows) in &self.rows {
            call.arg(name).arg(rows.len());
            for (sequence, row) in rows {
                call.arg(sequence).arg(row);
            }
        }
        call.arg(self.lots.len());
        for (ends_ms, lot) in &self.lots {
            call.arg(ends_ms).arg(lot);
        }
        Ok(())
    }
}

fn unreadable() -> StoreError {
    StoreError::Unreadable("a batch of events".into())
}
