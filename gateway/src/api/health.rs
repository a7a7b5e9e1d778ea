//! `/health`: the process is alive. `/ready`: NATS, Redis and at least one worker are there.
//! `/metrics`: on its own port, for Prometheus.

use super::shapes::{Health, Readiness};
use crate::breaker::Standing;
use crate::state::Gateway;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use infra::status::METRICS_TYPE;
use std::sync::Arc;
use std::time::Instant;

/// Alive.
pub(super) async fn health() -> Response {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") }).into_response()
}

/// Ready to answer chats.
pub(super) async fn ready(State(gateway): State<Arc<Gateway>>) -> Response {
    let nats = gateway.bus.is_connected();
    let redis = gateway.store.ping().await.is_ok();
    let workers = gateway.fleet.size();
    let ready = nats && redis && workers > 0;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let now = Instant::now();
    let cools = |name: &&str| gateway.breakers.standing(name, now) == Standing::Cooling;
    let names = gateway.config.models.iter().map(|model| model.name.as_str());
    let cooling = names.filter(cools).map(str::to_owned).collect();
    let answer = Readiness { ready, nats, redis, workers, cooling };
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
    let redis = gateway.store.ping().await.is_ok();
    gateway.metrics.see_servers(gateway.bus.is_connected(), Some(redis));
    let kind = [(header::CONTENT_TYPE, METRICS_TYPE)];
    (kind, gateway.metrics.text()).into_response()
}
