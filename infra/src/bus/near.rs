//! Jobs and frames that need not leave the process. A gateway and a worker of `fly-llm up` share
//! one connection to NATS; what they have for each other goes from hand to hand: the same messages
//! under the same names, without two trips through sockets and without their encoding. Who isn't in
//! this process is reached through NATS.

use super::direct::{DirectJob, JobBody};
use super::{Bus, BusError};
use async_nats::PublishError;
use schemas::frame::{Frame, FrameV1};
use schemas::ids::{GatewayId, RequestId};
use schemas::{json, subjects};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Takes a job, or says that there is no room.
type TakeJob = dyn Fn(DirectJob) -> bool + Send + Sync;

/// Hears a frame of a request.
type HearFrame = dyn Fn(&RequestId, FrameV1) + Send + Sync;

/// Whoever is in this process, by name.
struct Present<T: ?Sized>(RwLock<HashMap<String, Arc<T>>>);

impl<T: ?Sized> Default for Present<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T: ?Sized> Present<T> {
    fn enter(&self, name: &str, who: Arc<T>) {
        // A panic while holding the lock leaves a usable table: every change is one call.
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), who);
    }

    fn find(&self, name: &str) -> Option<Arc<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn leave(&self, name: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

/// All who share a connection.
#[derive(Default)]
pub(super) struct Near {
    workers: Present<TakeJob>,
    gateways: Present<HearFrame>,
}

/// Somebody is reachable within the process until this is dropped.
pub struct Reachable {
    near: Arc<Near>,
    name: String,
}

impl Drop for Reachable {
    fn drop(&mut self) {
        // Names are subjects: a worker's is never a gateway's.
        self.near.workers.leave(&self.name);
        self.near.gateways.leave(&self.name);
    }
}

/// What became of a job that was handed to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handed {
    /// A worker in this process has it.
    Near,
    /// A worker in this process has no room for it.
    Refused,
    /// It was sent; nothing is known of it yet.
    Sent,
}

/// The way of one request's frames to its gateway.
#[derive(Clone)]
pub struct FrameWay {
    request: RequestId,
    to: To,
}

#[derive(Clone)]
enum To {
    Near(Arc<HearFrame>),
    Nats { client: async_nats::Client, subject: String },
}

impl FrameWay {
    /// Gives a frame on; frames come in the order in which they were given.
    ///
    /// # Errors
    /// When it can't be encoded, or NATS doesn't take it.
    pub async fn send(&self, frame: FrameV1) -> Result<(), BusError> {
        let (client, subject) = match &self.to {
            To::Near(hear) => {
                hear(&self.request, frame);
                return Ok(());
            }
            To::Nats { client, subject } => (client, subject.clone()),
        };
        let failed = |error: &dyn std::fmt::Display| BusError::request("sending a frame", error);
        let encoded = json::to_vec(&Frame::V1(frame)).map_err(|error| failed(&error))?;
        client.publish(subject, encoded.into()).await.map_err(|error| failed(&error))
    }
}

impl Bus {
    /// A worker takes jobs on this subject also from within the process.
    pub(super) fn takes_near(
        &self,
        subject: &str,
        take: impl Fn(DirectJob) -> bool + Send + Sync + 'static,
    ) -> Reachable {
        self.near.workers.enter(subject, Arc::new(take));
        Reachable { near: Arc::clone(&self.near), name: subject.to_owned() }
    }

    /// A gateway hears frames also from within the process.
    pub fn hears_near(
        &self,
        gateway: &GatewayId,
        hear: impl Fn(&RequestId, FrameV1) + Send + Sync + 'static,
    ) -> Reachable {
        let name = subjects::frames_all(gateway);
        self.near.gateways.enter(&name, Arc::new(hear));
        Reachable { near: Arc::clone(&self.near), name }
    }

    /// Whether the worker that listens on a subject is in this process: it takes a job as it is.
    pub fn is_near(&self, subject: &str) -> bool {
        self.near.workers.find(subject).is_some()
    }

    /// Hands a job to the worker that listens on a subject. What is sent may be refused later, on
    /// the job's own subject for that.
    ///
    /// # Errors
    /// When NATS doesn't take it.
    pub async fn hand(&self, subject: String, job: DirectJob) -> Result<Handed, PublishError> {
        if let Some(take) = self.near.workers.find(&subject) {
            return Ok(if take(job) { Handed::Near } else { Handed::Refused });
        }
        let DirectJob { refuse, headers, job } = job;
        let payload = match job {
            JobBody::Encoded(payload) => payload,
            // It was near a moment ago.
            JobBody::Whole(_) => return Ok(Handed::Refused),
        };
        let sent = self.client.publish_with_reply_and_headers(subject, refuse, headers, payload);
        sent.await.map(|()| Handed::Sent)
    }

    /// How the frames of a request reach its gateway.
    pub fn frame_way(&self, gateway: &GatewayId, request: &RequestId) -> FrameWay {
        let to = match self.near.gateways.find(&subjects::frames_all(gateway)) {
            Some(hear) => To::Near(hear),
            None => {
                let subject = subjects::frames(gateway, request);
                To::Nats { client: self.client.clone(), subject }
            }
        };
        FrameWay { request: request.clone(), to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_left_is_not_found() {
        let near = Arc::new(Near::default());
        near.workers.enter("direct.cloud.wk_1", Arc::new(|_| true));
        let here = Reachable { near: Arc::clone(&near), name: "direct.cloud.wk_1".to_owned() };
        assert!(near.workers.find("direct.cloud.wk_1").is_some());
        assert!(near.workers.find("direct.cloud.wk_2").is_none());
        drop(here);
        assert!(near.workers.find("direct.cloud.wk_1").is_none());
    }
}
