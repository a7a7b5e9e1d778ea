//! `/health`: the process is alive. `/ready`: NATS, Redis with all balances and at least one worker
//! are there, and what is written is taken.
//! `/metrics`: on its own port, for Prometheus.

use super::shapes::{Health, Readiness};
use crate::auth::follow;
use crate::breaker::BreakerState;
use crate::state::Gateway;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use infra::metrics::Servers;
use infra::status::METRICS_TYPE;
use std::sync::Arc;
use std::time::Instant;

/// Alive.
pub(super) async fn health() -> Response {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") }).into_response()
}

/// Ready to answer chats.
pub(super) async fn ready(State(gateway): State<Arc<Gateway>>) -> Response {
    let (Servers { nats, ledger, redis }, balances) = look(&gateway).await;
    // What NATS tells is of use once nothing is missing that it told while we were away.
    let nats = nats && follow::are_current(&gateway);
    let redis = redis.unwrap_or(false);
    let workers = gateway.fleet.size();
    let leaving = gateway.leaving.is_cancelled();
    let ready = nats && ledger && balances && workers > 0 && !leaving;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let now = Instant::now();
    let cools = |name: &&str| gateway.breakers.standing(name, now) == BreakerState::Open;
    let names = gateway.config.models.iter().map(|model| model.name.as_str());
    let cooling = names.filter(cools).map(str::to_owned).collect();
    let answer = Readiness { ready, nats, ledger, redis, balances, workers, leaving, cooling };
    (status, Json(answer)).into_response()
}

/// The metrics listener's only route, and health for those who can't reach the API.
pub(crate) fn metrics_router(gateway: &Arc<Gateway>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .with_state(Arc::clone(gateway))
}

async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response {
    gateway.metrics.see_servers(look(&gateway).await.0);
    let kind = [(header::CONTENT_TYPE, METRICS_TYPE)];
    (kind, gateway.metrics.text()).into_response()
}

/// Looks at the servers, and whether all balances are there.
async fn look(gateway: &Gateway) -> (Servers, bool) {
    let whole = gateway.store.probe_whole().await;
    let (redis, balances) = (Some(whole.is_ok()), whole.unwrap_or(false));
    let servers = Servers { nats: gateway.bus.is_heard(), ledger: gateway.takes_charges(), redis };
    (servers, balances)
}
