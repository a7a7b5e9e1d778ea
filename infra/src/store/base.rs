//! What an empty view begins with: what accounts had at a cut, and what their requests had come to.
//! It is laid in pieces, each exactly once, by any number of billing workers; nothing is applied
//! before it is whole.

use super::apply::VIEW_VERSION;
use super::spending::TOTAL;
use super::{Store, StoreError, keys, lots};
use crate::counted;
use redis::Script;
use schemas::counted::Counted;
use schemas::ids::{AccountId, KeyId};
use schemas::lots::Lot;
use schemas::money::MicroUsd;
use schemas::subjects;
use std::collections::BTreeMap;
use std::sync::LazyLock;

static LAY: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/lay.lua")));

/// Some of what a view begins with.
#[derive(Debug, Default)]
pub struct Piece {
    counts: BTreeMap<(String, String), i64>,
    lots: Vec<(String, String)>,
}

impl Piece {
    /// What an account had.
    ///
    /// # Errors
    /// When a lot can't be written as the index names it.
    pub fn add_account<'a>(
        &mut self,
        account: &AccountId,
        balance: MicroUsd,
        lots: impl Iterator<Item = &'a Lot>,
    ) -> Result<(), StoreError> {
        self.count(keys::account(account), "balance", balance.0);
        for lot in lots {
            let Some(ends_ms) = lot.ends_ms() else { continue };
            let name = lots::name(account, lot.kind, &lot.source);
            let name = name.map_err(|_| StoreError::Unreadable(lot.source.clone()))?;
            self.lots.push((ends_ms.to_string(), name));
        }
        Ok(())
    }

    /// What some of an account's requests had come to.
    ///
    /// # Errors
    /// When a row has no key.
    pub fn add_counted(&mut self, counted: &Counted) -> Result<(), StoreError> {
        let Counted { account, rows, .. } = counted;
        for (row, counts) in rows {
            let key = KeyId::parse(counted::key_of(row));
            let key = key.map_err(|_| StoreError::Unreadable(row.clone()))?;
            for (field, count) in counted::fields(row, counts) {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                self.count(keys::usage(account), &field, count);
            }
            let cost = i64::try_from(counted::cost_of(counts)).unwrap_or(i64::MAX);
            let total = keys::total(subjects::partition(account));
            for name in [keys::key(account, &key), keys::account(account), total] {
                self.count(name, TOTAL, cost);
            }
        }
        Ok(())
    }

    fn count(&mut self, name: String, field: &str, count: i64) {
        let sum = self.counts.entry((name, field.to_owned())).or_default();
        *sum = sum.saturating_add(count);
    }
}

impl Store {
    /// Lays a piece of what a part's view begins with, which is of the cut at `base`. The last
    /// piece says from which sequence on events are applied. Returns whether it was its turn.
    ///
    /// # Errors
    /// When Redis is away: repeating it is safe, because its turn is over if it was laid.
    pub async fn lay(
        &self,
        (partition, base): (u16, u64),
        number: u64,
        piece: &Piece,
        watermark: Option<u64>,
    ) -> Result<bool, StoreError> {
        let counts = piece.counts.iter();
        let counts: Vec<_> =
            counts.map(|((name, field), n)| (name, field, n.to_string())).collect();
        let written = (serde_json::to_string(&counts), serde_json::to_string(&piece.lots));
        let (Ok(counts), Ok(lots)) = written else {
            return Err(StoreError::Unreadable("what a view begins with".into()));
        };
        let laid: i64 = LAY
            .prepare_invoke()
            .key(keys::watermark(partition))
            .key(keys::total(partition))
            .key(keys::lots(partition))
            .arg(base)
            .arg(number)
            .arg(watermark.map(|at| at.to_string()).unwrap_or_default())
            .arg(counts)
            .arg(lots)
            .arg(VIEW_VERSION)
            .invoke_async(&mut self.connection())
            .await?;
        Ok(laid == 1)
    }
}
