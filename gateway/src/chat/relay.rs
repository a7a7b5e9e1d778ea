//! The answer's frames, until its end. Numbers are checked: a gap ends the answer with an error,
//! never with silence. Until the first piece a lost worker or a failed candidate costs nothing: the
//! job is published again (`renew.rs`). Whatever happens, the request ends in exactly one ledger
//! event.

use super::finish::{self, Owed};
use super::lookout::Doubt;
use super::publish::Published;
use super::receive::Received;
use super::{Collector, Event, Figures, Receipt};
use crate::breaker::Outcome;
use crate::exchange::{Arrived, Execution, Stage, replace_execution};
use crate::line::{LinePlace, Ticket};
use crate::problems::{cut_off, interrupted};
use crate::state::Gateway;
use infra::clock;
use infra::config::Model;
use infra::metrics::observe;
use schemas::error::{ErrorCode, Problem};
use schemas::frame::{Complete, Done, FrameBody, FrameV1};
use schemas::subjects;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::Sleep;

/// Runs of one request at most, all candidates together.
pub(super) const ATTEMPTS_MAX: u32 = 4;

/// Between two looks whether the worker lives and the time is not over.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// An answer on its way. Dropping it before its end settles what is owed.
pub(super) struct Relay {
    pub(super) gateway: Arc<Gateway>,
    /// Absent once the request is settled.
    pub(super) live: Option<Live>,
    pub(super) model: String,
    pub(super) figures: Figures,
    pub(super) dropped: Vec<String>,
    pub(super) overflowed: bool,
    /// The end that came with the answer: it is told next, and all is settled already.
    end: Option<Event>,
}

/// A request that isn't settled.
pub(super) struct Live {
    pub(super) published: Published,
    pub(super) owed: Owed,
    pub(super) collector: Option<Collector>,
    pub(super) numbers: u32,
    pub(super) begun: bool,
    /// Pieces are told as they come. It is known here, because the question is forgotten.
    pub(super) is_stream: bool,
    /// The whole answer is there, and lacks nothing but its end.
    pub(super) is_whole: bool,
    /// Choices that haven't ended, of a whole answer that comes in pieces.
    open_choices: usize,
    /// It couldn't be published anew, and is to be tried again then.
    pub(super) unsent_until: Option<Instant>,
    pub(super) last_frame: Instant,
    /// When a worker last said that a job past the queue is alive.
    pub(super) last_sign: Instant,
    next_ping: Instant,
    /// The next look, if nothing else comes: put off each time, which is cheaper than a new one.
    next_look: Pin<Box<Sleep>>,
    departures: watch::Receiver<u64>,
    connections: watch::Receiver<u64>,
    doubt: Option<Doubt>,
}

/// What woke the relay.
enum Signal {
    Frame(Arrived),
    FramesClosed,
    StageChanged,
    Turn(LinePlace),
    QueueRenewed,
    Reconnected,
    Look,
}

/// Begins to wait for the answer.
pub(super) fn relay(gateway: &Arc<Gateway>, mut published: Published) -> Relay {
    published.held.hand_over();
    let arrived = published.received().arrived;
    let patience = Duration::from_millis(gateway.config.gateway.begin_stream_after_ms);
    let collector = published.held.routed.missed.keep.as_ref().map(|_| Collector::default());
    let model = published.model().name.clone();
    let mut connections = gateway.bus.connections();
    connections.borrow_and_update();
    let chat = &published.received().chat;
    let is_stream = chat.wants_stream();
    let open_choices = chat.n.map_or(1, |choices| choices as usize);
    let live = Live {
        published,
        owed: Owed::default(),
        collector,
        numbers: 0,
        begun: false,
        is_stream,
        is_whole: false,
        open_choices,
        unsent_until: None,
        last_frame: Instant::now(),
        last_sign: Instant::now(),
        next_ping: arrived + patience,
        next_look: Box::pin(tokio::time::sleep(LOOK_INTERVAL)),
        departures: gateway.fleet.departures(),
        connections,
        doubt: None,
    };
    let overhead = arrived.elapsed();
    observe(&gateway.metrics.overhead_seconds, &model, overhead);
    let overhead_ms = milliseconds(overhead);
    let hold = live.published.held.amount;
    let queue_position = live.published.position;
    let cut_to = live.published.cut_to();
    let figures =
        Figures { hold, cut_to, queue_position, queue_ms: None, first_token_ms: None, overhead_ms };
    let (dropped, overflowed) = (live.published.dropped.clone(), live.published.overflowed);
    let (gateway, live) = (Arc::clone(gateway), Some(live));
    Relay { gateway, live, model, figures, dropped, overflowed, end: None }
}

impl Relay {
    /// The model that answers.
    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// How the answer came about.
    pub(super) fn figures(&self) -> Figures {
        self.figures
    }

    /// The fields that its model can't honour.
    pub(super) fn dropped(&self) -> &[String] {
        &self.dropped
    }

    /// Whether an earlier candidate's wait was too long.
    pub(super) fn has_overflowed(&self) -> bool {
        self.overflowed
    }

    /// What happens next.
    pub(super) async fn next(&mut self) -> Event {
        if let Some(end) = self.end.take() {
            return end;
        }
        loop {
            let Some(live) = self.live.as_mut() else { return Event::Failed(interrupted()) };
            let event = match live.wait().await {
                Signal::Frame(frame) => self.frame(frame).await,
                Signal::FramesClosed => Some(self.end_alone(cut_off()).await),
                Signal::StageChanged => self.stage_changed().await,
                Signal::Turn(place) => {
                    let sent = Box::pin(live.published.take_turn(&self.gateway, place)).await;
                    self.published(sent)
                }
                Signal::QueueRenewed => self.requeue().await,
                Signal::Reconnected => {
                    live.doubt = Some(Doubt::begin());
                    None
                }
                Signal::Look => self.look().await,
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    async fn frame(&mut self, frame: Arrived) -> Option<Event> {
        let live = self.live.as_mut()?;
        let frame = match frame.read() {
            Ok(frame) => frame,
            Err(error) => {
                // The error's own text may quote the answer.
                tracing::error!(column = error.column(), "a frame can't be read");
                return Some(self.end_alone(interrupted()).await);
            }
        };
        if !live.is_of_current_execution(&frame) {
            return None;
        }
        if frame.body == FrameBody::Alive {
            live.last_sign = Instant::now();
            return None;
        }
        live.numbers += 1;
        if frame.number != live.numbers {
            tracing::error!(expected = live.numbers, number = frame.number, "a frame was lost");
            return Some(self.end_alone(interrupted()).await);
        }
        let gap = std::mem::replace(&mut live.last_frame, Instant::now()).elapsed();
        match frame.body {
            FrameBody::Delta(delta) => {
                if live.begun {
                    observe(&self.gateway.metrics.piece_gap_seconds, &self.model, gap);
                }
                self.begin();
                let live = self.live.as_mut()?;
                live.owed.produced.count_pieces(&delta.choices);
                if let Some(collector) = &mut live.collector {
                    collector.add(&delta.choices);
                }
                let ended = delta.choices.iter().filter(|choice| choice.finish_reason.is_some());
                live.open_choices = live.open_choices.saturating_sub(ended.count());
                live.is_whole = !live.is_stream && live.open_choices == 0;
                live.next_ping = Instant::now() + self.gateway.ping_interval();
                Some(Event::Pieces(delta.choices))
            }
            FrameBody::Answer(answer) => {
                self.begin();
                let live = self.live.as_mut()?;
                live.is_whole = true;
                live.owed.produced.count_whole(&answer.choices);
                if let Some(collector) = &mut live.collector {
                    collector.add_whole(answer.choices.clone());
                }
                Some(Event::Whole(answer.choices))
            }
            FrameBody::Complete(complete) => self.complete(complete),
            FrameBody::Done(done) => Some(self.done(&done)),
            // Boxed: a future is as large as its largest branch, and this one is rare. Without the
            // box every stream would carry its state as long as it lasts.
            FrameBody::Failed(failed) => Box::pin(self.failed(failed)).await,
            FrameBody::Alive => None,
        }
    }

    /// The first piece: from now on no other execution may begin.
    fn begin(&mut self) {
        let Some(live) = self.live.as_mut().filter(|live| !live.begun) else { return };
        live.begun = true;
        let received = live.received();
        self.gateway.exchange.begun(&received.request);
        let waited = received.arrived.elapsed();
        self.figures.first_token_ms = Some(milliseconds(waited));
        observe(&self.gateway.metrics.first_token_seconds, &self.model, waited);
        if let Stage::Claimed(execution) = &*live.published.seat.stage.borrow() {
            // A whole answer has no first token to be late.
            let waited = if live.is_stream { execution.since.elapsed() } else { Duration::ZERO };
            let outcome = self.gateway.breakers.first_piece(waited);
            self.gateway.learn_outcome(&self.model, outcome);
        }
        live.forget_question();
    }

    fn complete(&mut self, Complete { choices, done }: Complete) -> Option<Event> {
        self.begin();
        if let Some(collector) = &mut self.live.as_mut()?.collector {
            collector.add_whole(choices.clone());
        }
        self.end = Some(self.done(&done));
        Some(Event::Whole(choices))
    }

    pub(super) fn done(&mut self, done: &Done) -> Event {
        let Some(live) = self.live.take() else { return Event::Failed(interrupted()) };
        finish::finish(&self.gateway, live, &self.model, done);
        Event::Done(Receipt { usage: done.usage, charge: done.charge })
    }

    async fn stage_changed(&mut self) -> Option<Event> {
        let live = self.live.as_mut()?;
        let stage = live.published.seat.stage.borrow_and_update().clone();
        match stage {
            Stage::Claimed(_) if !live.begun => {
                // A new execution numbers its frames anew.
                live.numbers = 0;
                let waited = live.published.since.elapsed();
                self.figures.queue_ms = Some(milliseconds(waited));
                observe(&self.gateway.metrics.queue_seconds, &live.published.model().pool, waited);
                None
            }
            Stage::Poisoned(None) if !live.begun && live.published.attempt < ATTEMPTS_MAX => {
                self.again(None).await
            }
            Stage::Poisoned(_) => {
                let problem = live.why_poisoned(&self.gateway, &stage);
                Some(self.end_alone(problem).await)
            }
            Stage::Refused if !live.begun => self.again(None).await,
            Stage::Refused | Stage::Claimed(_) | Stage::Waiting | Stage::Cancelled => None,
        }
    }

    /// A look at the clock and the worker.
    async fn look(&mut self) -> Option<Event> {
        let ping_interval = self.gateway.ping_interval();
        let live = self.live.as_mut()?;
        let stage = live.published.seat.stage.borrow().clone();
        if let Some(problem) = live.overdue(&self.gateway, &stage) {
            let first_token_late = live.may_begin_anew(&self.gateway)
                && clock::steady_ms() < live.received().deadline_ms;
            if first_token_late {
                if let Some(outcome) = Outcome::of(&problem) {
                    self.gateway.learn_outcome(&self.model, outcome);
                }
                if let Some(next) = live.next_after(problem.code) {
                    Box::pin(self.stop(&stage)).await;
                    return self.again(next).await;
                }
            }
            return Some(self.end_alone(problem).await);
        }
        if live.is_to_be_sent(&self.gateway, &stage) {
            return self.again(None).await;
        }
        if live.published.attempt < ATTEMPTS_MAX
            && let Some(next) = live.published.overflow(&self.gateway)
        {
            live.published.overflows(&self.gateway);
            return self.again(next).await;
        }
        if let Stage::Claimed(execution) = &stage {
            let silent = live.is_silent(&self.gateway, execution);
            let lost = silent || live.is_lost(&self.gateway, execution);
            let may_again = live.published.attempt < ATTEMPTS_MAX;
            if lost && may_again && live.may_begin_anew(&self.gateway) {
                tracing::warn!(worker = %execution.worker, "a worker is gone before its start");
                // It may only have lost its network, and would work for nobody.
                Box::pin(self.stop(&stage)).await;
                return self.again(None).await;
            }
            // Frames of a worker that only lost its network may still come: it gets an advert's
            // lifetime to show itself.
            if silent {
                tracing::warn!(worker = %execution.worker, "a worker is gone");
                return Some(self.end_alone(interrupted()).await);
            }
        }
        if let Some(event) = self.resolve_doubt().await {
            return Some(event);
        }
        let live = self.live.as_mut()?;
        if Instant::now() < live.next_ping {
            return None;
        }
        live.next_ping = Instant::now() + ping_interval;
        let ticket = live.published.ticket.as_ref();
        Some(ticket.map_or(Event::Waiting, |ticket| Event::Queued(ticket.standing())))
    }

    /// After NATS was away: an answer whose charge stands in the ledger at two looks, without its
    /// last frame, has lost it.
    async fn resolve_doubt(&mut self) -> Option<Event> {
        let live = self.live.as_mut()?;
        let doubt = live.doubt.filter(|doubt| Instant::now() >= doubt.next_look)?;
        let authenticated = live.published.held.routed.authenticated();
        let request = authenticated.received.request.clone();
        let subject = subjects::ledger(&authenticated.key.account, "use", request.as_str());
        let recorded = Box::pin(self.gateway.bus.recorded(&subject)).await.ok().flatten();
        let live = self.live.as_mut()?;
        live.doubt = Some(Doubt { ended: recorded.is_some(), ..Doubt::begin() });
        if !doubt.ended || recorded.is_none() {
            return None;
        }
        tracing::error!(%request, "the last frames were lost while NATS was away");
        Some(self.end_alone(interrupted()).await)
    }

    /// Another execution will take the place of the one that runs.
    async fn stop(&self, stage: &Stage) {
        let (Some(live), Stage::Claimed(execution)) = (&self.live, stage) else { return };
        replace_execution(&self.gateway, &live.received().request, execution).await;
    }

    /// Ends the answer with a problem; what is owed is settled in the background.
    pub(super) fn give_up(&mut self, problem: Problem) -> Event {
        if let Some(live) = self.live.take() {
            live.abandon(&self.gateway, &self.model, false);
        }
        Event::Failed(problem)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(live) = self.live.take() {
            live.abandon(&self.gateway, &self.model, true);
        }
    }
}

impl Live {
    pub(super) fn received(&self) -> &Received {
        self.published.received()
    }

    /// Safe to drop at any point: nothing is taken before it returns.
    async fn wait(&mut self) -> Signal {
        let Published { seat, ticket, .. } = &mut self.published;
        self.next_look.as_mut().reset(tokio::time::Instant::now() + LOOK_INTERVAL);
        tokio::select! {
            biased;
            changed = seat.stage.changed() => match changed {
                Ok(()) => Signal::StageChanged,
                Err(_) => Signal::FramesClosed,
            },
            frame = seat.frames.recv() => frame.map_or(Signal::FramesClosed, Signal::Frame),
            place = Ticket::turn_of(ticket) => Signal::Turn(place),
            Ok(()) = seat.renewals.changed() => Signal::QueueRenewed,
            Ok(()) = self.departures.changed() => Signal::Look,
            Ok(()) = self.connections.changed() => Signal::Reconnected,
            () = &mut self.next_look => Signal::Look,
        }
    }

    fn is_of_current_execution(&self, frame: &FrameV1) -> bool {
        match &*self.published.seat.stage.borrow() {
            Stage::Claimed(Execution { attempt, delivered, .. }) => {
                *attempt == frame.attempt && *delivered == frame.delivered
            }
            Stage::Waiting | Stage::Refused | Stage::Cancelled | Stage::Poisoned(_) => false,
        }
    }

    /// Whether another execution may still take the place of the one that runs.
    fn may_begin_anew(&self, gateway: &Gateway) -> bool {
        !self.begun && gateway.exchange.may_begin_anew(&self.received().request)
    }

    /// The candidate to try after such a failure before the first piece, if there is one. Those
    /// that are there for their longer context are for conversations that don't fit.
    pub(super) fn next_after(&self, code: ErrorCode) -> Option<usize> {
        if self.published.attempt >= ATTEMPTS_MAX {
            return None;
        }
        let routed = &self.published.held.routed;
        let context = self.published.model().context;
        let is_longer = |model: &Model| routed.for_context.iter().any(|m| m.name == model.name);
        let fits = |model: &Model| match code {
            ErrorCode::ContextLengthExceeded => model.context > context,
            code => code.another_candidate_may_help() && !is_longer(model),
        };
        let later = self.published.candidate + 1..routed.candidates.len();
        later.into_iter().find(|index| fits(&routed.candidates[*index]))
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
