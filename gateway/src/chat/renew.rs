//! What comes after an execution that brought nothing, or whose charge couldn't be written: another
//! one, or the end. Who is told an error instead of an answer is charged nothing.

use super::finish;
use super::relay::{ATTEMPTS_MAX, Live, Relay};
use super::{Event, Receipt};
use crate::breaker::Outcome;
use crate::exchange::Stage;
use crate::problems::{interrupted, not_heard, poisoned};
use crate::state::Gateway;
use schemas::error::{ErrorCode, Problem};
use schemas::frame::{Done, Failed};
use schemas::ledger::{self, VoidReason};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two tries to publish a job anew while NATS is away.
const UNSENT_PAUSE: Duration = Duration::from_secs(1);

impl Relay {
    /// The execution has ended badly.
    pub(super) async fn failed(&mut self, failed: Failed) -> Option<Event> {
        let live = self.live.as_mut()?;
        if let Some(settled) = failed.settled {
            if live.is_whole {
                // It is paid for and lacks nothing.
                return Some(self.done(&settled));
            }
            let live = self.live.take()?;
            live.settled(&self.gateway, &self.model, &settled);
            return Some(Event::Failed(failed.problem));
        }
        if live.is_whole {
            return Some(self.charge_whole(failed.problem).await);
        }
        if live.begun {
            live.owed.is_left_to_us = true;
            return Some(self.give_up(failed.problem));
        }
        match Outcome::of(&failed.problem) {
            Some(outcome) => self.gateway.learn_outcome(&self.model, outcome),
            None => self.gateway.breakers.release(&self.model),
        }
        if let Some(next) = live.next_after(failed.problem.code) {
            tracing::info!(code = failed.problem.code.as_str(), "trying the next candidate");
            return self.again(next).await;
        }
        let live = self.live.take()?;
        live.published.held.void(&self.gateway, VoidReason::Failed);
        Some(Event::Failed(failed.problem))
    }

    /// Nothing more is waited for: a whole answer that is there is told, all else ends.
    pub(super) async fn end_alone(&mut self, problem: Problem) -> Event {
        if self.live.as_ref().is_some_and(|live| live.is_whole) {
            return Box::pin(self.charge_whole(problem)).await;
        }
        self.give_up(problem)
    }

    /// The whole answer is there, but its worker did not write the charge, or didn't say so: we do,
    /// and it is told when a charge stands; else it costs nothing. In a task of its own, which a
    /// client that leaves can't stop.
    async fn charge_whole(&mut self, problem: Problem) -> Event {
        let Some(live) = self.live.take() else { return Event::Failed(interrupted()) };
        let (gateway, model) = (Arc::clone(&self.gateway), self.model.clone());
        let tasks = gateway.settlements.clone();
        let charging = tasks.spawn("charge a whole answer", async move {
            let done = live.charge(&gateway, &model, ledger::Outcome::Done).await?;
            finish::finish(&gateway, live, &model, &done);
            Some(done)
        });
        match charging.await.ok().flatten() {
            Some(Done { usage, charge, .. }) => Event::Done(Receipt { usage, charge }),
            None => Event::Failed(problem),
        }
    }

    /// The queue was lost with NATS and made anew: what waited in it is published again.
    pub(super) async fn requeue(&mut self) -> Option<Event> {
        let live = self.live.as_mut()?;
        let waiting = *live.published.seat.stage.borrow() == Stage::Waiting;
        // Who waits for a turn has lost nothing.
        if live.begun || !waiting || live.published.ticket.is_some() {
            return None;
        }
        self.again(None).await
    }

    /// Publishes again, for another candidate or the same. While NATS is away an execution that is
    /// thought to be lost may go on, and a job that wasn't confirmed may be in the queue all the
    /// same: no error ends the request then, which may be charged; it is tried once more.
    pub(super) async fn again(&mut self, candidate: impl Into<Option<usize>>) -> Option<Event> {
        let live = self.live.as_mut()?;
        let may_run = live.may_run();
        let candidate = candidate.into().unwrap_or(live.published.candidate);
        let before = live.published.attempt;
        let sent = Box::pin(live.published.again(&self.gateway, candidate)).await;
        if live.published.attempt != before {
            live.numbers = 0;
        }
        let is_away = |problem: &Problem| problem.code == ErrorCode::ServiceUnavailable;
        live.unsent_until = None;
        if may_run && sent.as_ref().is_err_and(is_away) && live.published.attempt < ATTEMPTS_MAX {
            live.unsent_until = Some(Instant::now() + UNSENT_PAUSE);
            return None;
        }
        self.published(sent)
    }

    /// What came of publishing. An error ends the request without a charge.
    pub(super) fn published(&mut self, sent: Result<(), Problem>) -> Option<Event> {
        let live = self.live.as_mut()?;
        match sent {
            Ok(()) => {
                self.model = live.published.model().name.clone();
                self.dropped.clone_from(&live.published.dropped);
                self.overflowed = live.published.overflowed;
                self.figures.queue_position = live.published.position;
                self.figures.cut_to = live.published.cut_to();
                None
            }
            Err(problem) => {
                let live = self.live.take()?;
                live.published.held.void(&self.gateway, VoidReason::Failed);
                Some(Event::Failed(problem))
            }
        }
    }
}

impl Live {
    /// Whether somebody may be at work on it, also on a job that NATS didn't confirm.
    fn may_run(&self) -> bool {
        let is_claimed = matches!(&*self.published.seat.stage.borrow(), Stage::Claimed(_));
        is_claimed || self.unsent_until.is_some()
    }

    /// Whether it is time to publish a job that couldn't be published before.
    pub(super) fn is_to_be_sent(&self, gateway: &Gateway, stage: &Stage) -> bool {
        let is_due = self.unsent_until.is_some_and(|until| Instant::now() >= until);
        let can_be_heard = || gateway.bus.is_connected() && gateway.fleet.heard_since().is_some();
        is_due && *stage == Stage::Waiting && can_be_heard()
    }

    /// Why a job that was handed out as often as allowed came to nothing. Who had it last may live,
    /// and only not have been heard.
    pub(super) fn why_poisoned(&self, gateway: &Gateway, stage: &Stage) -> Problem {
        let pool = &self.published.model().pool;
        match stage.execution() {
            Some(last) if gateway.fleet.is_alive(pool, &last.worker) => not_heard(),
            _ => poisoned(),
        }
    }
}
