//! The first of its name: it runs, gives signs of life, and what it came to is kept. When its
//! client leaves it runs on: to its end if the client had named it, else as long as a retry may
//! still come.

use super::outlet::{Head, Outlet};
use super::{Call, Kept, LEASE, charged, refusal};
use crate::exchange::Watched;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use futures::StreamExt;
use infra::store::once::{Ending, OnceName};
use schemas::error::ErrorCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Between two signs of life: several within a lease.
const SIGN_INTERVAL: Duration = Duration::from_secs(1);

/// A refusal is no longer, in bytes.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// Somebody waits for the answer if the last look is no older.
const WANTED_AGE_MAX: Duration = Duration::from_secs(2);

/// A request that runs.
pub(super) struct Leading<'a> {
    pub(super) call: &'a Call,
    /// Whether its name has been taken.
    pub(super) is_known: AtomicBool,
}

/// What an answer came to.
struct Ended {
    head: Head,
    /// All of its bytes; nothing when they are too many.
    body: Option<Vec<u8>>,
    /// Whether it failed, so that it may be asked again.
    has_failed: bool,
}

impl Leading<'_> {
    /// Runs it.
    pub(super) async fn run(self, mut outlet: Outlet, inner: Request, next: Next) {
        let Call { gateway, request, .. } = self.call;
        let watched = gateway.exchange.watch(request);
        let left = outlet.left_token();
        let ended = tokio::select! {
            biased;
            ended = self.work(&mut outlet, inner, next) => Some(ended),
            () = self.signs(&left) => None,
        };
        let by_client = self.call.named.by_client;
        // Who named it and has read its end may rely on that.
        let open_until_kept = by_client.then_some(outlet);
        match ended {
            Some(ended) if ended.has_failed => self.end_failed(&watched).await,
            Some(ended) => self.keep(ended).await,
            // It was left, and settles itself: who asks again after its lease learns how.
            None if watched.may_be_charged() => {}
            None => self.give_back().await,
        }
        drop(open_until_kept);
    }

    /// It failed. Its name is free when nothing is charged for it, and nothing can be any more:
    /// what was on its way to a worker may be, whatever its client was told. While the ledger
    /// doesn't answer the name stays taken; who asks again after its lease asks the ledger first.
    async fn end_failed(&self, watched: &Watched) {
        let Call { gateway, request, named, path, .. } = self.call;
        if !watched.may_be_charged() {
            return self.give_back().await;
        }
        match gateway.end_lost(request, &named.key).await {
            Some(true) => self.give_back().await,
            Some(false) => {
                let response = refusal(path, charged(request.as_str()), request);
                let head = Head::of(&response);
                let body = axum::body::to_bytes(response.into_body(), REFUSAL_BYTES_MAX).await;
                let body = body.ok().map(|body| body.to_vec());
                self.keep(Ended { head, body, has_failed: true }).await;
            }
            None => tracing::warn!(%request, "a failed request's name stays taken for a while"),
        }
    }

    async fn work(&self, outlet: &mut Outlet, inner: Request, next: Next) -> Ended {
        let response = next.run(inner).await;
        let code = response.extensions().get::<ErrorCode>().copied();
        let head = Head::of(&response);
        let broke_off = code.is_some_and(|code| code.status() >= 500 && !code.retry_helps());
        let bytes_max = self.call.gateway.config.idempotency.entry_bytes_max;
        let (body, is_error) = tell_up_to(outlet, response, bytes_max).await;
        let failed = match head.is_stream() {
            true => is_error,
            false => head.status >= 400 && !broke_off,
        };
        Ended { head, body, has_failed: failed }
    }

    /// Gives signs of life; ends when nobody is left to run for.
    async fn signs(&self, left: &CancellationToken) {
        let Call { gateway, request, named, .. } = self.call;
        // Beside the work, so that a first request of an SDK is no later for it.
        self.begin().await;
        let patience = Duration::from_secs(gateway.config.idempotency.sdk_wait_seconds);
        let mut alone_since: Option<Instant> = None;
        loop {
            match alone_since {
                None if !named.by_client => tokio::select! {
                    () = tokio::time::sleep(SIGN_INTERVAL) => {}
                    () = left.cancelled() => alone_since = Some(Instant::now()),
                },
                _ => tokio::time::sleep(SIGN_INTERVAL.min(patience)).await,
            }
            let seen = gateway.store.lead_once(&named.name, request, LEASE).await;
            let is_wanted = seen.is_ok_and(|ago| ago.is_some_and(|ago| ago < WANTED_AGE_MAX));
            if is_wanted {
                alone_since = alone_since.map(|_| Instant::now());
            }
            if alone_since.is_some_and(|since| since.elapsed() >= patience) {
                return;
            }
        }
    }

    /// Takes the name of a first request of an SDK, if that has not been done yet.
    async fn begin(&self) {
        if !self.call.named.anew || self.is_known.load(Ordering::Relaxed) {
            return;
        }
        match self.call.look(None).await {
            Ok(_) => self.is_known.store(true, Ordering::Relaxed),
            Err(error) => tracing::debug!(%error, "a retry of this request won't find it"),
        }
    }

    async fn keep(&self, ended: Ended) {
        // The work may have been faster.
        self.begin().await;
        let Call { gateway, request, named, .. } = self.call;
        let settings = &gateway.config.idempotency;
        let Ended { head, body, .. } = ended;
        let kept = body.map(|body| Kept { head, body: STANDARD_NO_PAD.encode(body) });
        let plain = kept.and_then(|kept| serde_json::to_vec(&kept).ok());
        let answer = plain.and_then(|plain| named.sealed(plain)).unwrap_or_default();
        let ending = Ending {
            request,
            answer: &answer,
            ttl_seconds: named.ttl_seconds(gateway),
            account_bytes_max: settings.account_bytes_max,
        };
        match gateway.store.end_once(&named.name, ending).await {
            Ok(true) => {}
            Ok(false) => tracing::debug!("an answer's name belongs to another request by now"),
            Err(error) => tracing::warn!(%error, "an answer can't be told again"),
        }
    }

    async fn give_back(&self) {
        let Call { gateway, request, named, .. } = self.call;
        let name: &OnceName = &named.name;
        if let Err(error) = gateway.store.lead_once(name, request, Duration::ZERO).await {
            tracing::debug!(%error, "a name is free only when its lease is over");
        }
    }
}

/// Tells a whole answer.
pub(super) async fn tell(outlet: &mut Outlet, response: Response) {
    tell_up_to(outlet, response, 0).await;
}

/// Tells an answer. Returns all its bytes if they are no more than so many, and whether it is a
/// stream that is nothing but an error.
async fn tell_up_to(
    outlet: &mut Outlet,
    response: Response,
    bytes_max: usize,
) -> (Option<Vec<u8>>, bool) {
    let head = Head::of(&response);
    let is_late_error = outlet.has_begun() && !head.is_stream();
    let mut pieces = response.into_body().into_data_stream();
    let (mut whole, mut first) = (Some(Vec::new()), Vec::new());
    if !is_late_error {
        outlet.head(head);
    }
    while let Some(Ok(piece)) = pieces.next().await {
        if first.len() < FIRST_BYTES {
            first.extend_from_slice(&without_comments(&piece));
        }
        if let Some(bytes) = &mut whole {
            match bytes.len() + piece.len() <= bytes_max {
                true => bytes.extend_from_slice(&piece),
                false => whole = None,
            }
        }
        let piece = if is_late_error { as_event(&piece) } else { piece };
        outlet.piece(piece).await;
    }
    let is_error = first.starts_with(b"data: {\"error\"") || first.starts_with(b"event: error");
    (whole, is_error)
}

/// What is looked at of a stream to see whether it began, in bytes.
const FIRST_BYTES: usize = 32;

/// Lines that are no comments: signs of life say nothing.
fn without_comments(piece: &[u8]) -> Vec<u8> {
    let lines = piece.split_inclusive(|byte| *byte == b'\n');
    let said = lines.filter(|line| !line.starts_with(b":") && !line.starts_with(b"\n"));
    said.take(2).flatten().copied().collect()
}

/// An error that comes when a stream has begun: an event in the shape of its surface.
fn as_event(body: &[u8]) -> Bytes {
    let is_anthropic = body.starts_with(b"{\"type\":\"error\"");
    let before: &[u8] = if is_anthropic { b"event: error\ndata: " } else { b"data: " };
    Bytes::from([before, body, b"\n\n"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_life_say_nothing() {
        assert_eq!(without_comments(b": ping\n\n"), b"");
        let late =
            without_comments(b": ping\n: x-fly-queue-position: 1\n\ndata: {\"error\":{}}\n\n");
        assert!(late.starts_with(b"data: {\"error\""));
    }

    #[test]
    fn a_late_error_is_an_event_of_its_surface() {
        assert_eq!(as_event(b"{\"error\":{}}"), "data: {\"error\":{}}\n\n");
        let event = as_event(b"{\"type\":\"error\",\"error\":{}}");
        assert!(event.starts_with(b"event: error\ndata: {"));
    }
}
