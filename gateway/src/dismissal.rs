//! Taking one worker out of service: it is told through NATS, finishes what it runs, takes nothing
//! new from the queue or past it, and leaves. Nothing is stopped here and no job is touched.

use crate::portal;
use crate::state::Gateway;
use infra::bus::BusError;
use schemas::ids::WorkerId;
use schemas::subjects;
use std::time::Duration;

/// How long the worker's own word that it drains may take: a message there and an advert back.
const WORD_SECONDS_MAX: Duration = Duration::from_secs(5);

/// Between two looks whether it has come.
const WORD_POLL: Duration = Duration::from_millis(10);

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dismissed {
    /// Nobody has heard of such a worker lately.
    Unknown,
    /// It says that it drains, or has left already.
    Drains,
    /// It says nothing: it is halted, or its NATS user may not hear the word.
    Silent,
}

/// Tells a worker to leave, and waits for its answer.
///
/// # Errors
/// When NATS is away.
pub(crate) async fn dismiss(gateway: &Gateway, worker: &WorkerId) -> Result<Dismissed, BusError> {
    if gateway.fleet.is_draining(worker).is_none() {
        return Ok(Dismissed::Unknown);
    }
    portal::audit(gateway, format!("drain {worker}")).await;
    let telling = |error: String| BusError::request("draining a worker", error);
    let client = gateway.bus.client();
    let told = client.publish(subjects::drain(worker), bytes::Bytes::new()).await;
    told.map_err(|error| telling(error.to_string()))?;
    client.flush().await.map_err(|error| telling(error.to_string()))?;
    let heard = async {
        while gateway.fleet.is_draining(worker) == Some(false) {
            tokio::time::sleep(WORD_POLL).await;
        }
    };
    let heard = tokio::time::timeout(WORD_SECONDS_MAX, heard).await;
    Ok(if heard.is_ok() { Dismissed::Drains } else { Dismissed::Silent })
}
