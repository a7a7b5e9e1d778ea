//! The lead of a question that is being asked: equal questions, on any gateway, follow it and take
//! the kept answer. It lasts as long as its request, and a little longer when its gateway dies;
//! then a follower takes it. It never holds an answer.

use crate::cache::AnswerKey;
use crate::state::Gateway;
use schemas::ids::RequestId;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long a lead stays without a sign of its gateway, in milliseconds.
pub(super) const LEAD_LEASE_MS: u64 = 5_000;

/// Between two signs of life: several within a lease.
const SIGN_INTERVAL: Duration = Duration::from_secs(1);

/// A lead; dropping it gives it to the next.
pub(super) struct Lead {
    gateway: Arc<Gateway>,
    key: AnswerKey,
    request: RequestId,
    signs: JoinHandle<()>,
    /// Whoever kept the answer has given it back.
    is_over: bool,
}

impl Lead {
    /// Keeps a lead that was just taken.
    pub(super) fn keep(gateway: &Arc<Gateway>, key: &AnswerKey, request: &RequestId) -> Self {
        let (given, key, request) = (Arc::clone(gateway), key.clone(), request.clone());
        let (of, name) = (key.clone(), request.clone());
        let signs = gateway.settlements.spawn("lead", async move {
            loop {
                tokio::time::sleep(SIGN_INTERVAL).await;
                let (tenant, digest) = (of.tenant(), of.digest());
                match given.store.lead_on(tenant, digest, &name, LEAD_LEASE_MS).await {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => tracing::debug!(%error, "a lead may be lost"),
                }
            }
        });
        Self { gateway: Arc::clone(gateway), key, request, signs, is_over: false }
    }

    /// The answer was kept, and with it the lead was given back.
    pub(super) fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.signs.abort();
        if self.is_over {
            return;
        }
        let (gateway, key) = (Arc::clone(&self.gateway), self.key.clone());
        let request = self.request.clone();
        self.gateway.settlements.spawn("give a lead back", async move {
            let ended = gateway.store.lead_on(key.tenant(), key.digest(), &request, 0).await;
            if let Err(error) = ended {
                tracing::debug!(%error, "a lead ends only with its lease");
            }
        });
    }
}
