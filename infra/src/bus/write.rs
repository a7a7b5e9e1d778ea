//! Writing to the ledger: until NATS says that it is durable, at most for a while. Whoever writes
//! first is right; nothing is ever written over.

use super::ledger::{Recorded, Standing, Unmoved, decode};
use super::seal::SEAL;
use super::{Bus, BusError, REQUEST_SECONDS_MAX};
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::publish::PublishAck;
use bytes::Bytes;
use schemas::ledger::{EventV1, Fact};
use schemas::subjects;
use std::time::Duration;
use tokio::time::Instant;

/// How often an event is written again that NATS doesn't confirm. Then a worker leaves it to its
/// gateway, and a gateway to the sweeper.
const WRITE_ATTEMPTS_MAX: u32 = 8;

/// How long attempts go on, whatever each of them takes: a complete answer waits for them.
const WRITE_TIME_MAX: Duration = Duration::from_secs(30);

/// How often an event is sent anew over a new connection, before its attempt just waits.
const RESENDS_MAX: u32 = 3;

/// Between two looks whether NATS is back.
const AWAY_PAUSE: Duration = Duration::from_millis(20);

/// The first pause between two attempts; it doubles each time.
const WRITE_PAUSE: Duration = Duration::from_millis(100);

/// The header that says which subjects an expected last sequence is of (nats-server 2.12).
const EXPECTED_LAST_SUBJECT: &str = "Nats-Expected-Last-Subject-Sequence-Subject";

impl Bus {
    /// Writes an event and waits until it is durable. The end of a request is sealed by us; where a
    /// forgery stands on its subject it goes to a second one.
    ///
    /// # Errors
    /// When NATS doesn't confirm it: then it may or may not be written, and writing it again is
    /// safe. [`BusError::TooMuch`] when it can never be written.
    pub async fn record(&self, event: &EventV1) -> Result<Recorded, BusError> {
        let subject = event.subject();
        let seal = match event.request() {
            Some(_) => self.sealer().await?.seal_of(event),
            None => None,
        };
        if let Some(sequence) = self.put(subject.clone(), event, seal.as_deref()).await? {
            return Ok(Recorded::Written(sequence));
        }
        let refusal = match self.standing_on(&subject).await? {
            Standing::Event(before) => return Ok(Recorded::Before(before)),
            Standing::Refused(refusal) => refusal,
            Standing::Nothing => return Err(BusError::request("reading the ledger", "no event")),
        };
        let Some(second) = subjects::amended(&subject) else { return Err(refusal) };
        if let Some(sequence) = self.put(second.clone(), event, seal.as_deref()).await? {
            tracing::error!(%refusal, "a forgery stood in a request's place in the ledger");
            return Ok(Recorded::Written(sequence));
        }
        match self.standing_on(&second).await? {
            Standing::Event(before) => Ok(Recorded::Before(before)),
            Standing::Refused(_) | Standing::Nothing => Err(refusal),
        }
    }

    /// Writes the end of a request as a worker, under the seal that came with the job. `None` when
    /// somebody wrote another request's end there: the gateway knows what to do.
    ///
    /// # Errors
    /// As [`Bus::record`].
    pub async fn record_under(
        &self,
        event: &EventV1,
        seal: Option<&str>,
    ) -> Result<Option<Recorded>, BusError> {
        let subject = event.subject();
        if let Some(sequence) = self.put(subject.clone(), event, seal).await? {
            return Ok(Some(Recorded::Written(sequence)));
        }
        let Some(message) = self.last_on(&subject).await? else {
            return Err(BusError::request("reading the ledger", "no event"));
        };
        let Ok(before) = decode(&subject, &message.payload) else { return Ok(None) };
        let counts = match (&before.fact, &event.fact) {
            (Fact::Use(before_us), Fact::Use(ours)) => {
                let is_sealed = message.headers.get(SEAL).map(|it| it.as_str()) == seal;
                (is_sealed || seal.is_none())
                    && (&before_us.key, before_us.hold) == (&ours.key, ours.hold)
                    && before.amount.negated() <= ours.hold
            }
            // A gateway or the sweeper voids under another seal: then nothing is charged.
            (fact, _) => matches!(fact, Fact::Void(_)),
        };
        Ok(counts.then(|| Recorded::Before(Box::new(before))))
    }

    /// Writes an event until NATS confirms it, at most a few times. `None` when it never did.
    pub async fn record_patiently(&self, event: &EventV1) -> Option<Recorded> {
        patiently(|| Box::pin(async { self.record(event).await.map(Some) })).await
    }

    /// The same as a worker, under the seal that came with the job. `None` also when another
    /// request's end stands there.
    pub async fn record_patiently_under(
        &self,
        event: &EventV1,
        seal: Option<&str>,
    ) -> Option<Recorded> {
        patiently(|| self.record_under(event, seal)).await
    }

    /// Puts an event on a subject; nothing when there is one.
    async fn put(
        &self,
        subject: String,
        event: &EventV1,
        seal: Option<&str>,
    ) -> Result<Option<u64>, BusError> {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert(async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, "0");
        if let Some(seal) = seal {
            headers.insert(SEAL, seal);
        }
        self.publish(subject, headers, event).await
    }

    /// Writes an event only if the account's last one is still at this sequence.
    ///
    /// # Errors
    /// When NATS doesn't confirm it: then it may or may not be written, and trying again is safe.
    pub async fn record_unmoved(&self, event: &EventV1, last: u64) -> Result<Unmoved, BusError> {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert(async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, last.to_string());
        let filter = subjects::ledger_account(&event.account);
        headers.insert(EXPECTED_LAST_SUBJECT, filter);
        match self.publish(event.subject(), headers, event).await {
            Ok(Some(_)) => Ok(Unmoved::Written),
            Ok(None) => Ok(Unmoved::Moved),
            Err(error) if self.recorded(&event.subject()).await?.is_some() => {
                tracing::debug!(%error, "the fact was written before");
                Ok(Unmoved::Moved)
            }
            Err(error) => Err(error),
        }
    }

    /// Publishes an event and waits until it is durable; nothing when another one stands there than
    /// the headers expect.
    async fn publish(
        &self,
        subject: String,
        headers: async_nats::HeaderMap,
        event: &EventV1,
    ) -> Result<Option<u64>, BusError> {
        if !event.is_possible() {
            return Err(BusError::TooMuch);
        }
        let body =
            event.to_json().map_err(|error| BusError::request("encoding a ledger event", error))?;
        match self.send(subject, headers, body.into()).await {
            Ok(acknowledged) => {
                self.ledger().open();
                Ok(Some(acknowledged.sequence))
            }
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(None),
            Err(error) => Err(BusError::request("writing to the ledger", error)),
        }
    }

    /// Publishes and waits for NATS's word. When the connection is lost meanwhile it is published
    /// anew at once over the next one: what was said on the former nobody hears. Nor does a failure
    /// on that one say anything of the ledger. While NATS is away nothing is given to the library:
    /// it would send that whenever NATS is back, also a charge that nobody waits for any more,
    /// ahead of the void that is written in its place.
    async fn send(
        &self,
        subject: String,
        headers: async_nats::HeaderMap,
        body: Bytes,
    ) -> Result<PublishAck, PublishError> {
        let mut connections = self.connections();
        for attempt in 1.. {
            let began = Instant::now();
            if tokio::time::timeout(REQUEST_SECONDS_MAX, self.is_back()).await.is_err() {
                self.ledger().fail(began);
                return Err(PublishError::new(PublishErrorKind::TimedOut));
            }
            let connection = *connections.borrow_and_update();
            let may_get_lost = attempt <= RESENDS_MAX;
            let sent = async {
                let (subject, headers, body) = (subject.clone(), headers.clone(), body.clone());
                let sent = self.jetstream().publish_with_headers(subject, headers, body).await;
                sent?.await
            };
            let answer = tokio::select! {
                answer = sent => answer,
                Ok(()) = connections.changed(), if may_get_lost => continue,
            };
            let told = answer.as_ref().err().map(PublishError::kind);
            let failed = told.is_some_and(|kind| kind != PublishErrorKind::WrongLastSequence);
            if failed && connection == *connections.borrow() {
                self.ledger().fail(began);
                if self.has_others && self.is_connected() && self.ledger().outlasts_its_server() {
                    tracing::warn!("the ledger takes nothing over this server: another is tried");
                    self.leave_server().await;
                }
            }
            return answer;
        }
        Err(PublishError::new(PublishErrorKind::Other))
    }

    /// Waits until NATS is there. The library tells it a moment before it knows it itself.
    async fn is_back(&self) {
        while !self.is_connected() {
            tokio::time::sleep(AWAY_PAUSE).await;
        }
    }
}

/// Tries until something is certain, or no attempt is left.
async fn patiently<F>(mut attempt: impl FnMut() -> F) -> Option<Recorded>
where
    F: Future<Output = Result<Option<Recorded>, BusError>>,
{
    let (mut pause, end) = (WRITE_PAUSE, Instant::now() + WRITE_TIME_MAX);
    for number in 1..=WRITE_ATTEMPTS_MAX {
        match tokio::time::timeout_at(end, attempt()).await {
            Ok(Ok(recorded)) => return recorded,
            Ok(Err(error @ BusError::TooMuch)) => {
                tracing::error!(%error, "no further attempt would help");
                return None;
            }
            Ok(Err(error)) => tracing::debug!(%error, "a ledger event is not confirmed yet"),
            Err(_) => return None,
        }
        // Nothing is tried after the last one, so nobody waits after it.
        if number == WRITE_ATTEMPTS_MAX || Instant::now() + pause >= end {
            return None;
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirmed_at(attempt: u32) -> impl FnMut() -> std::future::Ready<Answer> {
        let mut tried = 0;
        move || {
            tried += 1;
            let away = BusError::request("writing to the ledger", "away");
            let answer = if tried < attempt { Err(away) } else { Ok(Some(Recorded::Written(1))) };
            std::future::ready(answer)
        }
    }

    type Answer = Result<Option<Recorded>, BusError>;

    #[tokio::test(start_paused = true)]
    async fn an_event_is_written_until_that_is_certain_or_hopeless() {
        let began = tokio::time::Instant::now();
        assert_eq!(patiently(confirmed_at(8)).await, Some(Recorded::Written(1)));
        assert_eq!(began.elapsed(), WRITE_PAUSE * 127);
        assert_eq!(patiently(confirmed_at(9)).await, None);
        assert_eq!(began.elapsed(), WRITE_PAUSE * (127 + 127), "no pause after the last attempt");
        let mut tried = 0;
        // An attempt may take long itself.
        let began = tokio::time::Instant::now();
        let silent = || async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Err(BusError::request("writing to the ledger", "no answer"))
        };
        assert_eq!(patiently(silent).await, None);
        assert!(began.elapsed() <= WRITE_TIME_MAX);
        let began = tokio::time::Instant::now();
        for answer in [Ok(None), Err(BusError::TooMuch)] {
            let mut answer = Some(answer);
            let attempt = || {
                tried += 1;
                std::future::ready(answer.take().unwrap())
            };
            assert_eq!(patiently(attempt).await, None);
        }
        assert_eq!((tried, began.elapsed()), (2, Duration::ZERO));
    }
}
