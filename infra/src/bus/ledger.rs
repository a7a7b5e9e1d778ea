//! The ledger as it is read, and what comes of writing to it. The stream refuses a second event on
//! a subject, so whoever writes first is right, and everybody else learns what was written.

use super::seal::Sealer;
use super::{Bus, BusError};
use async_nats::jetstream;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use futures::future::BoxFuture;
use futures::{Stream, StreamExt};
use schemas::ledger::{Event, EventV1};
use schemas::subjects;

/// What came of writing an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It is durable now, at this sequence.
    Written(u64),
    /// The same fact had been written before, as this event.
    Before(Box<EventV1>),
}

/// What came of writing an event that depends on all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmoved {
    /// It is durable now.
    Written,
    /// The account has other events since, or this one was written before: nothing was written.
    Moved,
}

/// An event with its place in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its sequence in the whole ledger.
    pub sequence: u64,
    /// The event; `None` for one that can't be read or stands on the subject of another fact. It
    /// counts for nothing, and may not stop those behind it.
    pub event: Option<EventV1>,
    /// When NATS took it: milliseconds since 1970.
    pub taken_ms: u64,
    /// An event that came too late to count: its month may be closed.
    pub late: Option<Box<EventV1>>,
}

impl Entry {
    /// An event that the ledger took at a time, in milliseconds since 1970.
    fn of(sequence: u64, event: Option<EventV1>, taken_ms: u64) -> Self {
        match event {
            Some(event) if event.is_late(taken_ms) => {
                Self { sequence, event: None, taken_ms, late: Some(Box::new(event)) }
            }
            event => Self { sequence, event, taken_ms, late: None },
        }
    }
}

/// The ledger, of which only its messages are asked for.
type LedgerStream = jetstream::stream::Stream<()>;

/// What stands on a subject.
pub(super) enum Standing {
    Nothing,
    /// It counts for nothing, because of this.
    Refused(BusError),
    Event(Box<EventV1>),
}

impl Bus {
    /// The event on a subject, if there is one. Of a request's end that is the one that counts.
    ///
    /// # Errors
    /// When NATS can't be asked or the event can't be read.
    pub async fn recorded(&self, subject: &str) -> Result<Option<EventV1>, BusError> {
        let refusal = match self.standing_on(subject).await? {
            Standing::Nothing => return Ok(None),
            Standing::Event(event) => return Ok(Some(*event)),
            Standing::Refused(refusal) => refusal,
        };
        let Some(second) = subjects::amended(subject) else { return Err(refusal) };
        match self.standing_on(&second).await? {
            Standing::Event(event) => Ok(Some(*event)),
            Standing::Nothing | Standing::Refused(_) => Err(refusal),
        }
    }

    pub(super) async fn standing_on(&self, subject: &str) -> Result<Standing, BusError> {
        let Some(message) = self.last_on(subject).await? else { return Ok(Standing::Nothing) };
        let sealer = self.sealer().await?;
        Ok(counted(&message, &sealer)
            .map_or_else(Standing::Refused, |event| Standing::Event(Box::new(event))))
    }

    async fn ledger_stream(&self) -> Result<LedgerStream, BusError> {
        let stream = self.jetstream().get_stream_no_info(subjects::LEDGER_STREAM).await;
        stream.map_err(|error| BusError::request("reading the ledger", error))
    }

    /// Boxed: a future is as large as its largest branch, and this one is rare. Without the box
    /// every writing of an event would carry its state.
    pub(super) fn last_on<'a>(
        &'a self,
        subject: &'a str,
    ) -> BoxFuture<'a, Result<Option<StreamMessage>, BusError>> {
        use async_nats::jetstream::stream::DirectGetErrorKind;
        Box::pin(async move {
            let stream = self.ledger_stream().await?;
            match stream.direct_get_last_for_subject(subject).await {
                Ok(message) => Ok(Some(message)),
                Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
                Err(error) => Err(BusError::request("reading the ledger", error)),
            }
        })
    }

    /// The sequence of the last event under a filter; 0 when there is none.
    ///
    /// # Errors
    /// When NATS can't be asked.
    pub async fn last_recorded(&self, filter: &str) -> Result<u64, BusError> {
        Ok(self.last_message(filter).await?.map_or(0, |message| message.sequence))
    }

    /// The sequence of what stands for the end of an event's request, in its own place or in the
    /// second one; 0 when there is nothing.
    ///
    /// # Errors
    /// When NATS can't be asked.
    pub async fn last_end(&self, event: &EventV1) -> Result<u64, BusError> {
        let subject = event.subject();
        let first = self.last_recorded(&subject).await?;
        match subjects::amended(&subject) {
            Some(second) => Ok(first.max(self.last_recorded(&second).await?)),
            None => Ok(first),
        }
    }

    /// The last event under a filter.
    ///
    /// # Errors
    /// When NATS can't be asked or the event can't be read.
    pub async fn last_event(&self, filter: &str) -> Result<Option<EventV1>, BusError> {
        let message = self.last_message(filter).await?;
        message.map(|message| decode(&message.subject, &message.payload)).transpose()
    }

    /// The first event under a filter from a sequence on that can be read.
    ///
    /// # Errors
    /// When NATS can't be asked.
    pub async fn first_event(&self, filter: &str, from: u64) -> Result<Option<EventV1>, BusError> {
        let stream = self.ledger_stream().await?;
        let sealer = self.sealer().await?;
        let mut from = from;
        loop {
            match stream.get_first_raw_message_by_subject(filter, from).await {
                Ok(message) => match counted(&message, &sealer) {
                    Ok(event) => return Ok(Some(event)),
                    Err(_) => from = message.sequence + 1,
                },
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                    return Ok(None);
                }
                Err(error) => return Err(BusError::request("reading the ledger", error)),
            }
        }
    }

    /// The first message under a filter from a sequence on: its own sequence, and when NATS took
    /// it, in milliseconds since 1970.
    pub(super) async fn taken_from(
        &self,
        filter: &str,
        from: u64,
    ) -> Result<Option<(u64, u64)>, BusError> {
        let stream = self.ledger_stream().await?;
        match stream.get_first_raw_message_by_subject(filter, from).await {
            Ok(message) => Ok(Some((message.sequence, milliseconds(message.time)))),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(BusError::request("reading the ledger", error)),
        }
    }

    /// When NATS took the message of a sequence under a filter, in milliseconds since 1970; nothing
    /// when another one is the next from there on.
    ///
    /// # Errors
    /// When NATS can't be asked.
    pub async fn taken_at(&self, filter: &str, sequence: u64) -> Result<Option<u64>, BusError> {
        let found = self.taken_from(filter, sequence).await?;
        Ok(found.filter(|(at, _)| *at == sequence).map(|(_, taken_ms)| taken_ms))
    }

    async fn last_message(&self, filter: &str) -> Result<Option<StreamMessage>, BusError> {
        let stream = self.ledger_stream().await?;
        match stream.get_last_raw_message_by_subject(filter).await {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(BusError::request("reading the ledger", error)),
        }
    }

    /// Follows the events under a filter in their order, from a sequence on. The stream mends
    /// itself after a restart of NATS; it ends with an error only when it can't.
    ///
    /// # Errors
    /// When the ledger can't be reached.
    pub async fn follow_ledger(
        &self,
        filter: &str,
        from: u64,
    ) -> Result<impl Stream<Item = Result<Entry, BusError>> + Send + use<>, BusError> {
        self.follow_filters(&[filter.to_owned()], from).await
    }

    /// The same under several filters.
    pub(super) async fn follow_filters(
        &self,
        filters: &[String],
        from: u64,
    ) -> Result<impl Stream<Item = Result<Entry, BusError>> + Send + use<>, BusError> {
        let request =
            |error: &dyn std::fmt::Display| BusError::request("following the ledger", error);
        let sealer = self.sealer().await?;
        let stream = self
            .jetstream()
            .get_stream(subjects::LEDGER_STREAM)
            .await
            .map_err(|error| request(&error))?;
        let config = pull::OrderedConfig {
            filter_subjects: filters.to_vec(),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from.max(1) },
            ..pull::OrderedConfig::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(|error| request(&error))?;
        let messages = consumer.messages().await.map_err(|error| request(&error))?;
        Ok(messages.map(move |message| {
            let message =
                message.map_err(|error| BusError::request("following the ledger", error))?;
            let info =
                message.info().map_err(|error| BusError::request("following the ledger", error))?;
            let (sequence, taken_ms) = (info.stream_sequence, milliseconds(info.published));
            let headers = message.headers.clone().unwrap_or_default();
            let subject = message.subject.as_str();
            let event = decode(subject, &message.payload)
                .and_then(|event| checked(event, &sealer, &headers, taken_ms, subject))
                .map_err(|error| {
                    tracing::error!(sequence, %error, "a refused ledger event counts for nothing");
                });
            Ok(Entry::of(sequence, event.ok(), taken_ms))
        }))
    }
}

pub(super) fn decode(subject: &str, payload: &[u8]) -> Result<EventV1, BusError> {
    let Event::V1(event) = serde_json::from_slice(payload).map_err(|error| {
        BusError::Unreadable { subject: subject.to_owned(), cause: error.to_string() }
    })?;
    if !event.may_stand_on(subject) {
        let cause = "another fact stands on this subject".to_owned();
        return Err(BusError::Unreadable { subject: subject.to_owned(), cause });
    }
    Ok(event)
}

/// The event of a message, if it counts.
fn counted(message: &StreamMessage, sealer: &Sealer) -> Result<EventV1, BusError> {
    let event = decode(&message.subject, &message.payload)?;
    checked(event, sealer, &message.headers, milliseconds(message.time), &message.subject)
}

/// The event, if its seal and its amount say that it counts.
fn checked(
    event: EventV1,
    sealer: &Sealer,
    headers: &async_nats::HeaderMap,
    taken_ms: u64,
    subject: &str,
) -> Result<EventV1, BusError> {
    if event.is_possible() && sealer.admits(&event, headers, taken_ms) {
        return Ok(event);
    }
    let cause = match event.is_possible() {
        true => "it ends a request without the seal of its gateway",
        false => "its amount is beyond AMOUNT_MAX",
    };
    let cause = cause.to_owned();
    Err(BusError::Unreadable { subject: subject.to_owned(), cause })
}

fn milliseconds(moment: async_nats::datetime::DateTime) -> u64 {
    u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
}
