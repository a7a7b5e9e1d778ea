//! A request that comes twice runs once: the client named it with `Idempotency-Key`, or an SDK
//! retries the same body. The second waits for the first, on whichever gateway that runs, and is
//! told the same bytes. It knows no surface: what it repeats is what the surface had said.

/// What a request is called.
mod name;

/// The way of an answer to a client who may leave.
mod outlet;

/// The first of its name.
mod lead;

use super::error::ApiError;
use super::messages;
use crate::state::Gateway;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, request::Parts};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use infra::store::StoreError;
use infra::store::once::{Beginning, Once};
use lead::Leading;
use name::{Named, Wanted};
use outlet::{Head, Outlet};
use schemas::error::{ErrorCode, Problem};
use schemas::ids::RequestId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a request leads without a sign of its gateway.
const LEASE: Duration = Duration::from_secs(5);

/// Between the first two looks at a running request; each pause is twice the last.
const PAUSE_MIN: Duration = Duration::from_millis(20);

/// The longest pause between two looks.
const PAUSE_MAX: Duration = Duration::from_millis(320);

/// On an answer that had been given before.
const REPLAYED: &str = "idempotent-replayed";

/// Which request that was.
const ORIGINAL_REQUEST: &str = "x-fly-original-request";

/// An answer as it is kept, before it is sealed.
#[derive(Serialize, Deserialize)]
struct Kept {
    head: Head,
    /// Base64: it may be anything.
    body: String,
}

/// A request on its way.
struct Call {
    gateway: Arc<Gateway>,
    request: RequestId,
    named: Named,
    path: String,
    since: Instant,
}

/// Lets a request that wants to run once do so, and all others pass.
pub(super) async fn once(gateway: &Arc<Gateway>, request: Request, next: Next) -> Response {
    let is_creating = request.method() == Method::POST && request.uri().path().starts_with("/v1/");
    if !is_creating {
        return next.run(request).await;
    }
    let wanted = name::wanted(gateway, request.headers());
    let Some(wanted) = wanted.transpose() else { return next.run(request).await };
    let Some(id) = request.extensions().get::<RequestId>().cloned() else {
        return next.run(request).await;
    };
    let path = request.uri().path().to_owned();
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(problem) => return refusal(&path, problem, &id),
    };
    if super::incoming::secret(request.headers())
        .is_none_or(|secret| crate::auth::open(gateway, Some(&secret)).is_err())
    {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let body = match super::incoming::read(gateway, body).await {
        Ok(body) => body,
        Err(problem) => return refusal(&path, problem, &id),
    };
    run(gateway, (id, path), wanted, (parts, body, next)).await
}

async fn run(
    gateway: &Arc<Gateway>,
    (request, path): (RequestId, String),
    wanted: Wanted,
    (parts, body, next): (Parts, Bytes, Next),
) -> Response {
    let Some(named) = name::named(gateway, wanted, (&parts.headers, &path, &body)) else {
        return next.run(Request::from_parts(parts, Body::from(body))).await;
    };
    let (outlet, inlet) = outlet::pair();
    let (gateway, since) = (Arc::clone(gateway), Instant::now());
    let tasks = gateway.settlements.clone();
    let call = Call { gateway, request: request.clone(), named, path: path.clone(), since };
    let inner = Request::from_parts(parts, Body::from(body));
    // In a task of its own: the request runs on when its client leaves.
    tasks.spawn("a request that runs once", call.go(outlet, inner, next));
    inlet.answer().await.unwrap_or_else(|| refusal(&path, broken(), &request))
}

impl Call {
    /// Finds out what the request is, and does that.
    async fn go(self, mut outlet: Outlet, inner: Request, next: Next) {
        let leading = match self.turn(&mut outlet).await {
            Turn::Lead { is_known } => Leading { call: &self, is_known: is_known.into() },
            Turn::Told => return,
        };
        leading.run(outlet, inner, next).await;
    }

    /// Waits until it is this request's turn, or until it is answered.
    async fn turn(&self, outlet: &mut Outlet) -> Turn {
        if self.named.anew {
            // An SDK's first: nothing can be there that counts, so nothing is waited for.
            return Turn::Lead { is_known: false };
        }
        let (mut pause, mut lost) = (PAUSE_MIN, None);
        let mut waited = false;
        loop {
            match self.look(lost.as_ref()).await {
                Ok(Once::Lead) => {
                    self.count(if lost.is_some() { "taken_over" } else { "first" });
                    return Turn::Lead { is_known: true };
                }
                Ok(Once::Running(_)) => {}
                Ok(Once::Done(first, answer)) => return self.replay(outlet, &first, answer).await,
                Ok(Once::Other(first)) => return self.refuse(outlet, other(&first)).await,
                Ok(Once::Lost(first)) => match self.end_lost(&first).await {
                    Some(true) => {
                        lost = Some(first);
                        continue;
                    }
                    Some(false) => return self.refuse(outlet, charged(&first)).await,
                    None => return self.refuse(outlet, away()).await,
                },
                Err(error) if self.named.by_client => {
                    self.count("away");
                    tracing::warn!(%error, "a request that runs once is refused");
                    return self.refuse(outlet, away()).await;
                }
                Err(error) => {
                    self.count("away");
                    tracing::debug!(%error, "a retry counts as a request of its own");
                    return Turn::Lead { is_known: false };
                }
            }
            if !std::mem::replace(&mut waited, true) {
                self.count("waited");
            }
            if !self.wait(outlet, pause).await {
                return Turn::Told;
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn look(&self, lost: Option<&String>) -> Result<Once, StoreError> {
        let beginning = Beginning {
            body: &self.named.body,
            request: &self.request,
            lease: LEASE,
            lifetime: self.named.lifetime(&self.gateway),
            lost: lost.map(String::as_str),
            anew: self.named.anew,
        };
        self.gateway.store.begin_once(&self.named.name, beginning).await
    }

    /// Waits a little; a stream is shown signs of life meanwhile. False when the client has left,
    /// or the request's own time is over.
    async fn wait(&self, outlet: &mut Outlet, pause: Duration) -> bool {
        let settings = &self.gateway.config.gateway;
        if self.since.elapsed() >= Duration::from_secs(settings.request_seconds_max) {
            self.refuse(outlet, crate::problems::deadline_exceeded()).await;
            return false;
        }
        let patience = Duration::from_millis(settings.begin_stream_after_ms);
        if self.named.wants_stream && self.since.elapsed() >= patience {
            outlet.head(Head::of_stream());
            let begun = self.since.elapsed().as_secs() / settings.ping_seconds.max(1);
            if outlet.is_due(begun) {
                outlet.piece(Bytes::from_static(super::stream::PING)).await;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = outlet.left() => false,
        }
    }

    /// Ends a request whose gateway is gone. Returns whether it costs nothing.
    async fn end_lost(&self, first: &str) -> Option<bool> {
        let first = RequestId::parse(first).ok()?;
        self.gateway.end_lost(&first, &self.named.key).await
    }

    async fn replay(&self, outlet: &mut Outlet, first: &str, answer: Vec<u8>) -> Turn {
        let plain = Some(answer).filter(|answer| !answer.is_empty());
        let plain = plain.and_then(|answer| self.named.opened(answer));
        let kept = plain.and_then(|plain| serde_json::from_slice::<Kept>(&plain).ok());
        let kept = kept.and_then(|kept| Some((kept.head, STANDARD_NO_PAD.decode(kept.body).ok()?)));
        let Some((mut head, body)) = kept else {
            return self.refuse(outlet, gone(first)).await;
        };
        self.count("replayed");
        head.say(REPLAYED, "true");
        head.say(ORIGINAL_REQUEST, first);
        if self.is_messages() {
            head.say(messages::REQUEST_ID.as_str(), self.request.as_str());
        }
        outlet.head(head);
        outlet.piece(Bytes::from(body)).await;
        Turn::Told
    }

    async fn refuse(&self, outlet: &mut Outlet, problem: Problem) -> Turn {
        self.count("refused");
        let response = refusal(&self.path, problem, &self.request);
        lead::tell(outlet, response).await;
        Turn::Told
    }

    fn count(&self, result: &str) {
        self.gateway.metrics.idempotent_total.with_label_values(&[result]).inc();
    }

    fn is_messages(&self) -> bool {
        is_messages(&self.path)
    }
}

/// What came of finding out.
enum Turn {
    /// The request is to run; `is_known` when others know that it does.
    Lead { is_known: bool },
    /// Its client has been told.
    Told,
}

fn is_messages(path: &str) -> bool {
    path.starts_with("/v1/messages")
}

/// A refusal in the shape of the surface.
fn refusal(path: &str, problem: Problem, request: &RequestId) -> Response {
    let error = ApiError::from(problem);
    if !is_messages(path) {
        return error.into_response();
    }
    let mut response = messages::refusal(&error, request);
    let name = super::header_value(request.as_str());
    response.headers_mut().insert(messages::REQUEST_ID, name);
    response
}

fn other(first: &str) -> Problem {
    Problem::new(
        ErrorCode::Conflict,
        format!(
            "この Idempotency-Key は別の内容のリクエスト（{first}）で使われています。\
             新しい Idempotency-Key を付けるか、同じ内容・同じAPIキーで送ってください。"
        ),
        format!(
            "This Idempotency-Key stands for another request ({first}). Use a new one, or send the \
             same path and body with the same API key."
        ),
    )
    .at("Idempotency-Key")
}

fn gone(first: &str) -> Problem {
    Problem::new(
        ErrorCode::Conflict,
        format!(
            "{first} は完了しましたが、回答は大きすぎたか、保存期間が過ぎたため残っていません。\
             /api/receipts/{first} を確認し、もう一度実行するには新しい Idempotency-Key を付けてください。"
        ),
        format!(
            "{first} has ended, but its answer was too large to be kept or is gone. See \
             /api/receipts/{first}; use a new Idempotency-Key to ask again."
        ),
    )
    .at("Idempotency-Key")
}

fn charged(first: &str) -> Problem {
    Problem::new(
        ErrorCode::Conflict,
        format!(
            "{first} は回答が届く前に途切れ、生成された分が課金されました。\
             /api/receipts/{first} を確認し、もう一度実行するには新しい Idempotency-Key を付けてください。"
        ),
        format!(
            "{first} broke off before its answer could be told, and was charged. See \
             /api/receipts/{first}; use a new Idempotency-Key to ask again."
        ),
    )
    .at("Idempotency-Key")
}

fn away() -> Problem {
    Problem::new(
        ErrorCode::ServiceUnavailable,
        "一度だけの実行を今は保証できません。しばらくしてからもう一度お試しください。",
        "Nobody can promise now that this request runs once. Please try again shortly.",
    )
    .retry_after_ms(1_000)
}

fn broken() -> Problem {
    Problem::new(
        ErrorCode::Internal,
        "処理中に問題が起きました。もう一度お試しください。",
        "Something went wrong on our side. Please try again.",
    )
}
