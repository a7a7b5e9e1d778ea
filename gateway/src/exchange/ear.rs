//! What is said on one subject, for as long as the gateway lives. It reads nothing of it.

use crate::state::Core;
use async_nats::{Message, Subscriber};
use futures::StreamExt;
use infra::bus::BusError;
use tokio_util::sync::CancellationToken;

/// A subscription that ends with the gateway.
pub(crate) struct Ear {
    said: Subscriber,
    stop: CancellationToken,
}

impl Ear {
    /// Listens from now on; `listening` names what for, should NATS refuse it.
    pub(crate) async fn open(
        core: &Core,
        subject: impl Into<String>,
        listening: &'static str,
    ) -> Result<Self, BusError> {
        let said = core.bus.client().subscribe(subject.into()).await;
        let said = said.map_err(|error| BusError::request(listening, error))?;
        Ok(Self { said, stop: core.background.stop().clone() })
    }

    /// What is said next; nothing when the gateway ends or the connection is closed.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        self.stop.run_until_cancelled(self.said.next()).await.flatten()
    }
}
