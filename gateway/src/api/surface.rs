//! What every surface that answers chats does alike: who asks, a bounded body, the way, an answer
//! or a stream, one count. How requests and answers are spelled is each surface's own.

use super::error::ApiError;
use super::incoming;
use super::outgoing::{self, Writer};
use super::request_count::Counted;
use crate::auth;
use crate::chat::{self, Answering, Call, Receipt};
use crate::state::Gateway;
use axum::Extension;
use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use infra::clock;
use schemas::error::Problem;
use schemas::ids::{AccountId, RequestId};
use schemas::job::JobKind;
use schemas::json;
use schemas::openai::{AnswerChoice, ChatRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Instant;

/// A request as it came.
pub(crate) struct Arrival<'a> {
    /// Where it came.
    pub(super) gateway: &'a Arc<Gateway>,
    /// Whose it is.
    pub(super) account: &'a AccountId,
    /// The secret that it came with.
    pub(super) secret: &'a str,
    /// Its name.
    pub(super) request: &'a RequestId,
    /// When it came, in seconds since 1970.
    pub(super) created: u64,
    /// Its headers.
    pub(super) headers: &'a HeaderMap,
    /// Its body, whole.
    pub(super) body: &'a [u8],
}

impl Arrival<'_> {
    /// Its body, read.
    ///
    /// # Errors
    /// When it isn't what is asked for, or there is no room for it.
    pub(super) async fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        incoming::json_with_room(self.gateway, Some(self.account), self.body).await
    }
}

/// How one surface spells requests and answers. A value of it is what is kept of one request for
/// its answer.
pub(crate) trait Surface: Sized + Send + 'static {
    /// A whole answer's JSON.
    type Answer: Serialize;

    /// The request in the canonical form.
    ///
    /// # Errors
    /// When it is not what the surface takes.
    fn read(
        arrival: &Arrival<'_>,
    ) -> impl Future<Output = Result<(ChatRequest, Self), Problem>> + Send;

    /// A whole answer.
    ///
    /// # Errors
    /// When the model said less than the surface's shape needs.
    fn whole(
        self,
        model: &str,
        choices: Vec<AnswerChoice>,
        receipt: &Receipt,
    ) -> impl Future<Output = Result<Self::Answer, Problem>> + Send;

    /// Answers once it is known that an answer comes.
    fn deliver(
        self,
        answering: Answering,
        counted: Counted,
        wants_stream: bool,
    ) -> impl Future<Output = Result<Response, Failure>> + Send {
        deliver(self, answering, counted, wants_stream)
    }

    /// What writes a stream.
    fn writer(self) -> impl Writer + 'static;

    /// An error before an answer began.
    fn refusal(error: ApiError, _request: &RequestId) -> Response {
        error.into_response()
    }
}

/// Answers a request of a surface.
pub(crate) async fn create<S: Surface>(
    State(gateway): State<Arc<Gateway>>,
    Extension(request): Extension<RequestId>,
    route: MatchedPath,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let counted = Counted::begin(&gateway, &request, &headers, route.as_str());
    match answer::<S>(&gateway, &request, (headers, body), counted).await {
        Ok(response) => response,
        Err((error, counted)) => {
            counted.end(Some(error.code()));
            S::refusal(error, &request)
        }
    }
}

/// An error before an answer began, and its count.
pub(super) type Failure = (ApiError, Counted);

async fn answer<S: Surface>(
    gateway: &Arc<Gateway>,
    request: &RequestId,
    (headers, body): (HeaderMap, Body),
    mut counted: Counted,
) -> Result<Response, Failure> {
    let arrived = Instant::now();
    let (chat, surface) = match read::<S>(gateway, request, &headers, body).await {
        Ok(read) => read,
        Err(problem) => return Err((problem.into(), counted)),
    };
    counted.names(&chat.model);
    let wants_stream = chat.wants_stream();
    let secret = incoming::secret(&headers);
    let wishes = incoming::cache_wishes(&headers);
    let (request, kind) = (request.clone(), JobKind::Chat);
    let drop_params = match incoming::drop_params(&headers) {
        Ok(said) => said,
        Err(problem) => return Err((problem.into(), counted)),
    };
    // Headers are slices of the connection's buffer and keep all of it: dropped as soon as they are
    // read, they leave it free for the next request.
    drop(headers);
    let trace = counted.trace();
    let call = Call { request, kind, chat, secret, wishes, drop_params, arrived, trace };
    let answering = match chat::chat(gateway, call).await {
        Ok(answering) => answering,
        Err(refused) => return Err((refused.into(), counted)),
    };
    surface.deliver(answering, counted, wants_stream).await
}

/// A stream or a whole answer, to whoever waits for it.
pub(super) async fn deliver<S: Surface>(
    surface: S,
    answering: Answering,
    counted: Counted,
    wants_stream: bool,
) -> Result<Response, Failure> {
    if wants_stream {
        return outgoing::streamed(answering, surface.writer(), counted).await;
    }
    whole(answering, surface, counted).await
}

async fn read<S: Surface>(
    gateway: &Arc<Gateway>,
    request: &RequestId,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Box<ChatRequest>, S), Problem> {
    // A stranger's body isn't even read: it would cost memory for nothing.
    let secret = incoming::secret(headers);
    let key = auth::open(gateway, secret.as_deref())?;
    let (account, secret) = (&key.account, secret.as_deref().unwrap_or_default());
    let body = &incoming::body(gateway, headers, body).await?;
    let created = clock::unix_ms() / 1_000;
    let arrival = &Arrival { gateway, account, secret, request, created, headers, body };
    S::read(arrival).await.map(|(chat, surface)| (Box::new(chat), surface))
}

async fn whole<S: Surface>(
    mut answering: Answering,
    surface: S,
    counted: Counted,
) -> Result<Response, Failure> {
    let (choices, receipt) = match outgoing::collect(&mut answering).await {
        Ok(collected) => collected,
        Err(problem) => return Err((problem.into(), counted)),
    };
    let answer = match surface.whole(answering.model(), choices, &receipt).await {
        Ok(answer) => answer,
        Err(problem) => return Err((problem.into(), counted)),
    };
    let Ok(body) = json::to_vec(&answer) else {
        return Err((outgoing::without_end().into(), counted));
    };
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    *headers = outgoing::headers(&answering, Some(&receipt));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    counted.end(None);
    Ok(response)
}
