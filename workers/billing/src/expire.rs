//! Holds that nobody settled: their gateway and worker are both gone. They are voided on the same
//! ledger subject that a charge would take, so a late charge and a void can't both exist. A hold
//! that was made when its request had ended long ago is given back.

use crate::Billing;
use infra::bus::BusError;
use infra::bus::ledger::Recorded;
use infra::clock;
use infra::config::HOLD_SECONDS_MAX;
use infra::seldom::Seldom;
use infra::store::StoreError;
use infra::store::holds::ExpiredHold;
use schemas::ledger::{EventV1, Void, VoidReason, Writer};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Redis's clock may go ahead of ours by so much between two looks: it is set right all the time,
/// and a look may take a while.
const JUMP_MIN: Duration = Duration::from_secs(10);

/// The longest that a jump of Redis's clock keeps expired holds waiting: by then each has had the
/// time that it was to have, whatever the configuration of its gateway said.
const JUMP_PAUSE_MAX: Duration = Duration::from_secs(46_800);

const _: () = assert!(JUMP_PAUSE_MAX.as_secs() == HOLD_SECONDS_MAX);

/// Voids expired holds of one part until `stop`.
pub(crate) async fn expire(billing: Arc<Billing>, partition: u16, stop: CancellationToken) {
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    let mut watch = Watch::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
        }
        if let Err(error) = look(&billing, partition, &mut watch).await {
            static AWAY: Seldom = Seldom::new();
            AWAY.say(|| tracing::warn!(partition, %error, "expired holds can't be looked for"));
        }
    }
}

async fn look(billing: &Billing, partition: u16, watch: &mut Watch) -> Result<(), StoreError> {
    if !watch.is_steady(billing.store.clock_ms().await?, Instant::now()) {
        return Ok(());
    }
    for hold in billing.store.expired_holds(partition).await? {
        void(billing, hold).await;
    }
    Ok(())
}

/// Holds end by Redis's clock. When that jumps ahead, those of running requests would all be past
/// their time at once, so they get the time that they were to have.
#[derive(Default)]
struct Watch {
    /// Redis's clock at the last look, and when that was.
    before: Option<(u64, Instant)>,
    paused_until: Option<Instant>,
}

impl Watch {
    /// Learns what Redis's clock says, and whether it can be trusted.
    fn is_steady(&mut self, redis_ms: u64, now: Instant) -> bool {
        if let Some((before_ms, before)) = self.before.replace((redis_ms, now)) {
            let went = Duration::from_millis(redis_ms.saturating_sub(before_ms));
            let jump = went.saturating_sub(now.saturating_duration_since(before));
            if jump >= JUMP_MIN {
                tracing::warn!(?jump, "Redis's clock has jumped: no hold ends meanwhile");
                let until = now + jump.min(JUMP_PAUSE_MAX);
                self.paused_until = Some(self.paused_until.map_or(until, |it| it.max(until)));
            }
        }
        self.paused_until.is_none_or(|until| now >= until)
    }
}

async fn void(billing: &Billing, hold: ExpiredHold) {
    let void = Void {
        request: hold.request.clone(),
        key: hold.key.clone(),
        reason: VoidReason::Expired,
        writer: Writer::Sweeper,
    };
    let event = EventV1::void(hold.account.clone(), clock::unix_ms(), void);
    match billing.bus.record(&event).await {
        Ok(Recorded::Before(_)) => match return_late(billing, &hold, &event).await {
            // As a rule its end has come meanwhile, and only waits to be applied.
            Ok(false) => {}
            Ok(true) => {
                let request = &hold.request;
                tracing::info!(%request, "a hold from after its request's end is back");
                billing.metrics.holds_swept_total.with_label_values::<&str>(&[]).inc();
            }
            Err(error) => tracing::warn!(%error, "an expired hold could not be given back yet"),
        },
        Ok(Recorded::Written(_)) => {
            tracing::info!(request = ?event.request(), "a hold that nobody settled was voided");
            billing.metrics.holds_swept_total.with_label_values::<&str>(&[]).inc();
        }
        Err(error) => tracing::warn!(%error, "an expired hold could not be voided yet"),
    }
}

/// Gives a hold back whose request has ended, if that was before it was made.
async fn return_late(
    billing: &Billing,
    hold: &ExpiredHold,
    end: &EventV1,
) -> Result<bool, NotReturned> {
    let end = billing.bus.last_end(end).await?;
    Ok(billing.store.return_hold(hold, end).await?)
}

#[derive(Debug, thiserror::Error)]
enum NotReturned {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_clock_that_jumps_ahead_ends_no_hold_before_its_time() {
        let (mut watch, now, redis_ms) = (Watch::default(), Instant::now(), 1_000_000);
        assert!(watch.is_steady(redis_ms, now));
        assert!(watch.is_steady(redis_ms + 1_200, now + SECOND));
        let jumped_ms = redis_ms + 60_000;
        assert!(!watch.is_steady(jumped_ms + 2_000, now + 2 * SECOND));
        assert!(!watch.is_steady(jumped_ms + 50_000, now + 50 * SECOND));
        assert!(watch.is_steady(jumped_ms + 70_000, now + 70 * SECOND), "its own time is over");
        let day_ms = 86_400_000;
        assert!(!watch.is_steady(day_ms, now + 71 * SECOND));
        let later = now + 71 * SECOND + JUMP_PAUSE_MAX;
        assert!(!watch.is_steady(day_ms + HOLD_SECONDS_MAX * 1_000 - 1_000, later - SECOND));
        assert!(watch.is_steady(day_ms + HOLD_SECONDS_MAX * 1_000, later));
        assert!(watch.is_steady(redis_ms, later + SECOND), "back: holds only end later");
    }

    #[test]
    fn a_look_that_was_long_in_coming_is_no_jump() {
        let (mut watch, now) = (Watch::default(), Instant::now());
        assert!(watch.is_steady(0, now));
        assert!(watch.is_steady(3_600_000, now + 3_600 * SECOND));
    }
}
