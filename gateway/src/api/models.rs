//! `GET /v1/models`: what can be asked for now, with price, context and capabilities as extra
//! fields, or in the shape of Anthropic's API. A model that nobody serves isn't listed.

use super::asked::Path;
use super::error::ApiError;
use super::incoming;
use super::messages::models as anthropic;
use crate::auth;
use crate::state::Gateway;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use infra::config::Model;
use schemas::catalogue::Capability;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::RequestId;
use schemas::money::PicoUsdPerToken;
use serde_json::{Value, json};
use std::sync::Arc;

/// Pico-USD a token in one USD per million tokens.
const PICO_PER_USD_PER_MILLION: f64 = 1_000_000.0;

/// Models have no birthday here: clients only need a number.
const CREATED: u64 = 1_700_000_000;

/// All that are offered.
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Extension(request): Extension<RequestId>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let is_allowed = authorize(&gateway, &headers);
    if anthropic::is_wanted(&headers) {
        let auto = offered(&gateway).next().map(|_| anthropic::auto());
        let models = offered(&gateway).filter_map(anthropic::described).chain(auto).collect();
        let query = query.unwrap_or_default();
        let page = is_allowed.and_then(|()| anthropic::page(models, &query));
        return anthropic::answered(page, &headers, &request);
    }
    let listed = is_allowed.map(|()| {
        let mut data: Vec<Value> = offered(&gateway).map(described).collect();
        data.extend(auto(&gateway));
        Json(json!({"object": "list", "data": data}))
    });
    listed.map_err(ApiError::from).into_response()
}

fn offered(gateway: &Gateway) -> impl Iterator<Item = &Model> {
    let models = gateway.config.models.iter().map(Arc::as_ref);
    models.filter(|model| gateway.fleet.offers(&model.name))
}

/// The choice among all that are offered, if any is.
fn auto(gateway: &Gateway) -> Option<Value> {
    offered(gateway).next()?;
    Some(json!({"id": "auto", "object": "model", "created": CREATED, "owned_by": "fly-llm"}))
}

/// One of them.
pub(super) async fn retrieve(
    State(gateway): State<Arc<Gateway>>,
    Extension(request): Extension<RequestId>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let is_allowed = authorize(&gateway, &headers);
    if anthropic::is_wanted(&headers) {
        let auto = auto(&gateway).filter(|auto| auto["id"] == name.as_str());
        let model = is_allowed.and_then(|()| match auto {
            Some(_) => Ok(anthropic::auto()),
            None => named(&gateway, &name)
                .and_then(|model| anthropic::described(model).ok_or_else(|| unknown(&name))),
        });
        return anthropic::answered(model, &headers, &request);
    }
    let model = is_allowed.and_then(|()| {
        let auto = auto(&gateway).filter(|auto| auto["id"] == name.as_str());
        auto.map_or_else(|| named(&gateway, &name).map(described), Ok)
    });
    model.map(Json).map_err(ApiError::from).into_response()
}

fn named<'a>(gateway: &'a Gateway, name: &str) -> Result<&'a Model, Problem> {
    let model = gateway.config.models.get(name).map(Arc::as_ref);
    model.filter(|model| gateway.fleet.offers(&model.name)).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Problem {
    let shown: String = name.chars().take(80).collect();
    Problem::new(
        ErrorCode::ModelNotFound,
        format!("モデル '{shown}' はありません。GET /v1/models で一覧を確認してください。"),
        format!("The model '{shown}' does not exist. GET /v1/models lists all."),
    )
    .at("model")
}

fn authorize(gateway: &Gateway, headers: &HeaderMap) -> Result<(), Problem> {
    if incoming::is_admin(gateway.admin_key.as_ref(), headers) {
        return Ok(());
    }
    auth::open(gateway, incoming::secret(headers).as_deref()).map(drop)
}

fn described(model: &Model) -> Value {
    let usd = |price: PicoUsdPerToken| price.0 as f64 / PICO_PER_USD_PER_MILLION;
    let answers = model.can(Capability::Chat);
    // What only embeds has no output, and no price of one.
    let price = match answers {
        true => json!({
            "input": usd(model.price.input),
            "cached_input": usd(model.price.cached_input),
            "cache_write": usd(model.price.cache_write),
            "cache_write_hour": model.price.cache_write_hour.map(usd),
            "output": usd(model.price.output),
        }),
        false => json!({"input": usd(model.price.input)}),
    };
    json!({
        "id": model.name,
        "object": "model",
        "created": CREATED,
        "owned_by": model.vendor.as_str(),
        "provider": model.provider(),
        "context_length": model.context,
        "max_output_tokens": answers.then_some(model.max_output),
        "capabilities": model.capabilities,
        "tier": model.tier,
        "aliases": model.aliases,
        "price_usd_per_million_tokens": price,
    })
}
