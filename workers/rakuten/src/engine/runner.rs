//! The engine's thread: it owns the context, runs the decode loop, and starts the context afresh
//! when llama.cpp fails.
//!
//! Must never wait while there is an answer to write, and must never end without telling those
//! who wait.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};

use super::error::EngineError;
use super::model::Model;
use super::scheduler::Scheduler;
use super::slot::Job;
use super::status::Counters;

/// The context is made anew this often without one good step in between; then the engine gives up.
const RESTARTS_MAX: u32 = 3;

/// What the engine's handles tell its thread.
pub(super) enum Message {
    /// A new request.
    Generate(Box<Job>),
    /// Look at the stop flag.
    Wake,
}

/// What the thread shares with the handles.
pub(super) struct Shared {
    pub(super) model: Model,
    pub(super) counters: Counters,
    pub(super) stop: Arc<AtomicBool>,
}

/// Why the loop was left.
enum Left {
    /// All handles are gone, or the engine was stopped.
    Done,
    /// Something broke; this many steps had gone well.
    Broken(EngineError, u64),
}

/// The thread's whole life. Reports over `ready` when it can take requests.
pub(super) fn run(
    shared: &Arc<Shared>,
    messages: &Receiver<Message>,
    ready: &SyncSender<Result<(), EngineError>>,
) {
    let mut waiting = VecDeque::new();
    let mut failures = 0;
    let mut is_first = true;
    while failures <= RESTARTS_MAX {
        let made = Scheduler::new(shared, std::mem::take(&mut waiting));
        let mut scheduler = match made {
            Ok(scheduler) => scheduler,
            Err(error) if is_first => return drop(ready.send(Err(error))),
            Err(error) => {
                tracing::error!(%error, "context could not be made anew");
                break;
            }
        };
        if std::mem::take(&mut is_first) {
            let proved = scheduler.prove();
            let is_fit = proved.is_ok();
            // Who waits for it may have gone.
            let _ = ready.send(proved);
            if !is_fit {
                return;
            }
        }
        match drive(&mut scheduler, messages, &shared.stop) {
            Left::Done => return scheduler.cancel_all(),
            Left::Broken(error, steps) => {
                failures = if steps > 0 { 1 } else { failures + 1 };
                shared.counters.restarts.fetch_add(1, Relaxed);
                tracing::error!(%error, failures, "context is made anew after a failure");
                waiting = scheduler.fail_running(&error);
            }
        }
    }
    refuse_rest(&shared.counters, waiting, messages);
}

/// Runs the decode loop until there is a reason to leave it.
fn drive(scheduler: &mut Scheduler<'_>, messages: &Receiver<Message>, stop: &AtomicBool) -> Left {
    let mut steps = 0;
    loop {
        if !receive(scheduler, messages) || stop.load(Relaxed) {
            return Left::Done;
        }
        // A panic of the binding, as on a logit it does not have, costs the running answers only.
        let stepped = catch_unwind(AssertUnwindSafe(|| {
            scheduler.admit()?;
            scheduler.step()
        }));
        match stepped {
            Ok(Ok(())) => steps += 1,
            Ok(Err(error)) => return Left::Broken(error, steps),
            Err(_) => return Left::Broken(EngineError::Decode("panic in a step".into()), steps),
        }
    }
}

/// Takes what has come; waits for something only when there is nothing to do. False when nobody
/// can send any more and nothing is left to do.
fn receive(scheduler: &mut Scheduler<'_>, messages: &Receiver<Message>) -> bool {
    if scheduler.is_idle() {
        match messages.recv() {
            Ok(Message::Generate(job)) => scheduler.enqueue(*job),
            Ok(Message::Wake) => {}
            Err(_) => return false,
        }
    }
    loop {
        match messages.try_recv() {
            Ok(Message::Generate(job)) => scheduler.enqueue(*job),
            Ok(Message::Wake) => {}
            Err(TryRecvError::Empty) => return true,
            Err(TryRecvError::Disconnected) => return !scheduler.is_idle(),
        }
    }
}

/// The engine has given up: everybody who waits hears it.
fn refuse_rest(counters: &Counters, waiting: VecDeque<Job>, messages: &Receiver<Message>) {
    tracing::error!("engine gives up after repeated failures");
    let later = messages.try_iter().filter_map(|message| match message {
        Message::Generate(job) => Some(*job),
        Message::Wake => None,
    });
    for job in waiting.into_iter().chain(later) {
        counters.leave_line();
        job.output.fail(EngineError::Stopped);
    }
}
