//! Jobs for free slots: one waiting pull for each, up to a limit, so that the consumer's
//! `num_waiting` is the free capacity of workers with few slots, and 0 when there is none. The
//! client library's own streams are not used: one asks for more than it was told to, the other
//! hangs after a restart of the server.

use super::delivery::Delivery;
use super::writable::Writable;
use super::{Bus, BusError};
use async_nats::Subscriber;
use bytes::Bytes;
use futures::StreamExt;
use schemas::subjects;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long after its end a pull counts as lost (the server forgot it), and is renewed.
const PULL_GRACE: Duration = Duration::from_secs(2);

/// How long the end of an inbox may take: a round trip, when the connection holds.
const INBOX_END_SECONDS_MAX: Duration = Duration::from_secs(2);

/// Pulls of a worker that wait in a pool at once. The server looks at all of them whenever a job
/// comes: with a thousand that was a quarter of its work.
pub(super) const PULLS_WAITING_MAX: usize = 32;

/// Pause after a pull that the server refused, before the next: the consumer may not be there yet.
const REFUSED_PAUSE: Duration = Duration::from_millis(200);

/// Gives a job back, to be handed out again a second later.
const GIVE_BACK_LATER: &[u8] = br#"-NAK {"delay":1000000000}"#;

/// The slots of one worker in one pool. None is free while the ledger takes nothing: an answer that
/// can't be charged is no use to anybody.
#[derive(Clone)]
pub struct Slots {
    free: Arc<Semaphore>,
    freed: Arc<Notify>,
    total: u32,
    ledger: Arc<Writable>,
}

impl Slots {
    fn new(total: u32, ledger: Arc<Writable>) -> Self {
        let total = total.max(1);
        let free = Arc::new(Semaphore::new(total as usize));
        Self { free, freed: Arc::new(Notify::new()), total, ledger }
    }

    /// How many there are.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// How many are free.
    pub fn free(&self) -> u32 {
        let free = u32::try_from(self.free.available_permits()).unwrap_or(u32::MAX);
        match (self.ledger.is_failing(), self.ledger.is_open()) {
            (false, _) => free,
            (true, true) => free.min(1),
            (true, false) => 0,
        }
    }

    pub(super) fn take(&self) -> Option<Slot> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        if !self.ledger.begin() {
            return None;
        }
        Some(Slot { permit: Some(permit), freed: Arc::clone(&self.freed) })
    }
}

/// One occupied slot; dropping it frees the slot, also when its job panics.
pub struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    freed: Arc<Notify>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.freed.notify_one();
    }
}

/// Pulls the jobs of one pool into free slots until told to stop.
pub struct Puller {
    bus: Bus,
    pool: String,
    slots: Slots,
    /// How long a pull waits at the server before it is renewed. The pulls of a worker that is
    /// halted take jobs that long, and one that ends waits that long for its last pulls.
    lifetime: Duration,
    deliveries: mpsc::Sender<Delivery>,
}

/// Why a generation of pulls is over.
enum Over {
    Stopped,
    /// The connection is another one: the server knows nothing of our pulls.
    Reconnected,
    /// The queue or the consumer isn't there (yet).
    Refused,
    /// The ledger takes nothing.
    Closed,
}

impl Puller {
    /// A puller and the jobs it brings, at most one for each of `slots`; each pull waits for
    /// `lifetime` at most.
    pub fn new(
        bus: Bus,
        pool: &str,
        slots: u32,
        lifetime: Duration,
    ) -> (Self, mpsc::Receiver<Delivery>) {
        let slots = Slots::new(slots, Arc::clone(bus.ledger()));
        let (deliveries, jobs) = mpsc::channel(slots.total() as usize);
        (Self { bus, pool: pool.to_owned(), slots, lifetime, deliveries }, jobs)
    }

    /// The slots.
    pub fn slots(&self) -> Slots {
        self.slots.clone()
    }

    /// Pulls until `stop`. Jobs already handed over run on.
    ///
    /// # Errors
    /// When the connection is closed for good.
    pub async fn run(self, stop: CancellationToken) -> Result<(), BusError> {
        let mut connections = self.bus.connections();
        loop {
            connections.borrow_and_update();
            let inbox = self.bus.client().new_inbox();
            let subscribed = self.bus.client().subscribe(inbox.clone()).await;
            let mut answers =
                subscribed.map_err(|error| BusError::request("subscribing for jobs", error))?;
            let over = self.generation(&inbox, &mut answers, &stop, &mut connections).await?;
            self.take_the_rest(answers).await;
            match over {
                Over::Stopped => return Ok(()),
                Over::Reconnected => {}
                Over::Closed => tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = self.slots.ledger.opens() => {}
                },
                Over::Refused => tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep(REFUSED_PAUSE) => {}
                },
            }
        }
    }

    /// One inbox and its pulls. An inbox of its own for each generation means that every answer in
    /// it belongs to one of these pulls, and that its end makes the server forget them.
    async fn generation(
        &self,
        inbox: &str,
        answers: &mut Subscriber,
        stop: &CancellationToken,
        connections: &mut watch::Receiver<u64>,
    ) -> Result<Over, BusError> {
        let mut waiting = VecDeque::new();
        loop {
            if stop.is_cancelled() {
                self.last_answers(answers, waiting, connections).await;
                return Ok(Over::Stopped);
            }
            self.top_up(inbox, &mut waiting).await?;
            let renewal = waiting.front().copied();
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                changed = connections.changed() => {
                    changed.map_err(|error| BusError::request("watching NATS", error))?;
                    return Ok(Over::Reconnected);
                }
                answer = answers.next() => {
                    let Some(answer) = answer else {
                        return Err(BusError::request("pulling jobs", "the connection is closed"));
                    };
                    match answer.status {
                        None if answer.reply.is_some() => {
                            waiting.pop_front();
                            self.hand_over(answer).await;
                        }
                        Some(async_nats::StatusCode::TIMEOUT) => drop(waiting.pop_front()),
                        Some(async_nats::StatusCode::IDLE_HEARTBEAT) => {}
                        status => {
                            tracing::debug!(?status, pool = self.pool, "a pull was refused");
                            return Ok(Over::Refused);
                        }
                    }
                }
                () = sleep_until(renewal) => drop(waiting.pop_front()),
                // Jobs shall not come to who may begin none.
                () = self.slots.ledger.closes() => return Ok(Over::Closed),
                () = self.slots.freed.notified() => {}
            }
        }
    }

    /// One pull for each free slot, as far as the limit allows. While NATS is away nothing is sent:
    /// the client would keep it and send it late.
    async fn top_up(&self, inbox: &str, waiting: &mut VecDeque<Instant>) -> Result<(), BusError> {
        let wanted = (self.slots.free() as usize).min(PULLS_WAITING_MAX);
        while waiting.len() < wanted && self.bus.is_connected() {
            let consumer = subjects::chat_consumer(&self.pool);
            let subject = subjects::pull(subjects::CHAT_STREAM, &consumer);
            let body = format!(r#"{{"batch":1,"expires":{}}}"#, self.lifetime.as_nanos());
            self.bus
                .client()
                .publish_with_reply(subject, inbox.to_owned(), body.into())
                .await
                .map_err(|error| BusError::request("pulling a job", error))?;
            waiting.push_back(Instant::now() + self.lifetime + PULL_GRACE);
        }
        Ok(())
    }

    /// After the end no pull is sent, and each that waits is answered: with a job that was on its
    /// way or with its own end. Only then may the inbox go: the client library forgets a drained
    /// one at its next wake, and with it what the server had sent before it read of the end.
    async fn last_answers(
        &self,
        answers: &mut Subscriber,
        mut waiting: VecDeque<Instant>,
        connections: &mut watch::Receiver<u64>,
    ) {
        while let Some(lost) = waiting.front().copied() {
            let answer = tokio::select! {
                answer = answers.next() => answer,
                () = tokio::time::sleep_until(lost) => {
                    waiting.pop_front();
                    continue;
                }
                // The server knows nothing of them any more.
                _ = connections.changed() => return,
            };
            let Some(answer) = answer else { return };
            match answer.status {
                Some(async_nats::StatusCode::IDLE_HEARTBEAT) => continue,
                Some(_) => {}
                None => self.hand_over(answer).await,
            }
            waiting.pop_front();
        }
    }

    /// Ends an inbox. Jobs that were on their way to it are ours already: were they dropped here,
    /// nobody would run them before the acknowledgement wait is over.
    async fn take_the_rest(&self, mut answers: Subscriber) {
        if let Err(error) = answers.drain().await {
            return tracing::debug!(%error, "the end of an inbox couldn't be told");
        }
        let rest = async {
            while let Some(answer) = answers.next().await {
                if answer.status.is_none() {
                    self.hand_over(answer).await;
                }
            }
        };
        if tokio::time::timeout(INBOX_END_SECONDS_MAX, rest).await.is_err() {
            tracing::debug!(pool = self.pool, "an inbox did not end in time");
        }
    }

    async fn hand_over(&self, job: async_nats::Message) {
        let client = self.bus.client().clone();
        let Some(slot) = self.slots.take() else {
            let Some(acknowledge) = job.reply else { return };
            // More than was asked for: somebody with a free slot shall have it, after a breath, so
            // that its deliveries aren't spent on us.
            let given_back = client.publish(acknowledge, Bytes::from_static(GIVE_BACK_LATER)).await;
            if let Err(error) = given_back {
                tracing::warn!(%error, "a job that found no slot couldn't be given back");
            }
            return;
        };
        let Some(delivery) = Delivery::of_queue(job, slot, client) else { return };
        if self.deliveries.send(delivery).await.is_err() {
            tracing::debug!("a job came after the end; the queue will hand it out again");
        }
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
