//! Jobs that a gateway hands to this worker past the queue. The queue makes jobs wait, finds them
//! a free slot and brings them back; a worker with many free slots needs none of that, and each of
//! the six messages that it costs is a wake-up of a process. So a gateway may send a job straight
//! to such a worker. Whatever goes wrong then, the gateway puts the job into the queue.

use super::delivery::{Delivery, refuse_direct};
use super::pull::{PULLS_WAITING_MAX, Slots};
use super::{Bus, BusError};
use async_nats::{HeaderMap, Message, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use schemas::job::Job;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// How long the end of the subscription may take: a round trip, when the connection holds.
const END_SECONDS_MAX: Duration = Duration::from_secs(2);

/// Free slots that stay for the queue: each waiting pull may bring a job at any moment.
const SLOTS_FOR_PULLS: u32 = PULLS_WAITING_MAX as u32;

/// Free slots of a worker from which on a gateway hands it a job past the queue. With fewer the
/// queue decides who is free: several gateways may have the same worker in mind.
pub const DIRECT_SLOTS_FREE_MIN: u32 = 64;

/// A job on its way past the queue.
#[derive(Debug)]
pub struct DirectJob {
    /// Where its gateway hears that it was not taken.
    pub refuse: String,
    /// What goes with it.
    pub headers: HeaderMap,
    /// The job.
    pub job: JobBody,
}

/// A job: as it came from NATS, or as it is, from within the process.
#[derive(Debug)]
pub enum JobBody {
    /// Encoded.
    Encoded(Bytes),
    /// As it is.
    Whole(Box<Job>),
}

impl JobBody {
    /// The job.
    ///
    /// # Errors
    /// When what came is none.
    pub fn read(self) -> serde_json::Result<Job> {
        match self {
            Self::Encoded(bytes) => serde_json::from_slice(&bytes),
            Self::Whole(job) => Ok(*job),
        }
    }
}

impl Default for JobBody {
    /// None: no job is so short.
    fn default() -> Self {
        Self::Encoded(Bytes::new())
    }
}

impl DirectJob {
    /// Nothing when the message is no such job.
    fn of(message: Message) -> Option<Self> {
        let refuse = message.reply?.to_string();
        let job = JobBody::Encoded(message.payload);
        Some(Self { refuse, headers: message.headers?, job })
    }
}

/// The jobs of one pool that are handed to one worker.
pub struct Direct {
    bus: Bus,
    subject: String,
    slots: Slots,
    jobs: Subscriber,
    linger: Duration,
}

impl Direct {
    /// Listens on the worker's own subject. At its end it does so for `linger` more: gateways have
    /// heard by then that the worker drains.
    ///
    /// # Errors
    /// When NATS can't be reached.
    pub async fn listen(
        bus: Bus,
        subject: String,
        slots: Slots,
        linger: Duration,
    ) -> Result<Self, BusError> {
        let subscribed = bus.client().subscribe(subject.clone()).await;
        let jobs = subscribed.map_err(|error| BusError::request("listening for jobs", error))?;
        Ok(Self { bus, subject, slots, jobs, linger })
    }

    /// Starts jobs until `stop`, then those that were on their way.
    pub async fn run(
        mut self,
        stop: CancellationToken,
        start: impl Fn(Delivery) + Send + Sync + 'static,
    ) {
        let start = Arc::new(start);
        let reachable = self.bus.takes_near(&self.subject, {
            let (slots, start) = (self.slots.clone(), Arc::clone(&start));
            let (client, runtime) = (self.bus.client().clone(), Handle::current());
            move |job| {
                // A job runs where its worker does, whoever hands it over.
                let _entered = runtime.enter();
                take(job, &slots, &client, &*start)
            }
        });
        let linger = self.linger;
        let over = async {
            stop.cancelled().await;
            // Within the process nothing is on its way.
            drop(reachable);
            tokio::time::sleep(linger).await;
        };
        tokio::pin!(over);
        loop {
            tokio::select! {
                biased;
                () = &mut over => break,
                job = self.jobs.next() => match job {
                    Some(job) => self.take(job, &*start).await,
                    None => return tracing::debug!("no more jobs come past the queue"),
                },
            }
        }
        if let Err(error) = self.jobs.drain().await {
            return tracing::debug!(%error, "the end of a subscription couldn't be told");
        }
        let rest = async {
            while let Some(job) = self.jobs.next().await {
                self.take(job, &*start).await;
            }
        };
        if tokio::time::timeout(END_SECONDS_MAX, rest).await.is_err() {
            tracing::debug!("a subscription did not end in time");
        }
    }

    async fn take(&self, job: Message, start: &impl Fn(Delivery)) {
        let refuse = job.reply.as_ref().map(ToString::to_string);
        let client = self.bus.client();
        let taken = DirectJob::of(job).is_some_and(|job| take(job, &self.slots, client, start));
        if let Some(refuse) = refuse.filter(|_| !taken) {
            refuse_direct(client, refuse).await;
        }
    }
}

/// Starts a job if there is room for it.
fn take(
    job: DirectJob,
    slots: &Slots,
    client: &async_nats::Client,
    start: &impl Fn(Delivery),
) -> bool {
    let slot = (slots.free() > SLOTS_FOR_PULLS).then(|| slots.take()).flatten();
    let delivery = slot.and_then(|slot| Delivery::direct(job, slot, client.clone()));
    let Some(delivery) = delivery else { return false };
    start(delivery);
    true
}
