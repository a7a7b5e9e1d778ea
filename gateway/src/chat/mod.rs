//! The way of a chat request. The steps stand in the order in which they are walked; each is a file
//! with one public function, and takes what the former step gave. The conductor below holds the
//! branching. Nothing here knows which surface (OpenAI, Anthropic, …) asked.

/// 1. Is it a request that the API takes?
mod receive;

/// 2. Whose key is it?
mod authenticate;

/// 3. Is there room within the key's limits?
mod admit;

/// 4. Personal data → placeholders.
mod mask;

/// 5. Has the same been answered a moment ago?
mod recall;

/// 6. Which model, and which instead of it?
mod route;

/// 7. The credit for the worst case.
mod hold;

/// 8. Onto the queue.
mod publish;

/// 9. The answer's frames, until its end.
mod relay;

/// 10. Placeholders → personal data.
mod unmask;

/// 11. What is owed when the worker or the client is gone, and what is left to count.
mod finish;

/// What ends the wait for frames.
mod lookout;

/// What comes after an execution that brought nothing.
mod renew;

/// The pieces of a stream put together.
mod collect;

/// What a kept answer costs.
mod charge;

/// The lead of a question that is being asked.
mod lead;

/// The same in other words.
mod similar;

/// The places among the requests at once.
mod places;

pub use collect::Collector;

pub(crate) use admit::LEASE_MS;
pub(crate) use lead::{Leads, keep_leads};
pub(crate) use places::ParallelPlaces;

use crate::cache::Wishes;
use crate::credits;
use crate::entrance::EntranceTurn;
use crate::heavy;
pub use crate::line::LinePosition;
use crate::pii::{self, Vault};
use crate::problems::deadline_exceeded;
use crate::state::Gateway;
use infra::clock;
use infra::config::DropParams;
use infra::crash::Point;
use infra::runtime::long_work;
use infra::store::limits::LimitStanding;
use schemas::error::Problem;
use schemas::ids::RequestId;
use schemas::job::JobKind;
use schemas::money::MicroUsd;
use schemas::openai::{AnswerChoice, ChatRequest, ChunkChoice};
use schemas::usage::Usage;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A chat as a surface hands it over.
pub struct Call {
    /// Its name, already told to the client.
    pub request: RequestId,
    /// What it asks for.
    pub kind: JobKind,
    /// What is asked, in the canonical form.
    pub chat: Box<ChatRequest>,
    /// The key's secret, if one was sent.
    pub secret: Option<String>,
    /// What the client wants of kept answers.
    pub wishes: Wishes,
    /// What the client wants of fields that the model can't honour, if it said so.
    pub drop_params: Option<DropParams>,
    /// When it came.
    pub arrived: Instant,
    /// The span that it is.
    pub trace: Option<infra::trace::Context>,
}

/// How many bytes a request has.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// As JSON: so many were read.
    read: u64,
    /// Of them are not of files that stand in it whole: so many are looked through.
    text: u64,
}

/// A chat that was refused before an answer began.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub problem: Problem,
    /// Where the key stands, if it was known.
    pub standing: Option<LimitStanding>,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problem, standing: None }
    }
}

/// What happens while a chat is answered.
#[derive(Debug)]
pub enum Event {
    /// Nothing yet: a stream should show a sign of life.
    Waiting,
    /// The same while the request waits for its turn: where it stands.
    Queued(LinePosition),
    /// A piece of the answer.
    Pieces(Vec<ChunkChoice>),
    /// The whole answer.
    Whole(Vec<AnswerChoice>),
    /// The end: everything was said and its charge is durable.
    Done(Receipt),
    /// The end: it went wrong.
    Failed(Problem),
}

/// What an answer took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// What was consumed.
    pub usage: Usage,
    /// What it cost.
    pub charge: MicroUsd,
}

/// How the answer came about, as far as it is known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// The credit that was held for it.
    pub hold: MicroUsd,
    /// How long the answer may be, in tokens, when the client asked for a longer one.
    pub cut_to: Option<u64>,
    /// Where it stood when it joined the line for its turn, if it had to.
    pub queue_position: Option<u64>,
    /// From the queue to the worker that answers, in milliseconds.
    pub queue_ms: Option<u64>,
    /// From the request's arrival to the first piece, in milliseconds.
    pub first_token_ms: Option<u64>,
    /// From the request's arrival to the queue, in milliseconds: what we add.
    pub overhead_ms: u64,
}

/// A chat that is being answered. Dropping it before its end tells the worker to stop; what was
/// produced is charged.
pub struct Answering {
    /// Where the key stands.
    pub standing: Option<LimitStanding>,
    /// Whether the answer had been kept.
    pub from_cache: bool,
    /// How many pieces of which kinds of personal data were masked, as `email=1,phone=2`.
    pub masked: String,
    reason: String,
    gateway: Arc<Gateway>,
    source: Source,
    unmask: unmask::Unmask,
}

enum Source {
    Live(Box<relay::Relay>),
    Kept(Box<recall::Kept>),
    Coming(Coming),
}

/// An answer that has begun, as far as the way to it decides it.
struct Begun {
    reason: String,
    from_cache: bool,
    source: Source,
}

impl Size {
    fn of(chat: &ChatRequest) -> Self {
        let read = credits::json_bytes(chat);
        // What is small as a whole has little text, whatever it is.
        let is_large = heavy::is_heavy(read);
        let media = if is_large { long_work(|| pii::media_bytes(chat)) } else { 0 };
        Self { read, text: read.saturating_sub(media) }
    }
}

type Begin = Pin<Box<dyn Future<Output = Result<Begun, Refused>> + Send>>;

/// An equal question is being asked: its answer serves this one, too.
struct Coming {
    /// The model that was asked for.
    model: String,
    /// Absent once it has come, or has failed.
    begin: Option<Begin>,
    /// A sign of life is due only after the first.
    has_waited: bool,
}

impl Begun {
    fn kept(kept: Box<recall::Kept>) -> Self {
        Self { reason: "cache".to_owned(), from_cache: true, source: Source::Kept(kept) }
    }

    fn coming(model: String, begin: Begin) -> Self {
        let source = Source::Coming(Coming { model, begin: Some(begin), has_waited: false });
        Self { reason: "follow".to_owned(), from_cache: false, source }
    }
}

impl Coming {
    /// What it came to; nothing when it is time for a sign of life.
    async fn come(&mut self, ping: Duration) -> Option<Result<Begun, Refused>> {
        let limit = if self.has_waited { ping } else { Duration::ZERO };
        self.has_waited = true;
        let begin = self.begin.as_mut()?;
        let begun = tokio::time::timeout(limit, begin).await.ok()?;
        self.begin = None;
        Some(begun)
    }
}

impl Answering {
    /// The model that answers, by its name in the catalogue. It may change until the first piece.
    pub fn model(&self) -> &str {
        match &self.source {
            Source::Live(relay) => relay.model(),
            Source::Kept(kept) => kept.model(),
            Source::Coming(coming) => &coming.model,
        }
    }

    /// Who provides that model.
    pub fn provider(&self) -> &'static str {
        self.gateway.config.models.get(self.model()).map_or("", |model| model.provider())
    }

    /// Why the model was chosen.
    pub fn reason(&self) -> String {
        match &self.source {
            Source::Live(relay) if relay.has_overflowed() => format!("{};overflow", self.reason),
            _ => self.reason.clone(),
        }
    }

    /// How the answer came about.
    pub fn figures(&self) -> Figures {
        match &self.source {
            Source::Live(relay) => relay.figures(),
            Source::Kept(kept) => kept.figures(),
            Source::Coming(_) => Figures::default(),
        }
    }

    /// How alike the question is whose kept answer this is, if it was worded otherwise.
    pub fn similarity(&self) -> Option<f64> {
        match &self.source {
            Source::Kept(kept) => kept.similarity(),
            Source::Live(_) | Source::Coming(_) => None,
        }
    }

    /// The fields that were left out because that model can't honour them.
    pub fn dropped(&self) -> &[String] {
        match &self.source {
            Source::Live(relay) => relay.dropped(),
            Source::Kept(kept) => kept.dropped(),
            Source::Coming(_) => &[],
        }
    }

    /// What happens next. After `Done` or `Failed` nothing does.
    pub async fn next(&mut self) -> Event {
        let event = loop {
            match &mut self.source {
                Source::Live(relay) => break relay.next().await,
                Source::Kept(kept) => break kept.next(),
                Source::Coming(coming) => match coming.come(self.gateway.ping_interval()).await {
                    None => break Event::Waiting,
                    Some(Err(refused)) => break Event::Failed(refused.problem),
                    Some(Ok(begun)) => {
                        self.reason = begun.reason;
                        self.from_cache = begun.from_cache;
                        self.source = begun.source;
                    }
                },
            }
        };
        if matches!(event, Event::Done(_)) {
            Point::Ended.pass().await;
        }
        self.unmask.event(event)
    }
}

/// Masks a large request: it computes for long beside others, who shall not wait for that.
async fn mask_large(
    gateway: &Gateway,
    admitted: admit::Admitted,
    turn: &EntranceTurn,
) -> Result<(mask::Masked, Vault), Problem> {
    turn.end();
    let key = Arc::clone(&admitted.authenticated.key);
    let (account, bytes) = (Some(&key.account), admitted.size.text);
    let deadline_ms = admitted.authenticated.received.deadline_ms;
    let left = Duration::from_millis(deadline_ms.saturating_sub(clock::steady_ms()));
    let room = gateway.heavy.room(account, bytes, &gateway.metrics);
    let room = tokio::time::timeout(left, room).await;
    let _room = room.map_err(|_| deadline_exceeded())??;
    long_work(|| mask::mask(gateway, admitted))
}

/// The conductor: the whole way up to an answer that has begun, with all its branching.
///
/// # Errors
/// When a step refuses the request; nothing is held or queued then.
pub async fn chat(gateway: &Arc<Gateway>, call: Call) -> Result<Answering, Refused> {
    let received = receive::receive(gateway, call)?;
    let authenticated = authenticate::authenticate(gateway, received)?;
    let turn = Arc::new(gateway.entrance.turn(&gateway.metrics).await?);
    let admitted = admit::admit(gateway, authenticated).await?;
    let passage = Arc::clone(&admitted.passage);
    // Boxed: a future is as large as its largest branch, and this one is rare.
    let done = match heavy::is_heavy(admitted.size.read) {
        true => Box::pin(mask_large(gateway, admitted, &turn)).await,
        false => mask::mask(gateway, admitted),
    };
    let (masked, vault) = match done {
        Ok(masked) => masked,
        Err(problem) => return Err(passage.refuse(gateway, problem).await),
    };
    let chat = &masked.admitted.authenticated.received.chat;
    let unmask = unmask::Unmask::new(vault, chat);
    let hidden = unmask.summary().to_owned();
    let model = chat.model.clone();
    let (taken, way, passing) = (Arc::clone(&turn), Arc::clone(gateway), Arc::clone(&passage));
    let mut begin: Begin = Box::pin(async move {
        let begun = async {
            let mut recalled = recall::recall(&way, masked, &taken).await?;
            let held = loop {
                let missed = match recalled {
                    recall::Recalled::Kept(kept) => return Ok(Begun::kept(kept)),
                    recall::Recalled::Missed(missed) => *missed,
                };
                let routed = route::route(&way, missed).await?;
                match hold::hold(&way, routed).await? {
                    hold::Holding::Held(held) => break held,
                    hold::Holding::Seen(seen) => recalled = seen.recall(&way, &taken).await?,
                }
            };
            taken.end();
            let reason = held.routed.reason.clone();
            Point::Held.pass().await;
            let published = publish::publish(&way, held).await?;
            Point::Published.pass().await;
            let source = Source::Live(Box::new(relay::relay(&way, published)));
            Ok(Begun { reason, from_cache: false, source })
        };
        match begun.await {
            Ok(begun) => Ok(begun),
            Err(problem) => Err(passing.refuse(&way, problem).await),
        }
    });
    // A question that follows an equal one may take as long as that: its stream begins meanwhile.
    let patience = Duration::from_millis(gateway.config.gateway.begin_stream_after_ms.max(1));
    let begun = loop {
        match tokio::time::timeout(patience, &mut begin).await {
            Ok(begun) => break begun?,
            Err(_) if turn.has_followed() => break Begun::coming(model, begin),
            Err(_) => {}
        }
    };
    let (gateway, masked) = (Arc::clone(gateway), hidden);
    let Begun { reason, from_cache, source } = begun;
    let standing = passage.standing();
    Ok(Answering { standing, reason, from_cache, masked, gateway, source, unmask })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn is_heavy(content: Value) -> (bool, bool) {
        let chat = json!({"model": "m", "messages": [{"role": "user", "content": content}]});
        let size = Size::of(&serde_json::from_value(chat).unwrap());
        (heavy::is_heavy(size.read), heavy::is_heavy(size.text))
    }

    #[test]
    fn files_make_a_request_no_larger_than_their_bytes_and_its_text_not_at_all() {
        let picture = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
        let small = picture("https://example.com/a.png");
        let file = json!({"type": "file", "file": {"file_id": "file-abc"}});
        assert_eq!(is_heavy(json!([small, small, file])), (false, false));
        let whole = ["data:image/png;base64,", &"A".repeat(70_000)].concat();
        assert_eq!(is_heavy(json!([picture(&whole)])), (true, false));
        let text = "x y ".repeat(17_500);
        assert_eq!(is_heavy(json!(text)), (true, true));
        assert_eq!(is_heavy(json!([small, {"type": "text", "text": text}])), (true, true));
        let no_file = [&whole, " ", &whole].concat();
        assert_eq!(is_heavy(json!([picture(&no_file)])), (true, true));
    }
}
