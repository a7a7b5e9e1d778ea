//! The ends of requests as a gateway writes them to the ledger. `use` and `void` of a request stand
//! on one subject there, so that whoever writes first is right. It decides no amount.

use crate::credits;
use crate::state::Core;
use infra::bus::ledger::Recorded;
use infra::clock;
use schemas::error::Problem;
use schemas::ids::RequestId;
use schemas::ledger::{EventV1, Fact, Void, VoidReason, Writer};
use schemas::records::KeyRecordV1;
use std::sync::Arc;

impl Core {
    /// Lets something begin that will be charged: its credit is held. While the ledger takes
    /// nothing only a try may.
    pub(crate) fn may_charge(&self) -> Result<(), Problem> {
        if self.bus.ledger().begin() { Ok(()) } else { Err(credits::not_recorded()) }
    }

    /// Ends a request that costs nothing, whether or not it has a hold, and forgets it. The event
    /// is written in the background, so that no hang-up can get in its way.
    pub(crate) fn void(
        self: &Arc<Self>,
        request: &RequestId,
        key: &KeyRecordV1,
        reason: VoidReason,
    ) {
        self.exchange.leave(request);
        let event = void_of(request, key, reason);
        let writer = Arc::clone(self);
        self.settlements.spawn("void", async move { writer.write_down(&event).await });
    }

    /// Writes the charge of an answer that is told only when that stands. Returns nothing when it
    /// isn't confirmed: then the request costs nothing, unless the charge has arrived after all.
    pub(crate) async fn charge_or_void(
        &self,
        charge: &EventV1,
        key: &KeyRecordV1,
    ) -> Option<Recorded> {
        let void = charge.request().map(|request| void_of(request, key, VoidReason::Failed));
        self.write_down_or(charge, void.as_ref()).await
    }

    /// Ends a request whose gateway is gone, so that another may take its place. Returns whether it
    /// costs nothing; nothing when the ledger doesn't answer.
    pub(crate) async fn end_lost(&self, request: &RequestId, key: &KeyRecordV1) -> Option<bool> {
        match self.bus.record(&void_of(request, key, VoidReason::Failed)).await {
            Ok(Recorded::Written(_)) => Some(true),
            Ok(Recorded::Before(before)) => Some(matches!(before.fact, Fact::Void(_))),
            Err(error) => {
                tracing::warn!(%error, "a lost request can't be ended yet");
                None
            }
        }
    }
}

fn void_of(request: &RequestId, key: &KeyRecordV1, reason: VoidReason) -> EventV1 {
    let void =
        Void { request: request.clone(), key: key.key.clone(), reason, writer: Writer::Gateway };
    EventV1::void(key.account.clone(), clock::unix_ms(), void)
}
