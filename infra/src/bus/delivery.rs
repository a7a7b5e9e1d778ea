//! A job as a worker gets it: out of the queue, or from a gateway past the queue. What is said
//! about it goes back the way it came.

use super::direct::{DirectJob, JobBody};
use super::pull::Slot;
use super::seal::SEAL;
use crate::trace::{Context, TRACEPARENT};
use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use std::time::Duration;

/// In a job past the queue: how much time it has, in milliseconds, when it is sent.
pub const LEFT_MS: &str = "Fly-Left-Ms";

/// A job. Dropping it says nothing: it comes back after the acknowledgement wait.
pub struct Delivery {
    /// The job.
    pub job: JobBody,
    /// How often the queue has handed it out, this time included; 0 past the queue.
    pub delivered: u64,
    /// The span that sent it.
    pub trace: Option<Context>,
    /// What the end of its request is to be written under.
    pub seal: Option<String>,
    /// The slot it occupies: hold it as long as the job runs.
    pub slot: Slot,
    way: Way,
    client: async_nats::Client,
}

/// How it came.
enum Way {
    Queue { acknowledge: String },
    Direct { refuse: String, left: Duration },
}

impl Delivery {
    /// Out of the queue; nothing when the message is no job.
    pub(super) fn of_queue(job: Message, slot: Slot, client: async_nats::Client) -> Option<Self> {
        let acknowledge = job.reply?.to_string();
        let delivered = deliveries_of(&acknowledge);
        let headers = job.headers.unwrap_or_default();
        let (trace, seal) = (trace_of(&headers), seal_of(&headers));
        let (way, job) = (Way::Queue { acknowledge }, JobBody::Encoded(job.payload));
        Some(Self { job, delivered, trace, seal, slot, way, client })
    }

    /// Past the queue; nothing when it doesn't say how much time it has.
    pub(super) fn direct(job: DirectJob, slot: Slot, client: async_nats::Client) -> Option<Self> {
        let DirectJob { refuse, headers, job } = job;
        let left_ms = headers.get(LEFT_MS)?.as_str().parse().ok()?;
        let way = Way::Direct { refuse, left: Duration::from_millis(left_ms) };
        let (trace, seal) = (trace_of(&headers), seal_of(&headers));
        Some(Self { job, delivered: 0, trace, seal, slot, way, client })
    }

    /// The subject that acknowledges it; empty past the queue.
    pub fn acknowledge_subject(&self) -> &str {
        match &self.way {
            Way::Queue { acknowledge } => acknowledge,
            Way::Direct { .. } => "",
        }
    }

    /// Past the queue: how much time it had when it was sent.
    pub fn left_when_sent(&self) -> Option<Duration> {
        match &self.way {
            Way::Queue { .. } => None,
            Way::Direct { left, .. } => Some(*left),
        }
    }

    async fn say(&self, word: &'static [u8]) {
        let Way::Queue { acknowledge } = &self.way else { return };
        let said = self.client.publish(acknowledge.clone(), Bytes::from_static(word)).await;
        if let Err(error) = said {
            tracing::warn!(%error, "the queue couldn't be told about a job");
        }
    }

    /// The job is ours for good: it will never come back.
    pub async fn acknowledge(&self) {
        self.say(b"+ACK").await;
    }

    /// The job is still being worked on: it shall not be handed to another.
    pub async fn in_progress(&self) {
        self.say(b"+WPI").await;
    }

    /// Nobody needs the job any more.
    pub async fn terminate(&self) {
        self.say(b"+TERM").await;
    }

    /// Somebody else should take the job, now.
    pub async fn give_back(&self) {
        match &self.way {
            Way::Queue { .. } => self.say(b"-NAK").await,
            Way::Direct { refuse, .. } => refuse_direct(&self.client, refuse.clone()).await,
        }
    }
}

/// Tells a gateway that a job past the queue was not taken.
pub(super) async fn refuse_direct(client: &async_nats::Client, refuse: String) {
    if let Err(error) = client.publish(refuse, Bytes::new()).await {
        tracing::warn!(%error, "a job past the queue couldn't be given back");
    }
}

fn trace_of(headers: &HeaderMap) -> Option<Context> {
    headers.get(TRACEPARENT).and_then(|told| Context::read(told.as_str()))
}

fn seal_of(headers: &HeaderMap) -> Option<String> {
    headers.get(SEAL).map(|seal| seal.as_str().to_owned())
}

/// `$JS.ACK.[domain.account.]<stream>.<consumer>.<delivered>.<stream sequence>.…`: five numbers end
/// the subject, the first of them counts the deliveries.
fn deliveries_of(acknowledge: &str) -> u64 {
    let tokens: Vec<&str> = acknowledge.split('.').collect();
    let position = if tokens.len() >= 11 { 6 } else { 4 };
    tokens.get(position).and_then(|token| token.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_are_read_from_both_forms() {
        assert_eq!(deliveries_of("$JS.ACK.CHAT.cloud.3.7.9.1700000000.0"), 3);
        assert_eq!(deliveries_of("$JS.ACK.hub.abc.CHAT.cloud.2.7.9.1700000000.0.token"), 2);
    }
}
