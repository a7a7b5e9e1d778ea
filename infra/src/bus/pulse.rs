//! Whether NATS answers, in both directions: a connection that swallows what it is given breaks
//! only after a while, and one that swallows in one direction alone never does, as long as
//! adverts still come. So it is asked, twice a second, and questions without an answer are counted;
//! time is not, because a process that gets no processor must not count that as silence.

use super::{Bus, BusError};
use futures::StreamExt;
use schemas::ids::WorkerId;
use schemas::subjects;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Between two questions.
const QUESTION_INTERVAL: Duration = Duration::from_millis(500);

/// From so many questions without an answer on NATS counts as silent: after 2 s.
const UNANSWERED_MAX: u32 = 4;

/// After so many without an answer another connection is made, and again after as many more: after
/// 8 s. What was sent over the former one is lost then, while it may still come after a shorter
/// silence.
const UNANSWERED_RECONNECT: u32 = 16;

/// A pool that no worker serves: NATS itself says at once that nobody listens there.
const NOBODY: &str = "nobody";

/// How many questions in a row NATS has left without an answer.
#[derive(Debug, Default)]
pub(super) struct Pulse(AtomicU32);

impl Bus {
    /// Whether NATS is there and answers. Who doesn't ask ([`Bus::keep_asking`]) knows no more than
    /// that it is connected.
    pub fn is_heard(&self) -> bool {
        self.is_connected() && self.pulse.0.load(Ordering::Relaxed) < UNANSWERED_MAX
    }

    /// Asks until `stop`, and leaves a connection that nothing is heard on. For a role that may
    /// hand jobs to workers.
    ///
    /// # Errors
    /// When the answers can't be listened to.
    pub async fn keep_asking(&self, stop: &CancellationToken) -> Result<(), BusError> {
        let inbox = self.client().new_inbox();
        let answers = self.client().subscribe(inbox.clone()).await;
        let mut answers =
            answers.map_err(|error| BusError::request("listening for NATS's answers", error))?;
        let nobody = subjects::direct(NOBODY, &WorkerId::fresh());
        let mut questions = tokio::time::interval(QUESTION_INTERVAL);
        questions.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                answer = answers.next() => match answer {
                    Some(_) => self.pulse.0.store(0, Ordering::Relaxed),
                    None => return Err(BusError::request("listening to NATS", "it ended")),
                },
                _ = questions.tick() => self.ask(&nobody, &inbox).await,
            }
        }
    }

    async fn ask(&self, nobody: &str, inbox: &str) {
        if !self.is_connected() {
            self.pulse.0.store(0, Ordering::Relaxed);
            return;
        }
        let unanswered = self.pulse.0.fetch_add(1, Ordering::Relaxed);
        if unanswered > 0 && unanswered.is_multiple_of(UNANSWERED_RECONNECT) {
            tracing::warn!("NATS is silent: it is connected to anew");
            if tokio::time::timeout(QUESTION_INTERVAL, self.leave_server()).await.is_err() {
                tracing::debug!("the connection doesn't take that it should end");
            }
        }
        let mut subjects = vec![];
        if !self.is_direct_denied() {
            subjects.push(nobody.to_owned());
        }
        // Where somebody listens to everything NATS says nothing of that. The queue's own server
        // answers always, but for the moments in which there is none.
        if unanswered > 0 || subjects.is_empty() {
            subjects.push(subjects::stream_info(subjects::CHAT_STREAM));
        }
        for subject in subjects {
            let asked = self.client().publish_with_reply(subject, inbox.to_owned(), "".into());
            // With a connection that takes nothing there is soon no room for a question.
            match tokio::time::timeout(QUESTION_INTERVAL, asked).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "NATS can't be asked"),
                Err(_) => tracing::debug!("NATS takes no question"),
            }
        }
    }

    /// Breaks the connection: another is made at once, to another server if there are several.
    pub(super) async fn leave_server(&self) {
        if let Err(error) = self.client().force_reconnect().await {
            tracing::debug!(%error, "the connection can't be left");
        }
    }
}
