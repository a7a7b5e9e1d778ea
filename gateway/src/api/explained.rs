//! `POST /api/route`: which model `auto` would choose for a chat now, and everything that the
//! choice rests on. Nothing is sent to a model, held or remembered.

use super::error::ApiError;
use super::incoming;
use crate::auth;
use crate::auto;
use crate::conversation::Past;
use crate::state::Gateway;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use infra::config::Model;
use schemas::error::Problem;
use schemas::ids::AccountId;
use schemas::openai::ChatRequest;
use schemas::records::{KeyRecordV1, Priority};
use serde_json::Value;
use std::sync::Arc;

/// Explains. A key sees the models that it may use, the operator all.
pub(super) async fn explain(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let key = asker(&gateway, &headers)?;
    let body = incoming::body(&gateway, &headers, body).await?;
    let account = key.as_ref().map(|key| &key.account);
    let chat: ChatRequest = incoming::json_with_room(&gateway, account, &body).await?;
    Ok(Json(explained(&gateway, key.as_deref(), &chat)?))
}

/// What `auto` would do with a chat of a key, or of the operator.
///
/// # Errors
/// When a preference can't be read.
pub(crate) fn explained(
    gateway: &Gateway,
    key: Option<&KeyRecordV1>,
    chat: &ChatRequest,
) -> Result<Value, Problem> {
    // The operator stands in line as somebody new would.
    let (account, priority) = key.map_or_else(
        || (AccountId::fresh(), Priority::default()),
        |key| (key.account.clone(), key.priority),
    );
    let asked = auto::Asked {
        chat,
        features: &gateway.features(chat, &account),
        allowed: key.and_then(|key| key.limits.models.as_deref()),
        offered: &|name: &str| gateway.fleet.offers(name),
        wait_ms: &|model: &Model| gateway.expected_wait_ms(model, (&account, priority)),
        past: &Past::default(),
    };
    auto::explain(&gateway.config, &asked)
}

/// Whose key it is; nobody's for the operator's.
fn asker(gateway: &Gateway, headers: &HeaderMap) -> Result<Option<Arc<KeyRecordV1>>, Problem> {
    if incoming::is_admin(gateway.admin_key.as_ref(), headers) {
        return Ok(None);
    }
    Ok(Some(auth::open(gateway, incoming::secret(headers).as_deref())?))
}
