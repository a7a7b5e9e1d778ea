//! A response that runs on after its client has gone. It walks the same way as every other and is
//! paid for like it; only who listens is a task of the gateway, which keeps how it stands. Whoever
//! cancels it, at whichever gateway, hangs up in the client's place: what was produced is charged.

use super::kept::{Keeping, Outcome, Record, Shelf};
use super::log::{Log, Numbered};
use super::response::Head;
use super::stream::Rendering;
use crate::api::outgoing::{self, Writer};
use crate::api::request_count::Counted;
use crate::api::stream::PING;
use crate::api::surface::Failure;
use crate::chat::{Answering, Event};
use crate::state::Gateway;
use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::Stream;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::AccountId;
use serde_json::Value;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Between two looks whether it was cancelled; a small part of its lease.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Looks between two times that events are kept for those who come back.
const LOOKS_PER_KEEPING: u32 = 4;

/// How often the end is tried to be kept, if Redis is away.
const KEEP_ATTEMPTS_MAX: u32 = 8;

/// The first pause between two attempts; it doubles each time.
const KEEP_PAUSE: Duration = Duration::from_millis(100);

/// A response's place among those of its account that run in the background.
pub(super) struct BackgroundPlace {
    gateway: Arc<Gateway>,
    account: AccountId,
    id: String,
}

impl BackgroundPlace {
    /// Takes it, before anything is reserved or asked.
    ///
    /// # Errors
    /// When the account has too many, or Redis is away.
    pub(super) async fn take(
        gateway: &Arc<Gateway>,
        account: &AccountId,
        id: String,
    ) -> Result<Self, Problem> {
        let taken = gateway.store.begin_background(account, &id).await;
        if !taken.map_err(|error| crate::problems::records_away(&error))? {
            return Err(too_many());
        }
        Ok(Self { gateway: Arc::clone(gateway), account: account.clone(), id })
    }
}

impl Drop for BackgroundPlace {
    fn drop(&mut self) {
        let (gateway, account) = (Arc::clone(&self.gateway), self.account.clone());
        let (id, tasks) = (std::mem::take(&mut self.id), gateway.settlements.clone());
        tasks.spawn("give a background place back", async move {
            if let Err(error) = gateway.store.finish_background(&account, &id).await {
                tracing::debug!(%error, "a place comes back with its lease");
            }
        });
    }
}

/// A response that is to run in the background.
pub(super) struct Background {
    pub(super) place: BackgroundPlace,
    /// Whether its events are told, now and later.
    pub(super) streams: bool,
}

/// How it stands, for the task that listens and for the one that keeps.
struct Stage {
    rendering: Mutex<Rendering>,
    model: Mutex<String>,
    log: Option<Arc<Log>>,
}

/// One that runs.
struct Run {
    shelf: Shelf,
    input: Vec<Value>,
    before: Vec<Value>,
    place: BackgroundPlace,
    stage: Stage,
}

/// Lets it run, and answers how it stands at once.
///
/// # Errors
/// When it can't be kept: then nobody could ever read it, and it isn't run.
pub(super) async fn begin(
    mut head: Head,
    (keeping, background): (Keeping, Background),
    answering: Answering,
    counted: Counted,
) -> Result<Response, Failure> {
    let Keeping { shelf, input, before } = keeping;
    let Background { place, streams } = background;
    head.runs_in_background();
    let mut rendering = Rendering::new(head);
    let mut out = Vec::new();
    let queued = rendering.queued(answering.model(), &mut out);
    let log = streams.then(|| Arc::new(Log::new()));
    if let Some(log) = &log {
        log.add(&out);
    }
    let model = Mutex::new(answering.model().to_owned());
    let stage = Stage { rendering: Mutex::new(rendering), model, log: log.clone() };
    let run = Run { shelf, input, before, place, stage };
    if !matches!(run.keep(queued.clone(), &[], false).await, Ok(Outcome::Kept)) {
        return Err((cannot_be_kept().into(), counted));
    }
    let gateway = Arc::clone(&run.place.gateway);
    let headers = match &log {
        Some(_) => outgoing::stream_headers(&answering),
        None => outgoing::headers(&answering, None),
    };
    gateway.detached.spawn("response in the background", run.run(answering, counted));
    Ok(match log {
        Some(log) => {
            let ping = gateway.ping_interval();
            (headers, Body::from_stream(followed(log, ping))).into_response()
        }
        None => (headers, Json(queued)).into_response(),
    })
}

/// The events as they come. Dropping it (the client hung up) changes nothing.
fn followed(log: Arc<Log>, ping: Duration) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let changed = log.follow();
    let state = Some((log, changed, 0));
    futures::stream::unfold(state, move |state| async move {
        let (log, mut changed, place) = state?;
        let (text, next, is_over) = loop {
            changed.borrow_and_update();
            let (text, next, is_over) = log.from(place);
            if is_over || !text.is_empty() {
                break (text, next, is_over);
            }
            if tokio::time::timeout(ping, changed.changed()).await.is_err() {
                break (String::from_utf8_lossy(PING).into_owned(), place, false);
            }
        };
        Some((Ok(Bytes::from(text)), (!is_over).then_some((log, changed, next))))
    })
}

impl Run {
    async fn run(self, answering: Answering, counted: Counted) {
        let ended = tokio::select! {
            code = listen(answering, &self.stage) => Some(code),
            () = self.attend() => None,
        };
        let mut last = Vec::new();
        let response = self.stage.over(&mut last);
        match self.keep_end(response, &last).await {
            Outcome::Kept | Outcome::Gone => {}
            Outcome::TooLarge => {
                last.clear();
                let response = self.stage.too_large(&mut last);
                self.keep_end(response, &last).await;
            }
        }
        if let Some(log) = &self.stage.log {
            log.end(&last);
        }
        match ended {
            Some(code) => counted.end(code),
            // Dropped, it counts as cancelled.
            None => drop(counted),
        }
    }

    /// Keeps how it stands, until it is cancelled or deleted.
    async fn attend(&self) {
        let BackgroundPlace { gateway, account, id } = &self.place;
        let (mut looks, mut kept_events, mut has_begun) = (0_u32, 0, false);
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            looks += 1;
            match gateway.store.stay_background(account, id).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::debug!(%error, "whether it was cancelled isn't known now"),
            }
            let events = self.stage.log.as_ref().map_or(0, |log| log.len());
            let is_due = events > kept_events && looks.is_multiple_of(LOOKS_PER_KEEPING);
            let Some(response) = self.stage.begun().filter(|_| is_due || !has_begun) else {
                continue;
            };
            match self.keep(response, &[], true).await {
                Ok(Outcome::Gone) => return,
                Ok(Outcome::Kept | Outcome::TooLarge) => (kept_events, has_begun) = (events, true),
                Err(error) => tracing::debug!(%error, "how a response stands can't be kept now"),
            }
        }
    }

    async fn keep(
        &self,
        response: Value,
        last: &[u8],
        again: bool,
    ) -> Result<Outcome, infra::store::StoreError> {
        let events: Option<Vec<Numbered>> = self.stage.log.as_ref().map(|log| log.with_last(last));
        let (input, before) = (self.input.clone(), self.before.clone());
        let mut record = Record { response, input, before, events };
        let kept = self.shelf.keep(&record, again).await?;
        match record.events.as_mut().filter(|_| kept == Outcome::TooLarge) {
            // Who comes back hears the end at least.
            Some(events) => {
                events.drain(..events.len().saturating_sub(1));
                self.shelf.keep(&record, again).await
            }
            None => Ok(kept),
        }
    }

    async fn keep_end(&self, response: Value, last: &[u8]) -> Outcome {
        let mut pause = KEEP_PAUSE;
        for _ in 0..KEEP_ATTEMPTS_MAX {
            match self.keep(response.clone(), last, true).await {
                Ok(kept) => return kept,
                Err(error) => tracing::warn!(%error, "a response's end can't be kept yet"),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        tracing::error!("a response's end could not be kept");
        Outcome::Gone
    }
}

/// Listens until the end. Dropping it hangs up.
async fn listen(mut answering: Answering, stage: &Stage) -> Option<ErrorCode> {
    loop {
        let event = answering.next().await;
        let mut out = Vec::new();
        let ending = {
            let mut rendering = stage.rendering();
            if let Event::Done(receipt) = &event {
                rendering.told(outgoing::told(&answering, Some(receipt)));
            }
            let ending = rendering.event(event, answering.model(), &mut out);
            answering.model().clone_into(&mut stage.model());
            if ending.is_some() {
                rendering.hold_back(std::mem::take(&mut out));
            }
            ending
        };
        if let Some(log) = &stage.log {
            log.add(&out);
        }
        if let Some(ending) = ending {
            return ending.0;
        }
    }
}

impl Stage {
    fn rendering(&self) -> MutexGuard<'_, Rendering> {
        self.rendering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn model(&self) -> MutexGuard<'_, String> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The response while it grows; nothing before it has begun.
    fn begun(&self) -> Option<Value> {
        self.rendering().begun(&self.model())
    }

    /// The response at its end, and the last that is written: one without an end was cancelled.
    fn over(&self, last: &mut Vec<u8>) -> Value {
        self.rendering().over(&self.model(), last)
    }

    /// The same of one whose answer is too large to be kept.
    fn too_large(&self, last: &mut Vec<u8>) -> Value {
        self.rendering().lost(&too_large(), &self.model(), last)
    }
}

fn too_many() -> Problem {
    Problem::new(
        ErrorCode::RateLimitExceeded,
        "バックグラウンドで動いている応答が多すぎます。終わるのを待つか、取り消してください。",
        "Too many responses run in the background: wait for one to end, or cancel it.",
    )
    .retry_after_ms(5_000)
}

fn cannot_be_kept() -> Problem {
    Problem::new(
        ErrorCode::ServiceUnavailable,
        "応答を保存できないため、バックグラウンドで実行できません。",
        "The response can't be kept now, so it can't run in the background.",
    )
    .retry_after_ms(2_000)
}

fn too_large() -> Problem {
    Problem::new(
        ErrorCode::Internal,
        "回答が大きすぎて保存できませんでした。",
        "The answer was too large to be kept.",
    )
}

/// What is told of a response whose gateway is gone.
pub(super) fn lost() -> Problem {
    Problem::new(
        ErrorCode::StreamInterrupted,
        "この応答を作っていたゲートウェイが止まりました。もう一度お試しください。",
        "The gateway that made this response is gone. Please try again.",
    )
}
