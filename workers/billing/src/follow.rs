//! Ledger → view, for one part. It reads with its own cursor and lets the view's watermark decide
//! what is new, so it may be killed, doubled or started anew at any point. It declares the view
//! complete only after it has reached what the ledger held.

use crate::lag::AppliedSequences;
use crate::{Billing, begin};
use futures::stream::ReadyChunks;
use futures::{Stream, StreamExt};
use infra::bus::BusError;
use infra::bus::ledger::Entry;
use infra::clock;
use infra::crash::Point;
use infra::seldom::Seldom;
use infra::store::StoreError;
use infra::store::apply::{Applied, BATCH_EVENTS_MAX};
use schemas::subjects;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Between two checks, while the ledger is silent, that Redis still stands where we left it. When
/// it was restored from an older copy, requests are judged by that copy for so long at most.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// How long gateways have to put back the holds that an incomplete view may have forgotten.
const DARK_TIME: Duration = Duration::from_secs(2);

/// After a batch the next one waits so long for each event of it: under load events come together,
/// and a batch costs little more than one event. With little to do nothing waits.
const PAUSE_FOR_EACH: Duration = Duration::from_millis(2);

/// The longest of these pauses.
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// Pause before a new start after an error.
const RESTART_PAUSE: Duration = Duration::from_millis(200);

/// Why following has to start anew.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Begin(#[from] begin::NotBegun),
    #[error("the view was wiped or rolled back")]
    Reseek,
    #[error("the ledger's stream ended")]
    Ended,
}

/// Follows one part until `stop`.
pub(crate) async fn follow(
    billing: Arc<Billing>,
    applied: Arc<AppliedSequences>,
    partition: u16,
    stop: CancellationToken,
) {
    // Each part says its own: a wiped view of one isn't told by the silence of another.
    let away = Seldom::new();
    loop {
        let interrupted = tokio::select! {
            () = stop.cancelled() => return,
            Err(interrupted) = follow_once(&billing, &applied, partition) => interrupted,
        };
        away.say(|| tracing::warn!(partition, %interrupted, "following the ledger starts anew"));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RESTART_PAUSE) => {}
        }
    }
}

async fn follow_once(
    billing: &Billing,
    applied: &AppliedSequences,
    partition: u16,
) -> Result<(), Interrupted> {
    let filter = subjects::ledger_partition(partition);
    let mut connections = billing.bus.connections();
    connections.borrow_and_update();
    begin::begin(billing, partition, clock::unix_ms()).await?;
    let (mut before, goal) = position(billing, partition, &filter).await?;
    applied.note(partition, before);
    let base = billing.store.standing(partition).await?.base;
    let mut live = billing.store.is_live(partition).await?;
    if live {
        // From now on this process of Redis vouches for it.
        billing.store.go_live(partition, goal).await?;
    }
    // A view that was incomplete may have forgotten the holds of running requests: gateways get
    // time to put them back before anything can be reserved.
    let dark = !live && goal > 0;
    let earliest = Instant::now() + if dark { DARK_TIME } else { Duration::ZERO };
    let entries = billing.bus.follow_ledger(&filter, before + 1).await?;
    let mut batches = entries.ready_chunks(BATCH_EVENTS_MAX);
    let mut checks = tokio::time::interval(CHECK_INTERVAL);
    let mut due = Instant::now();
    loop {
        if !live && Instant::now() >= earliest {
            live = billing.store.go_live(partition, goal).await?;
        }
        tokio::select! {
            batch = next_batch(&mut batches, due) => {
                let batch = batch.ok_or(Interrupted::Ended)?;
                due = Instant::now() + pause_after(batch.len());
                let batch = batch.into_iter().collect::<Result<Vec<_>, _>>()?;
                let Some(last) = batch.last().map(|entry| entry.sequence) else { continue };
                Point::Followed.pass().await;
                match billing.store.apply(partition, before, base, &batch).await? {
                    Applied::At(_) => {
                        before = last;
                        applied.note(partition, before);
                    }
                    Applied::Reseek => return Err(Interrupted::Reseek),
                }
                Point::Applied.pass().await;
                count(billing, partition, &batch);
            }
            _ = checks.tick() => {
                let at = billing.store.watermark(partition).await?;
                if at < before {
                    billing.store.go_dark(partition).await?;
                    return Err(Interrupted::Reseek);
                }
                if live && !billing.store.is_live(partition).await? {
                    return Err(Interrupted::Reseek);
                }
            }
            // NATS may have lost its last second in a power cut, and we may be ahead of it.
            Ok(()) = connections.changed() => return Err(Interrupted::Reseek),
        }
    }
}

/// The next events, from that moment on. Safe to drop at any point: nothing is taken before it
/// returns.
async fn next_batch<S: Stream + Unpin>(
    batches: &mut ReadyChunks<S>,
    due: Instant,
) -> Option<Vec<S::Item>> {
    tokio::time::sleep_until(due).await;
    batches.next().await
}

fn pause_after(events: usize) -> Duration {
    let events = u32::try_from(events).unwrap_or(u32::MAX);
    PAUSE_FOR_EACH.saturating_mul(events).min(PAUSE_MAX)
}

/// Where the view stands, and where the ledger stood a moment later.
async fn position(
    billing: &Billing,
    partition: u16,
    filter: &str,
) -> Result<(u64, u64), Interrupted> {
    let before = billing.store.watermark(partition).await?;
    let goal = billing.bus.last_recorded(filter).await?;
    if before > goal || is_of_another(billing, partition, filter, before).await? {
        // The view knows events that the ledger doesn't: it belongs to another ledger, or NATS lost
        // its last second. New events have, or would have, sequences that count as applied.
        tracing::error!(partition, before, goal, "the view is of another ledger; rebuilding it");
        billing.store.wipe_view(partition).await?;
        return Err(Interrupted::Reseek);
    }
    if !billing.store.has_current_view(partition).await? {
        tracing::warn!(partition, "the view was written by an older program; rebuilding it");
        billing.store.wipe_view(partition).await?;
        return Err(Interrupted::Reseek);
    }
    if before == goal || billing.store.is_unbroken(partition).await? {
        // It only lags, as after a restart of billing: no hold is forgotten, and credit that is not
        // there yet harms nobody.
        return Ok((before, goal));
    }
    // Another billing worker may be about to catch up. If none does, nobody may reserve until we
    // have.
    tokio::time::sleep(RESTART_PAUSE).await;
    let before = billing.store.watermark(partition).await?;
    if before < goal {
        billing.store.go_dark(partition).await?;
    }
    Ok((before, goal))
}

/// Whether the ledger has another event where the view's last one was: it went back, and has been
/// written again beyond that since.
async fn is_of_another(
    billing: &Billing,
    partition: u16,
    filter: &str,
    before: u64,
) -> Result<bool, Interrupted> {
    let taken = billing.store.last_taken(partition).await?;
    // An older program may have applied others since.
    let Some((_, taken_ms)) = taken.filter(|(sequence, _)| *sequence == before) else {
        return Ok(false);
    };
    Ok(billing.bus.taken_at(filter, before).await? != Some(taken_ms))
}

fn count(billing: &Billing, partition: u16, batch: &[Entry]) {
    let label = partition.to_string();
    let events = batch.len();
    for late in batch.iter().filter_map(|entry| entry.late.as_ref()) {
        let (subject, amount) = (late.subject(), late.amount);
        tracing::error!(partition, subject, %amount, "an event came too late and doesn't count");
        billing.metrics.ledger_late_total.with_label_values(&[&label]).inc();
    }
    let counter = billing.metrics.ledger_applied_total.with_label_values(&[&label]);
    counter.inc_by(u64::try_from(events).unwrap_or(u64::MAX));
}
