//! What a request with a name of its own is called, and what it asks: both only as digests that
//! nobody can try words on.

use crate::api::incoming;
use crate::auth;
use crate::seal;
use crate::state::Gateway;
use axum::http::{HeaderMap, header};
use infra::store::once::OnceName;
use schemas::error::{ErrorCode, Problem};
use schemas::records::KeyRecordV1;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// What a client names its request with.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// How often an SDK has sent the same request before.
const RETRY_COUNT: &str = "x-stainless-retry-count";

/// Longest name, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 255;

/// What the digests are for.
const PURPOSE: seal::Purpose = b"fly-llm request once v1";

/// Whether a request wants to run once.
pub(super) enum Wanted {
    /// Its client named it.
    Named(String),
    /// An SDK sends it for the first time, or again.
    Sdk { is_retry: bool },
}

/// A request that is to run once.
pub(super) struct Named {
    pub(super) key: Arc<KeyRecordV1>,
    pub(super) secret: String,
    pub(super) name: OnceName,
    /// A digest of path and body.
    pub(super) body: String,
    pub(super) wants_stream: bool,
    /// Whether the client named it, or we by its body.
    pub(super) by_client: bool,
    /// Whatever was there before it counts for nothing.
    pub(super) anew: bool,
}

/// What the headers say.
///
/// # Errors
/// When the name is none.
pub(super) fn wanted(gateway: &Gateway, headers: &HeaderMap) -> Result<Option<Wanted>, Problem> {
    let settings = &gateway.config.idempotency;
    if !settings.enabled {
        return Ok(None);
    }
    if let Some(name) = headers.get(IDEMPOTENCY_KEY) {
        let name = name.to_str().map(str::trim).unwrap_or_default();
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(wrong_name());
        }
        return Ok(Some(Wanted::Named(name.to_owned())));
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_json = kind.is_some_and(|kind| kind.starts_with("application/json"));
    let count = headers.get(RETRY_COUNT).and_then(|count| count.to_str().ok()?.parse().ok());
    let is_ours = is_json && settings.sdk_retry_seconds > 0;
    Ok(count.filter(|_| is_ours).map(|count: u32| Wanted::Sdk { is_retry: count > 0 }))
}

/// The only field of a body that is looked at here.
#[derive(Deserialize)]
struct Streamed {
    #[serde(default)]
    stream: Option<bool>,
}

/// The request's name and what it asks; nothing when its key isn't known, which others say better,
/// or when it is a stream without a name: an SDK repeats no stream that has begun.
pub(super) fn named(
    gateway: &Gateway,
    wanted: Wanted,
    (headers, path, body): (&HeaderMap, &str, &[u8]),
) -> Option<Named> {
    let secret = incoming::secret(headers)?;
    let key = auth::open(gateway, Some(&secret)).ok()?;
    let streamed = serde_json::from_slice::<Streamed>(body).ok().and_then(|body| body.stream);
    let wants_stream = streamed == Some(true);
    let digest = seal::digest(PURPOSE, &secret, &[path.as_bytes(), body]);
    let of = |name: &str| auth::sha256_hex(format!("{}\n{name}", key.key).as_bytes());
    let (name, by_client, anew) = match wanted {
        Wanted::Named(name) => (of(&format!("named {name}")), true, false),
        Wanted::Sdk { .. } if wants_stream => return None,
        Wanted::Sdk { is_retry } => (of(&format!("sdk {digest}")), false, !is_retry),
    };
    let name = OnceName { account: key.account.clone(), name };
    Some(Named { key, secret, name, body: digest, wants_stream, by_client, anew })
}

impl Named {
    /// For how long its end is kept.
    pub(super) fn ttl_seconds(&self, gateway: &Gateway) -> u64 {
        let settings = &gateway.config.idempotency;
        match self.by_client {
            true => settings.ttl_seconds,
            false => settings.sdk_retry_seconds,
        }
    }

    /// For how long its name is taken while nobody ends it.
    pub(super) fn lifetime(&self, gateway: &Gateway) -> Duration {
        let seconds = self.ttl_seconds(gateway);
        Duration::from_secs(seconds.saturating_add(gateway.config.gateway.request_seconds_max))
    }

    /// Seals what is kept of its answer.
    pub(super) fn sealed(&self, answer: Vec<u8>) -> Option<Vec<u8>> {
        seal::sealed(PURPOSE, &self.secret, &self.name.name, answer)
    }

    /// Opens it.
    pub(super) fn opened(&self, mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        seal::opened(PURPOSE, &self.secret, &self.name.name, &mut sealed)
    }
}

fn wrong_name() -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        format!("Idempotency-Key は1〜{NAME_BYTES_MAX}文字の ASCII にしてください。"),
        format!("An Idempotency-Key has 1 – {NAME_BYTES_MAX} printable ASCII characters."),
    )
    .at("Idempotency-Key")
}
