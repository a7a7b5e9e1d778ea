//! Requests under way in this gateway: the table that claims are answered from and that hands each
//! frame to whoever waits for it. It reads no frame and decides no charge.

/// The answer to a claim.
mod claims;

/// What is said on one subject.
mod ear;

/// Frames that wait for one client.
mod frames;

/// Jobs past the queue that found no room, or nobody.
mod refusals;

/// Whether a request was ever on its way to a worker.
mod watched;

use crate::fleet::{Slot, Taker};
use crate::line::LinePlace;
use crate::state::Core;
pub(crate) use ear::Ear;
pub(crate) use frames::Arrived;
use frames::{Frames, Inlet};
use infra::bus::BusError;
use infra::store::holds::OpenHold;
use schemas::frame::Cancel;
use schemas::ids::{RequestId, WorkerId};
use schemas::subjects;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::watch;
pub(crate) use watched::Watched;

/// Where a request stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    /// In the queue.
    Waiting,
    /// Taken by a worker.
    Claimed(Execution),
    /// It was handed to a worker past the queue, which had no room or is gone.
    Refused,
    /// Its client has left; nobody may start it.
    Cancelled,
    /// It was handed out as often as allowed, and nobody brought a first token; who had it last. If
    /// nobody ever claimed it, only halted workers had it.
    Poisoned(Option<Execution>),
}

impl Stage {
    /// The run that counts, or the last one.
    pub(crate) fn execution(&self) -> Option<&Execution> {
        match self {
            Self::Claimed(execution) => Some(execution),
            Self::Poisoned(last) => last.as_ref(),
            Self::Waiting | Self::Refused | Self::Cancelled => None,
        }
    }
}

/// One worker's run of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Execution {
    /// Who runs it.
    pub(crate) worker: WorkerId,
    /// Which attempt.
    pub(crate) attempt: u32,
    /// Which handing-out of the attempt; 0 past the queue.
    pub(crate) delivered: u64,
    /// How often its connection had been lost then, if that is known.
    pub(crate) losses: Option<u64>,
    /// When it was claimed.
    pub(crate) since: Instant,
}

struct Entry {
    hold: OpenHold,
    attempt: u32,
    deadline_ms: u64,
    begun: bool,
    /// Its execution broke off and settles what it produced: that end stands.
    ending: bool,
    stage: watch::Sender<Stage>,
    /// The slot that its worker has given to it.
    slot: Option<Slot>,
    /// Its right to be in the queue, until a worker has it.
    place: Option<LinePlace>,
    /// Absent once the client proved too slow.
    frames: Option<Inlet>,
}

/// All requests under way.
pub(crate) struct Exchange {
    table: Mutex<HashMap<RequestId, Entry>>,
    renewals: watch::Sender<u64>,
    watched: watched::Table,
}

impl Default for Exchange {
    fn default() -> Self {
        let (table, watched) = (Mutex::default(), watched::Table::default());
        Self { table, renewals: watch::Sender::new(0), watched }
    }
}

/// What a waiting request listens to.
pub(crate) struct Seat {
    /// Its frames as they came.
    pub(crate) frames: Frames,
    /// Where it stands.
    pub(crate) stage: watch::Receiver<Stage>,
    /// Changes when the queue was lost and made anew.
    pub(crate) renewals: watch::Receiver<u64>,
}

impl Exchange {
    fn table(&self) -> MutexGuard<'_, HashMap<RequestId, Entry>> {
        // A panic while holding the lock leaves a usable table: every change is one call.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a seat before the job is published.
    pub(crate) fn enter(&self, hold: OpenHold, deadline_ms: u64) -> Seat {
        let request = hold.request.clone();
        let (inlet, frames) = frames::queue();
        let (stage, seen) = watch::channel(Stage::Waiting);
        let entry = Entry {
            hold,
            attempt: 1,
            deadline_ms,
            begun: false,
            ending: false,
            stage,
            slot: None,
            place: None,
            frames: Some(inlet),
        };
        self.may_be_charged(&request);
        self.table().insert(request, entry);
        Seat { frames, stage: seen, renewals: self.renewals.subscribe() }
    }

    /// A request is on its way to a worker, or its charge to the ledger.
    pub(crate) fn may_be_charged(&self, request: &RequestId) {
        self.watched.expose(request);
    }

    /// Notices whether a request may be charged, as long as the value lives.
    pub(crate) fn watch(&self, request: &RequestId) -> Watched {
        self.watched.watch(request)
    }

    /// The request's job goes to the queue: its place there ends with a worker's claim.
    pub(crate) fn take_place(&self, request: &RequestId, place: LinePlace) {
        if let Some(entry) = self.table().get_mut(request) {
            entry.place = Some(place);
        }
    }

    /// The request is handed to a worker past the queue: that is its claim.
    pub(crate) fn hand(&self, request: &RequestId, taker: Taker) {
        let mut table = self.table();
        let Some(entry) = table.get_mut(request) else { return };
        let Taker { worker, slot, losses } = taker;
        let (attempt, losses, since) = (entry.attempt, Some(losses), Instant::now());
        let execution = Execution { worker, attempt, delivered: 0, losses, since };
        entry.stage.send_replace(Stage::Claimed(execution));
        (entry.place, entry.slot) = (None, Some(slot));
    }

    /// The request has a slot of the worker that has claimed it.
    fn take_slot(&self, request: &RequestId, slot: Slot) {
        if let Some(entry) = self.table().get_mut(request) {
            entry.slot = Some(slot);
        }
    }

    /// The worker that a request was handed to did not take it.
    pub(crate) fn refused(&self, request: &RequestId, attempt: u32) {
        let mut table = self.table();
        let Some(entry) = table.get_mut(request) else { return };
        let was_handed = matches!(&*entry.stage.borrow(), Stage::Claimed(e) if e.delivered == 0);
        if entry.attempt == attempt && !entry.begun && was_handed {
            entry.slot = None;
            entry.stage.send_replace(Stage::Refused);
        }
    }

    /// The request goes elsewhere: what it has in the queue is refused at its claim.
    pub(crate) fn leave_place(&self, request: &RequestId) {
        if let Some(entry) = self.table().get_mut(request) {
            entry.place = None;
        }
    }

    /// The pool in whose queue the request has a place.
    fn pool_of(&self, request: &RequestId) -> Option<String> {
        let table = self.table();
        table.get(request)?.place.as_ref().map(|place| place.pool().to_owned())
    }

    /// Whether another execution may still begin: none has brought a piece, or settles.
    pub(crate) fn may_begin_anew(&self, request: &RequestId) -> bool {
        self.table().get(request).is_some_and(|entry| !entry.begun && !entry.ending)
    }

    /// The request will be published anew under a higher attempt: older ones are not heard any
    /// more. Not when its execution is just being settled: then its last frame is waited for.
    pub(crate) fn next_attempt(&self, request: &RequestId) -> Option<u32> {
        let mut table = self.table();
        let entry = table.get_mut(request).filter(|entry| !entry.ending)?;
        entry.attempt += 1;
        entry.slot = None;
        entry.stage.send_replace(Stage::Waiting);
        Some(entry.attempt)
    }

    /// An attempt was handed out too often. What has begun is left alone.
    pub(crate) fn poisoned(&self, request: &RequestId, attempt: u32) {
        let mut table = self.table();
        let Some(entry) = table.get_mut(request) else { return };
        if entry.attempt == attempt && !entry.begun {
            let last = entry.stage.borrow().execution().cloned();
            entry.stage.send_replace(Stage::Poisoned(last));
        }
    }

    /// The first piece has come: no other execution may begin.
    pub(crate) fn begun(&self, request: &RequestId) {
        if let Some(entry) = self.table().get_mut(request) {
            entry.begun = true;
        }
    }

    /// Nobody waits any more, and nobody may start. Answers who runs the request, if anybody does.
    pub(crate) fn cancel(&self, request: &RequestId) -> Option<Execution> {
        let mut table = self.table();
        let entry = table.get_mut(request)?;
        let running = entry.stage.borrow().execution().cloned();
        entry.stage.send_replace(Stage::Cancelled);
        entry.place = None;
        running
    }

    /// The holds of all requests under way.
    pub(crate) fn open_holds(&self) -> Vec<OpenHold> {
        self.table().values().map(|entry| entry.hold.clone()).collect()
    }

    /// The request has ended.
    pub(crate) fn leave(&self, request: &RequestId) {
        self.table().remove(request);
    }

    /// Ends every answer that is still under way: the gateway has to stop. Each is settled for what
    /// was produced.
    pub(crate) fn cut_all(&self) {
        for entry in self.table().values_mut() {
            entry.frames = None;
        }
    }

    /// Ends one answer that is still under way; it is settled for what was produced. Whether there
    /// was one.
    pub(crate) fn cut(&self, request: &RequestId) -> bool {
        let mut table = self.table();
        table.get_mut(request).is_some_and(|entry| entry.frames.take().is_some())
    }

    /// Whether every request has ended and is settled.
    pub(crate) fn is_empty(&self) -> bool {
        self.table().is_empty()
    }

    /// The queue was lost and made anew: whoever waits in it publishes again.
    pub(crate) fn queue_renewed(&self) {
        self.renewals.send_modify(|count| *count += 1);
    }

    fn hand_over(&self, request: &RequestId, frame: Arrived) {
        let mut table = self.table();
        let Some(entry) = table.get_mut(request) else { return };
        let Some(frames) = &entry.frames else { return };
        if !frames.put(frame) {
            // Closing the queue tells the waiting side, after it has read what is there.
            entry.frames = None;
        }
    }
}

/// Tells a worker to stop an execution, because its client has left.
pub(crate) async fn stop_execution(core: &Core, request: &RequestId, execution: &Execution) {
    tell_worker(core, request, execution, false).await;
}

/// Tells a worker to stop an execution, because another takes its place. It may have been halted
/// with a piece in its hands: only who answers the client may charge.
pub(crate) async fn replace_execution(core: &Core, request: &RequestId, execution: &Execution) {
    tell_worker(core, request, execution, true).await;
}

/// Removes a queued job that nobody waits for any more. If that fails it stays until it is handed
/// out: its claim is refused then.
pub(crate) async fn take_from_queue(core: &Core, request: &RequestId, sequence: u64) {
    if let Err(error) = core.bus.remove_queued(request, sequence).await {
        tracing::warn!(%error, %request, "a job that nobody waits for stays in the queue");
    }
}

async fn tell_worker(core: &Core, request: &RequestId, execution: &Execution, replaced: bool) {
    let Execution { attempt, delivered, .. } = *execution;
    let cancel = Cancel::V1 { request: request.clone(), attempt, delivered, replaced };
    let Ok(body) = serde_json::to_vec(&cancel) else { return };
    let subject = subjects::cancel(request);
    if let Err(error) = core.bus.client().publish(subject, body.into()).await {
        tracing::warn!(%error, "a worker couldn't be told to stop");
    }
}

/// Serves claims and frames as long as the gateway lives.
pub(crate) async fn serve(core: &Arc<Core>) -> Result<(), BusError> {
    claims::serve(core).await?;
    refusals::serve(core).await?;
    let mut frames =
        Ear::open(core, subjects::frames_all(&core.id), "listening for frames").await?;
    let served = Arc::clone(core);
    let near = Arc::clone(core);
    let reachable = core.bus.hears_near(&core.id, move |request, frame| {
        near.exchange.hand_over(request, Arrived::Made(Box::new(frame)));
    });
    core.background.spawn_vital("frames", async move {
        let _reachable = reachable;
        while let Some(message) = frames.next().await {
            let request = subjects::frames_request(&message.subject);
            if let Some(request) = request.and_then(|name| RequestId::parse(name).ok()) {
                served.exchange.hand_over(&request, Arrived::Encoded(message.payload));
            }
        }
    });
    Ok(())
}
