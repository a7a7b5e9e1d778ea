//! An empty view begins with what the last closing has, so that nobody waits until all charges that
//! ever were are applied. What calendar periods and lists of last requests need is read again; sums
//! are not. It never begins upon snapshots that don't sum to what their closing says.

use crate::Billing;
use futures::StreamExt;
use infra::bus::BusError;
use infra::store::StoreError;
use infra::store::base::Piece;
use schemas::ids::AccountId;
use schemas::snapshots::{Closing, Cut, Tally};
use schemas::subjects;

/// How far back events are read again: longer than a month, so that every budget has its period.
const AGAIN_MS: u64 = 35 * 86_400_000;

/// Accounts in one piece.
const PIECE_ACCOUNTS_MAX: usize = 500;

/// Why a view isn't begun.
#[derive(Debug, thiserror::Error)]
pub enum NotBegun {
    /// The ledger can't be read now.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The view can't be written now.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another worker does the same, or has done it.
    #[error("another billing worker lays the view")]
    Others,
    /// The closing isn't what lies before it.
    #[error("a closing isn't what its snapshots say; the view is made from all events")]
    Broken,
}

/// Begins a part's view with the last closing, if nothing of it is there and there is a closing.
///
/// # Errors
/// When it has to be tried again: nothing is laid twice.
pub async fn begin(billing: &Billing, partition: u16, now_ms: u64) -> Result<(), NotBegun> {
    if billing.store.standing(partition).await?.watermark.is_some() {
        return Ok(());
    }
    let Some(closing) = billing.bus.last_closing(partition).await? else { return Ok(()) };
    // An older program closed it, and counted nothing.
    let Some(requests) = closing.requests else { return Ok(()) };
    let mut laying = Laying::of(billing, &closing.cut).await?;
    if !lay(billing, &closing, requests, &mut laying, now_ms).await? {
        tracing::error!(partition, month = closing.cut.month, "a closing isn't what it says");
        billing.store.wipe_view_for_whole(partition).await?;
        return Err(NotBegun::Broken);
    }
    tracing::info!(partition, month = closing.cut.month, "the view begins with a closed month");
    Ok(())
}

/// Lays all pieces, unless they don't sum to what the closing says.
async fn lay(
    billing: &Billing,
    closing: &Closing,
    requests: u64,
    laying: &mut Laying<'_>,
    now_ms: u64,
) -> Result<bool, NotBegun> {
    let Cut { partition, through, .. } = closing.cut;
    let tallies = billing.bus.tallies(partition, Some(closing), through).await?;
    if tallies.is_broken {
        return Ok(false);
    }
    let accounts: Vec<(&AccountId, &Tally)> = tallies.accounts.iter().collect();
    for accounts in accounts.chunks(PIECE_ACCOUNTS_MAX) {
        let mut piece = Piece::default();
        for (account, tally) in accounts {
            piece.add_account(account, tally.balance(), tally.lots().all().iter())?;
        }
        laying.next(&piece, None).await?;
    }
    let mut counted = billing.bus.counted(partition, through).await?;
    let mut found = 0;
    while let Some(rows) = counted.next().await {
        let mut piece = Piece::default();
        let rows = rows?;
        piece.add_counted(&rows)?;
        laying.next(&piece, None).await?;
        found += infra::counted::requests_of(&rows);
    }
    if found != requests {
        return Ok(false);
    }
    let filter = subjects::ledger_partition(partition);
    let again = billing.bus.first_since(&filter, now_ms.saturating_sub(AGAIN_MS)).await?;
    let watermark = again.min(through + 1).saturating_sub(1);
    laying.next(&Piece::default(), Some(watermark)).await?;
    Ok(true)
}

/// Which piece is the next one.
struct Laying<'a> {
    billing: &'a Billing,
    cut: &'a Cut,
    number: u64,
    laid: u64,
}

impl<'a> Laying<'a> {
    async fn of(billing: &'a Billing, cut: &'a Cut) -> Result<Self, NotBegun> {
        let laid = match billing.store.standing(cut.partition).await?.laying {
            None => 0,
            // Somebody has begun and may be dead: its pieces are ours.
            Some((base, next)) if base == cut.through => next,
            Some(_) => {
                billing.store.wipe_view(cut.partition).await?;
                return Err(NotBegun::Others);
            }
        };
        Ok(Self { billing, cut, number: 0, laid })
    }

    async fn next(&mut self, piece: &Piece, watermark: Option<u64>) -> Result<(), NotBegun> {
        let number = self.number;
        self.number += 1;
        if number < self.laid {
            return Ok(());
        }
        let view = (self.cut.partition, self.cut.through);
        match self.billing.store.lay(view, number, piece, watermark).await? {
            true => Ok(()),
            false => Err(NotBegun::Others),
        }
    }
}
