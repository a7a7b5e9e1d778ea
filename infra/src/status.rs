//! A worker's port beside its work: counters for Prometheus, and health for whoever supervises it.
//! It tells figures and yes or no, never a name, a prompt or a secret, and it stands on an address
//! of its own that no client reaches.

use crate::bus::Bus;
use crate::metrics::{Metrics, Servers};
use crate::net::PromptListener;
use crate::store::Store;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What Prometheus expects to read.
pub const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a worker's health is judged by.
pub struct Status {
    /// Its counters.
    pub metrics: Metrics,
    /// Its connection to NATS.
    pub bus: Bus,
    /// Its connection to Redis, when its work needs one.
    pub store: Option<Store>,
    /// Whether it is ready only once it has slots: a model takes a while to load.
    pub needs_slots: bool,
    /// Cancelled when it is asked to stop: then it takes no more work.
    pub leaving: CancellationToken,
}

/// Answers until `stop`.
pub async fn serve(listener: PromptListener, status: Status, stop: CancellationToken) {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .with_state(Arc::new(status));
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the metrics port is closed");
    }
}

impl Status {
    /// Looks at both servers, and leaves what it saw in the gauges.
    async fn look(&self) -> Servers {
        let redis = match &self.store {
            Some(store) => Some(store.probe().await.is_ok()),
            None => None,
        };
        let nats = self.bus.is_connected();
        let servers = Servers { nats, ledger: self.bus.ledger().is_open(), redis };
        self.metrics.see_servers(servers);
        servers
    }
}

async fn health() -> Response {
    Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})).into_response()
}

async fn ready(State(status): State<Arc<Status>>) -> Response {
    let Servers { nats, ledger, redis } = status.look().await;
    let slots = status.metrics.slots();
    let leaving = status.leaving.is_cancelled();
    let has_slots = slots > 0 || !status.needs_slots;
    let allowed = !status.bus.is_work_denied();
    let ready = nats && allowed && ledger && redis.unwrap_or(true) && has_slots && !leaving;
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut answer = json!({"ready": ready, "nats": nats, "ledger": ledger, "leaving": leaving});
    if !allowed {
        // Its NATS_URL names a user that nats.conf lets do something else.
        answer["allowed"] = false.into();
    }
    if let Some(redis) = redis {
        answer["redis"] = redis.into();
    }
    if status.needs_slots {
        answer["slots"] = slots.into();
    }
    (code, Json(answer)).into_response()
}

async fn metrics(State(status): State<Arc<Status>>) -> Response {
    status.look().await;
    ([(header::CONTENT_TYPE, METRICS_TYPE)], status.metrics.text()).into_response()
}
