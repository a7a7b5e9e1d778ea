//! The loads that are measured: plain and streamed answers of 100 tokens, as fast as they come and
//! at a vendor's pace, by clients that wait for each answer and by clients that come on their own;
//! and slow streams, as many as are asked for.

use std::time::Duration;

/// Clients that wait for an answer before they ask again.
const CLOSED: [usize; 4] = [1, 16, 64, 256];

/// Requests a second of clients that don't wait.
const OPEN: [u32; 2] = [100, 500];

/// How the answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// One JSON object.
    Plain,
    /// A stream without a pause.
    Stream,
    /// A stream with 10 ms before each token.
    Paced,
    /// A short stream with a second before each token.
    Slow,
}

impl Answer {
    /// The model that answers so.
    pub(crate) fn model(self) -> &'static str {
        match self {
            Self::Plain | Self::Stream => "bench-fast",
            Self::Paced => "bench-paced",
            Self::Slow => "bench-slow",
        }
    }

    /// How many tokens it has.
    pub(crate) fn tokens(self) -> u64 {
        match self {
            Self::Plain | Self::Stream | Self::Paced => 100,
            Self::Slow => 30,
        }
    }

    /// Before each token.
    pub(crate) fn pace(self) -> Option<Duration> {
        match self {
            Self::Plain | Self::Stream => None,
            Self::Paced => Some(Duration::from_millis(10)),
            Self::Slow => Some(Duration::from_secs(1)),
        }
    }

    /// Whether it is a stream.
    pub(crate) fn is_stream(self) -> bool {
        self != Self::Plain
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Stream => "stream",
            Self::Paced => "paced",
            Self::Slow => "slow",
        }
    }
}

/// When requests are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// So many clients, each after its last answer.
    Closed(usize),
    /// So many a second, at random times, whatever becomes of the others.
    Open(u32),
    /// So many at once, each one time.
    Once(usize),
}

/// One load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    /// How answers come.
    pub(crate) answer: Answer,
    /// When requests are sent.
    pub(crate) arrival: Arrival,
}

impl Cell {
    /// All of them, in the order of the table.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let closed =
            [Answer::Plain, Answer::Stream, Answer::Paced].into_iter().flat_map(|answer| {
                CLOSED.map(|clients| Self { answer, arrival: Arrival::Closed(clients) })
            });
        let open = |rate| Self { answer: Answer::Plain, arrival: Arrival::Open(rate) };
        closed.chain(OPEN.map(open))
    }

    /// Such as `stream 64` or `plain 100/s`.
    pub(crate) fn name(&self) -> String {
        match self.arrival {
            Arrival::Closed(clients) => format!("{} {clients}", self.answer.name()),
            Arrival::Open(rate) => format!("{} {rate}/s", self.answer.name()),
            Arrival::Once(clients) => format!("{} {clients} once", self.answer.name()),
        }
    }
}
