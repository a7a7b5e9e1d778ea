//! The public surfaces: every route on one page, JSON in and out. What a chat is, `chat/` knows.

/// What all surfaces that answer chats do alike.
pub(crate) mod surface;

/// `POST /v1/chat/completions`.
pub(crate) mod chat_completions;

/// `POST /v1/completions`.
mod completions;

/// `POST /v1/responses`.
mod responses;

/// `POST /v1/embeddings`.
mod embeddings;

/// A stream's events as OpenAI writes them.
mod stream;

/// `POST /v1/messages`, Anthropic's.
mod messages;

/// `GET /v1/models`.
mod models;

/// `GET /openapi.json`.
pub(crate) mod openapi;

/// `/api/keys`.
pub(crate) mod keys;

/// What a key or an account may do.
mod allowance;

/// `/api/coupons/redeem`.
pub(crate) mod coupons;

/// `/api/accounts`.
mod accounts;

/// `/api/usage` and `/api/credits`.
pub(crate) mod usage;

/// `/api/usage.csv`.
pub(crate) mod usage_csv;

/// `/v1/feedback` and `/api/feedback`.
mod feedback;

/// `/api/route`.
pub(crate) mod explained;

/// `/api/receipts`.
pub(crate) mod receipts;

/// `/api/requests`.
pub(crate) mod requests;

/// `/api/plans`, `/api/checkout` and the way back from Stripe's page.
pub(crate) mod checkout;

/// `/api/recharge`.
pub(crate) mod recharge;

/// `/api/purchases` and `/api/statements`.
pub(crate) mod purchases;

/// `/webhooks/stripe`.
mod stripe_webhook;

/// Workers: listed, drained.
mod workers;

/// `/api/cache`.
mod cache;

/// `/health`, `/ready` and `/metrics`.
pub mod health;

/// Requests that run once.
mod idempotency;

/// Counts requests.
mod request_count;

/// What `/api` answers, object by object.
mod shapes;

/// A problem as OpenAI's error object.
pub(crate) mod error;

/// What a path and a query ask for.
pub(crate) mod asked;

/// A bounded JSON body, and who sends it.
pub(crate) mod incoming;

/// Of how many pieces a body is.
mod structure;

/// What a surface says of a wrong field.
mod fields;

/// What every surface's answer has beside its JSON.
mod outgoing;

/// Whatever comes in, no surface breaks.
#[cfg(test)]
mod fuzz_targets;

/// What the surfaces' tests share.
#[cfg(test)]
mod golden;

use crate::portal;
use crate::state::Gateway;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};
use std::sync::Arc;
use std::time::Duration;
use tower::util::MapRequestLayer;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};
use tower_http::decompression::RequestDecompressionLayer;

/// How long a browser may remember a preflight.
const PREFLIGHT_SECONDS: Duration = Duration::from_secs(3_600);

/// The request's name, on every answer.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a browser's script may read of an answer.
const EXPOSED_HEADERS: [HeaderName; 29] = [
    X_REQUEST_ID,
    messages::REQUEST_ID,
    header::RETRY_AFTER,
    HeaderName::from_static("retry-after-ms"),
    HeaderName::from_static("x-should-retry"),
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
    HeaderName::from_static("x-fly-model"),
    HeaderName::from_static("x-fly-provider"),
    HeaderName::from_static("x-fly-route-reason"),
    HeaderName::from_static("x-fly-cache"),
    HeaderName::from_static("x-fly-similarity"),
    HeaderName::from_static("x-fly-masked"),
    HeaderName::from_static("x-fly-cost-usd"),
    HeaderName::from_static("x-fly-hold-usd"),
    HeaderName::from_static("x-fly-max-tokens"),
    HeaderName::from_static("x-fly-queue-position"),
    HeaderName::from_static("x-fly-queue-ms"),
    HeaderName::from_static("x-fly-ttft-ms"),
    HeaderName::from_static("x-fly-overhead-ms"),
    HeaderName::from_static("x-fly-dropped-params"),
    HeaderName::from_static("idempotent-replayed"),
    HeaderName::from_static("x-fly-original-request"),
    error::OPENAI_VERSION,
    error::OPENAI_PROCESSING_MS,
];

/// All routes.
pub(crate) fn router(gateway: &Arc<Gateway>) -> Router {
    let customers = customers().fallback(error::not_found);
    entered(customers, gateway)
        .layer(cross_origin())
        .merge(entered(operators(), gateway))
        .merge(portal::routes().layer(axum::middleware::from_fn(error::name_request)))
        .layer(DefaultBodyLimit::disable())
        .with_state(Arc::clone(gateway))
}

/// What programs of customers call, also out of a browser's page.
fn customers() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/v1/chat/completions", post(surface::create::<chat_completions::ChatCompletion>))
        .route("/v1/completions", post(surface::create::<completions::TextCompletion>))
        .route("/v1/embeddings", post(embeddings::create))
        .merge(responses::routes())
        .merge(messages::routes())
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*model}", get(models::retrieve))
        .route("/v1/feedback", post(feedback::take))
        .route("/api/route", post(explained::explain))
        .route("/api/coupons/redeem", post(coupons::redeem))
        .route("/api/usage", get(usage::usage))
        .route("/api/usage.csv", get(usage_csv::usage))
        .route("/api/requests", get(requests::list))
        .route("/api/receipts/{request}", get(receipts::receipt))
        .route("/api/cache", delete(cache::remove))
        .route("/api/credits", get(usage::credits))
        .route("/api/credits/lots", get(usage::lots))
        .merge(checkout::routes())
        .merge(recharge::routes())
        .route("/api/purchases", get(purchases::list))
        .route("/api/purchases/{payment}/receipt", get(purchases::receipt))
        .route("/api/statements/{month}", get(purchases::statement))
        .route("/openapi.json", get(openapi::show))
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
}

/// What the operator's programs call, and Stripe's: no page has to do with that.
fn operators() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/api/keys", post(keys::create).get(keys::list))
        .route("/api/keys/{key}", patch(keys::change).delete(keys::remove))
        .route("/api/keys/{key}/rotate", post(keys::rotate))
        .route("/api/accounts/{account}", get(accounts::show).patch(accounts::change))
        .route("/api/workers", get(workers::list))
        .route("/api/workers/{worker}/drain", post(workers::drain))
        .route("/api/feedback", get(feedback::list))
        .route("/api/feedback.jsonl", get(feedback::export))
        .route("/webhooks/stripe", post(stripe_webhook::receive))
}

/// What every route of the API passes.
fn entered(routes: Router<Arc<Gateway>>, gateway: &Arc<Gateway>) -> Router<Arc<Gateway>> {
    routes
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(gateway), enter))
        // A pair is one layer, the first outside.
        .layer((
            MapRequestLayer::new(incoming::spell_encoding),
            RequestDecompressionLayer::new().pass_through_unaccepted(true),
        ))
}

/// What every call of the API passes before its handler. It is one layer, because each costs a copy
/// of all that lies below it.
async fn enter(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let answer = |request: Request| async move {
        match incoming::is_unpacked(request.headers()) {
            Ok(()) => idempotency::once(&gateway, request, next).await,
            Err(problem) => error::ApiError::from(problem).into_response(),
        }
    };
    error::named(request, answer).await
}

/// Browsers on other sites may call what customers' programs call: a key is needed anyway, and no
/// cookie is.
fn cross_origin() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(EXPOSED_HEADERS)
        .max_age(PREFLIGHT_SECONDS)
}

/// A header's value of a text that may hold anything: what isn't plain ASCII is percent-encoded,
/// and so is the percent sign: so it can be read again.
pub(crate) fn header_value(text: &str) -> HeaderValue {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'%';
    if text.bytes().all(is_plain) {
        return HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    }
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        match is_plain(byte) {
            true => encoded.push(char::from(byte)),
            false => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    HeaderValue::from_str(&encoded).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    /// Every name that is written in a folder and begins like this.
    fn written(folder: &Path, beginning: &str, names: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                written(&path, beginning, names);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let quoted = format!("\"{beginning}");
            let found = text.split(&quoted).skip(1);
            let found = found.map(|rest| rest.split('"').next().unwrap_or_default());
            names.extend(
                found.filter(|rest| !rest.is_empty()).map(|rest| format!("{beginning}{rest}")),
            );
        }
    }

    #[test]
    fn a_browsers_script_may_read_every_header_of_ours() {
        let mut names = Vec::new();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
        for beginning in ["x-fly-", "x-ratelimit-"] {
            written(&folder, beginning, &mut names);
        }
        // It is a request's own.
        names.retain(|name| name != "x-fly-drop-params");
        assert!(names.len() > 30, "{names:?}");
        for name in names {
            assert!(EXPOSED_HEADERS.iter().any(|exposed| exposed.as_str() == name), "{name}");
        }
    }

    #[test]
    fn a_header_tells_any_text() {
        for (text, told) in [
            ("gpt-4o mini", "gpt-4o mini"),
            ("東京", "%E6%9D%B1%E4%BA%AC"),
            ("50%", "50%25"),
            ("a\r\nb", "a%0D%0Ab"),
        ] {
            assert_eq!(header_value(text), told);
        }
    }
}
