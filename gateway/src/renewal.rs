//! What a living gateway keeps for its requests under way: their places among the requests at once,
//! and their holds when the view has forgotten them. A gateway that dies stops doing so, and what
//! it kept comes back by itself.

use crate::chat::LEASE_MS;
use crate::state::Core;
use infra::seldom::Seldom;
use infra::store::holds::OpenHold;
use infra::store::{StoreError, apply};
use schemas::subjects;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks whether a part of the view is incomplete; well below the time that billing
/// leaves for it.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Looks between two renewals of the places: several within a lease.
const LOOKS_PER_LEASE: u32 = 10;

/// Holds that one script call puts back at most: keeps Redis responsive beside it.
const HOLDS_AT_ONCE_MAX: usize = 500;

/// Renews as long as the gateway lives.
pub(crate) fn watch(core: &Arc<Core>) {
    let keeper = Arc::clone(core);
    core.background.spawn_vital("keeper", async move {
        let stop = keeper.background.stop().clone();
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        let mut count = 0;
        let mut known = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = looks.tick() => count += 1,
            }
            let kept = async {
                renew_forgotten_holds(&keeper, &mut known).await?;
                if count % LOOKS_PER_LEASE == 0 {
                    renew_places(&keeper).await?;
                }
                Ok::<(), StoreError>(())
            };
            if let Err(error) = kept.await {
                static AWAY: Seldom = Seldom::new();
                AWAY.say(
                    || tracing::warn!(%error, "what requests under way need can't be kept now"),
                );
            }
        }
    });
}

/// Puts holds back where the view is incomplete, and everywhere after another process of Redis has
/// taken over: it may lack the holds of the last second without lacking an event, and then billing
/// misses nothing. Putting back what is there changes nothing.
async fn renew_forgotten_holds(core: &Core, known: &mut Option<String>) -> Result<(), StoreError> {
    let process = core.store.process().await?;
    let is_another = known.is_some() && *known != process;
    for partition in apply::partitions() {
        if !is_another && core.store.is_live(partition).await? {
            continue;
        }
        let open = core.exchange.open_holds();
        let of_part = |hold: &OpenHold| subjects::partition(&hold.account) == partition;
        let open: Vec<OpenHold> = open.into_iter().filter(of_part).collect();
        for some in open.chunks(HOLDS_AT_ONCE_MAX) {
            let renewed = core.store.renew_holds(partition, some).await?;
            if renewed > 0 {
                tracing::warn!(partition, renewed, "the view had forgotten holds; they are back");
            }
        }
    }
    *known = process;
    Ok(())
}

async fn renew_places(core: &Core) -> Result<(), StoreError> {
    for ((account, key), requests) in core.places.by_key() {
        core.store.stay(&account, &key, &requests, LEASE_MS).await?;
    }
    Ok(())
}
