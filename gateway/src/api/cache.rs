//! `DELETE /api/cache`: forgets kept answers, those of one tenant at a time. A key reaches its own
//! tenant's; the operator any.

use super::asked::Query;
use super::error::ApiError;
use super::shapes::ForgottenAnswers;
use super::usage;
use crate::cache;
use crate::problems::records_away;
use crate::state::Gateway;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use infra::store::answers::Tenant;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::AccountId;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
pub(super) struct CacheQuery {
    account: Option<String>,
    group: Option<String>,
}

/// Forgets.
pub(super) async fn remove(
    State(gateway): State<Arc<Gateway>>,
    Query(query): Query<CacheQuery>,
    headers: HeaderMap,
) -> Result<Json<ForgottenAnswers>, ApiError> {
    let asker = usage::asker(&gateway, &headers)?;
    let tenant = match query.group {
        Some(group) => group_of(&gateway, &asker, &group)?,
        None => {
            let account = usage::account_of(&asker, query.account)?;
            usage::may_see(&asker, &account)?;
            cache::tenant(&gateway.config.cache, &account)
        }
    };
    let deleted =
        gateway.store.forget_answers(&tenant).await.map_err(|error| records_away(&error))?;
    tracing::info!(%tenant, deleted, "kept answers were forgotten");
    Ok(Json(ForgottenAnswers { object: "cache", tenant: tenant.to_string(), deleted }))
}

/// A group of which the asker is, or any for the operator.
fn group_of(gateway: &Gateway, asker: &usage::Asker, group: &str) -> Result<Tenant, Problem> {
    let groups = &gateway.config.cache.groups;
    let found = groups.iter().find(|(name, _)| name.as_str() == group);
    let is_visible = |members: &[AccountId]| match asker {
        usage::Asker::Operator => true,
        usage::Asker::Account(own) => members.contains(own),
    };
    match found {
        Some((name, members)) if is_visible(members) => Ok(Tenant::Group(name.clone())),
        _ => Err(Problem::new(
            ErrorCode::NotFound,
            "そのグループはありません。cache.groups を確認してください。",
            "There is no such group: see cache.groups.",
        )
        .at("group")),
    }
}
