//! The lead of a question that is being asked: equal questions, on any gateway, follow it and take
//! the kept answer. It lasts as long as its request, and a little longer when its gateway dies;
//! then a follower takes it. It never holds an answer.

use crate::cache::AnswerKey;
use crate::state::{Core, Gateway};
use infra::store::StoreError;
use infra::store::answers::{Leading, Looking};
use schemas::ids::RequestId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a lead stays without a sign of its gateway, in milliseconds.
const LEAD_LEASE_MS: u64 = 5_000;

/// Between two signs of life: several within a lease.
const SIGN_INTERVAL: Duration = Duration::from_secs(1);

/// Leads that one script call renews at most: keeps Redis responsive beside it.
const LEADS_AT_ONCE_MAX: usize = 500;

/// All leads of a gateway.
#[derive(Default)]
pub(crate) struct Leads(Mutex<HashMap<RequestId, AnswerKey>>);

impl Leads {
    fn table(&self) -> MutexGuard<'_, HashMap<RequestId, AnswerKey>> {
        // A panic while holding the lock leaves a usable table: every change is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Renews all leads as long as the gateway lives.
pub(crate) fn keep_leads(core: &Arc<Core>) {
    let keeper = Arc::clone(core);
    core.background.spawn_vital("leads", async move {
        let stop = keeper.background.stop().clone();
        let mut signs = tokio::time::interval(SIGN_INTERVAL);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = signs.tick() => {}
            }
            if let Err(error) = renew(&keeper).await {
                tracing::debug!(%error, "leads may be lost");
            }
        }
    });
}

async fn renew(core: &Core) -> Result<(), StoreError> {
    let all: Vec<(RequestId, AnswerKey)> = {
        let table = core.leads.table();
        table.iter().map(|(request, key)| (request.clone(), key.clone())).collect()
    };
    for some in all.chunks(LEADS_AT_ONCE_MAX) {
        let leading = some.iter().map(|(request, key)| leading(key, request));
        let leading: Vec<Leading<'_>> = leading.collect();
        let led = core.store.lead_on(&leading, LEAD_LEASE_MS).await?;
        for ((request, _), still) in some.iter().zip(led) {
            if !still {
                core.leads.table().remove(request);
            }
        }
    }
    Ok(())
}

fn leading<'a>(key: &'a AnswerKey, request: &'a RequestId) -> Leading<'a> {
    Leading { tenant: key.tenant(), digest: key.digest(), request }
}

/// A lead; dropping it gives it to the next.
pub(super) struct Lead {
    core: Arc<Core>,
    key: AnswerKey,
    request: RequestId,
    /// Whoever kept the answer has given it back.
    is_over: bool,
}

impl Lead {
    /// How a request looks for a kept answer, or for the lead.
    pub(super) fn looking<'a>(
        gateway: &Gateway,
        key: &'a AnswerKey,
        request: &'a RequestId,
    ) -> Looking<'a> {
        Looking {
            digest: key.digest(),
            request,
            lease_ms: LEAD_LEASE_MS,
            time_max: Duration::from_millis(gateway.config.cache.look_ms_max),
        }
    }

    /// One that is about to be asked for: whoever leaves before the answer may have got it.
    pub(super) fn asked(core: &Arc<Core>, key: &AnswerKey, request: &RequestId) -> Self {
        let (key, request) = (key.clone(), request.clone());
        Self { core: Arc::clone(core), key, request, is_over: false }
    }

    /// It was got, and is kept from now on.
    pub(super) fn keep(self) -> Self {
        self.core.leads.table().insert(self.request.clone(), self.key.clone());
        self
    }

    /// The answer was kept, and with it the lead was given back; or it was never got.
    pub(super) fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.core.leads.table().remove(&self.request);
        if self.is_over {
            return;
        }
        let (core, key) = (Arc::clone(&self.core), self.key.clone());
        let request = self.request.clone();
        self.core.settlements.spawn("give a lead back", async move {
            let ended = core.store.lead_on(&[leading(&key, &request)], 0).await;
            if let Err(error) = ended {
                tracing::debug!(%error, "a lead ends only with its lease");
            }
        });
    }
}
