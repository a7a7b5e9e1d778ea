//! Ledger events → balances, holds, usage and last requests, each exactly once: the watermark moves
//! in the same script. Several billing workers may apply the same events; the compare is the fence.

use super::batch::Batch;
use super::call::Call;
use super::{Store, StoreError, keys, spending};
use crate::bus::ledger::Entry;
use crate::clock;
use redis::Script;
use schemas::subjects;
use std::sync::LazyLock;

static APPLY: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/apply.lua")));
static GO_LIVE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/go_live.lua")));
static WIPE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/wipe.lua")));

/// How long a settled request is remembered, so that a late reservation of it holds nothing. What
/// comes still later is given back when its hold expires ([`Store::return_hold`]): longer than a
/// request by default (`gateway.request_seconds_max` is 600), and not longer than each may be.
pub(super) const TOMBSTONE_SECONDS: u64 = 900;

/// Events that one script call applies at most: keeps Redis responsive beside it.
pub const BATCH_EVENTS_MAX: usize = 256;

/// The last requests of an account that the view keeps.
pub const REQUESTS_MAX: isize = 1_000;

/// Counters of a key or an account beyond which those of periods that are over are forgotten.
const COUNTERS_MAX: u64 = 48;

/// What applying writes: a view that an older program wrote lacks something and is rebuilt. What no
/// closing has must then be read from the whole ledger.
pub(super) const VIEW_VERSION: u64 = 2;

/// What came of applying a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The view is at this sequence now.
    At(u64),
    /// The view is not where we left it (wiped, or rolled back): read its watermark and start anew.
    Reseek,
}

/// Where a view stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ViewStanding {
    /// The sequence of the last event applied; none for a view of which nothing is there.
    pub watermark: Option<u64>,
    /// The cut that it was begun from: events up to there are in its sums. 0 for none.
    pub base: u64,
    /// Of a base that is being laid: which one, and the number of the next piece.
    pub laying: Option<(u64, u64)>,
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

    /// The last event that was applied to a part: its sequence, and when NATS took it, in
    /// milliseconds since 1970. A view that an older program wrote doesn't say it.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn last_taken(&self, partition: u16) -> Result<Option<(u64, u64)>, StoreError> {
        let (sequence, taken_ms): (Option<u64>, Option<u64>) = redis::cmd("HMGET")
            .arg(keys::total(partition))
            .arg(&["last", "last_ms"])
            .query_async(&mut self.connection())
            .await?;
        Ok(sequence.zip(taken_ms))
    }

    /// Where a part's view stands, all read at once.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn standing(&self, partition: u16) -> Result<ViewStanding, StoreError> {
        let marks = ["base", "laying"];
        let (watermark, (base, laying)): (Option<u64>, (Option<u64>, Option<String>)) =
            redis::pipe()
                .atomic()
                .cmd("GET")
                .arg(keys::watermark(partition))
                .cmd("HMGET")
                .arg(keys::total(partition))
                .arg(&marks)
                .query_async(&mut self.connection())
                .await?;
        let laying = laying.and_then(|text| {
            let (base, number) = text.split_once(':')?;
            Some((base.parse().ok()?, number.parse().ok()?))
        });
        Ok(ViewStanding { watermark, base: base.unwrap_or(0), laying })
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

    /// Applies events of one part in their order; `before` is the sequence applied before them, and
    /// `base` the cut that the view was begun from. Events up to that are in its sums: they count
    /// again for calendar periods, last requests and settled holds alone.
    ///
    /// # Errors
    /// When Redis is away: repeating the batch is safe.
    pub async fn apply(
        &self,
        partition: u16,
        before: u64,
        base: u64,
        entries: &[Entry],
    ) -> Result<Applied, StoreError> {
        let last = entries.last().map_or(before, |entry| entry.sequence);
        let taken_ms = entries.last().map_or(0, |entry| entry.taken_ms);
        let (mut before, now_ms) = (before, clock::unix_ms());
        loop {
            let mut batch = Batch::default();
            for entry in entries.iter().filter(|entry| entry.sequence > before) {
                let periods = |at_ms| spending::fields_at(at_ms, now_ms, self.time_zone);
                batch.add(entry, base, now_ms, periods)?;
            }
            let at = self.apply_batch(partition, (before, last, taken_ms), base, &batch).await?;
            match u64::try_from(at) {
                Err(_) => return Ok(Applied::Reseek),
                Ok(at) if at >= last => return Ok(Applied::At(at)),
                // Another worker has applied some of them: the rest is added up anew.
                Ok(at) => before = at,
            }
        }
    }

    async fn apply_batch(
        &self,
        partition: u16,
        (before, last, taken_ms): (u64, u64, u64),
        base: u64,
        batch: &Batch,
    ) -> Result<i64, StoreError> {
        let named = [
            keys::watermark(partition),
            keys::holds(partition),
            keys::total(partition),
            keys::lots(partition),
        ];
        let mut call = Call::new(&APPLY, &named);
        call.arg(keys::partition_prefix(partition))
            .arg(before)
            .arg(last)
            .arg(base)
            .arg(VIEW_VERSION)
            .arg(TOMBSTONE_SECONDS)
            .arg(COUNTERS_MAX)
            .arg(-1 - REQUESTS_MAX)
            .arg(taken_ms);
        batch.write(&mut call)?;
        Ok(call.ask(&mut self.connection()).await?)
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

    /// What [`Store::probe`] asks, and whether all parts' views are complete: else some accounts
    /// can reserve nothing. It is one round trip.
    ///
    /// # Errors
    /// When Redis is away, or may not be written.
    pub async fn probe_whole(&self) -> Result<bool, StoreError> {
        let mut look = redis::pipe();
        look.add_command(super::probe()).ignore();
        for partition in partitions() {
            look.cmd("EXISTS").arg(keys::live(partition));
        }
        let there: Vec<bool> = look.query_async(&mut self.connection()).await?;
        Ok(there.into_iter().all(|is_live| is_live))
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
        Ok(said.is_some() && said == self.process().await?)
    }

    /// Which process of Redis answers: another one may lack the last second of the one before.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn process(&self) -> Result<Option<String>, StoreError> {
        let server: String =
            redis::cmd("INFO").arg("server").query_async(&mut self.connection()).await?;
        let process = server.lines().find_map(|line| line.strip_prefix("run_id:"));
        Ok(process.map(|process| process.trim().to_owned()))
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

    /// Forgets a part's view of money, so that it is rebuilt from the last closing on.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn wipe_view(&self, partition: u16) -> Result<u64, StoreError> {
        self.wipe(partition, "").await
    }

    /// Forgets a part's view of money, so that it is rebuilt from the ledger's first event.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn wipe_view_for_whole(&self, partition: u16) -> Result<u64, StoreError> {
        self.wipe(partition, "0").await
    }

    async fn wipe(&self, partition: u16, watermark: &str) -> Result<u64, StoreError> {
        let removed: u64 = WIPE
            .prepare_invoke()
            .key(keys::live(partition))
            .key(keys::watermark(partition))
            .key(keys::holds(partition))
            .key(keys::total(partition))
            .key(keys::lots(partition))
            .arg(keys::partition_prefix(partition))
            .arg(watermark)
            .invoke_async(&mut self.connection())
            .await?;
        Ok(removed)
    }
}

/// The part of the ledger that a whole store covers.
pub fn partitions() -> std::ops::Range<u16> {
    0..subjects::LEDGER_PARTITIONS
}
