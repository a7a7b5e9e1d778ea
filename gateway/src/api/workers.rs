//! `/api/workers`: who serves what now, as this gateway heard it; and taking one out of service.

use super::asked::Path;
use super::error::ApiError;
use super::incoming;
use super::shapes::{DrainedWorker, List, SeenWorker};
use crate::dismissal::{Dismissed, dismiss};
use crate::problems::records_away;
use crate::state::Gateway;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::WorkerId;
use std::sync::Arc;

/// All workers, each once for every pool that it serves.
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
) -> Result<Json<List<SeenWorker>>, ApiError> {
    incoming::require_admin(&gateway, &headers)?;
    let seen = gateway.fleet.workers().into_iter().map(|(advert, connected)| SeenWorker {
        object: "worker",
        worker: advert.worker,
        pool: advert.pool,
        models: advert.models,
        slots: advert.slots,
        slots_free: advert.slots_free,
        draining: advert.draining,
        connected,
        version: advert.version,
    });
    Ok(Json(List::of(seen.collect())))
}

/// Lets one finish what it runs and leave.
pub(super) async fn drain(
    State(gateway): State<Arc<Gateway>>,
    Path(worker): Path<String>,
    headers: HeaderMap,
) -> Result<Json<DrainedWorker>, ApiError> {
    incoming::require_admin(&gateway, &headers)?;
    let id = WorkerId::parse(worker.clone()).map_err(|_| unknown(&worker))?;
    match dismiss(&gateway, &id).await.map_err(|error| records_away(&error))? {
        Dismissed::Drains => {
            Ok(Json(DrainedWorker { object: "worker.drain", worker: id, draining: true }))
        }
        Dismissed::Unknown => Err(unknown(&worker).into()),
        Dismissed::Silent => Err(silent().into()),
    }
}

fn unknown(name: &str) -> Problem {
    let shown: String = name.chars().take(80).collect();
    Problem::new(
        ErrorCode::NotFound,
        format!("ワーカー '{shown}' はいません。GET /api/workers で確認してください。"),
        format!("There is no worker '{shown}'. GET /api/workers lists them."),
    )
    .at("worker")
}

fn silent() -> Problem {
    Problem::new(
        ErrorCode::ServiceUnavailable,
        "ワーカーから返事がありません。停止しているか、NATS の権限（nats.conf の drain.*）が \
         古い可能性があります。プロセスに SIGTERM を送っても終了処理に入ります。",
        "The worker says nothing: it is halted, or its nats.conf lacks drain.*. SIGTERM to its \
         process drains it as well.",
    )
}
