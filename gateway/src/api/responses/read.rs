//! Kept responses, read again and deleted, at whichever gateway. Whoever comes with another key
//! than the one that made a response hears that there is none.

use super::kept::{Record, Shelf, no_such_response};
use super::{background, response, resume};
use crate::api::asked::{Path, Query};
use crate::api::error::{self, ApiError};
use crate::api::incoming;
use crate::auth;
use crate::portal::Look;
use crate::problems::wrong;
use crate::state::Gateway;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use schemas::error::{ErrorCode, Problem};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long a cancellation waits to be heard.
const CANCEL_SECONDS_MAX: Duration = Duration::from_secs(10);

/// Items in one answer at most.
const LIMIT_MAX: usize = 100;

/// Items in one answer when nobody says how many.
const LIMIT_DEFAULT: usize = 20;

/// How a response is wanted.
#[derive(Deserialize)]
pub(super) struct HowRead {
    stream: Option<String>,
    starting_after: Option<String>,
}

/// Which items are wanted; texts, so that a wrong one is answered by us.
#[derive(Default, Deserialize)]
pub(super) struct Which {
    limit: Option<String>,
    order: Option<String>,
    after: Option<String>,
}

fn shelf(gateway: &Arc<Gateway>, headers: &HeaderMap) -> Result<Shelf, Problem> {
    let secret = incoming::secret(headers);
    let key = auth::open(gateway, secret.as_deref())?;
    Ok(Shelf::new(gateway, &key.account, secret.as_deref().unwrap_or_default()))
}

/// The response as it was told, or its events.
pub(super) async fn retrieve(
    State(gateway): State<Arc<Gateway>>,
    Path(response): Path<String>,
    Query(how): Query<HowRead>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let shelf = shelf(&gateway, &headers)?;
    let record = standing(&shelf, &response).await?;
    if how.stream.as_deref() == Some("true") {
        let after = how.starting_after.as_deref().map(number).transpose()?;
        return Ok(resume::resumed((shelf, response), record, after, gateway.ping_interval())?);
    }
    if how.starting_after.is_some() {
        return Err(Problem::new(
            ErrorCode::InvalidRequest,
            "starting_after は stream=true と一緒に指定してください。",
            "Give 'starting_after' together with stream=true.",
        )
        .at("starting_after")
        .into());
    }
    Ok(Json(record.response).into_response())
}

fn number(text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| wrong("starting_after", "0 以上の整数", "a whole number from 0"))
}

/// A record as it stands: what no gateway makes any more has failed.
pub(super) async fn standing(shelf: &Shelf, id: &str) -> Result<Record, Problem> {
    let record = shelf.read(id).await?;
    if !record.is_running() || shelf.runs(id).await? {
        return Ok(record);
    }
    // It may have ended between the two looks.
    let mut record = shelf.read(id).await?;
    if record.is_running() {
        record.response["status"] = "failed".into();
        record.response["error"] = json!(response::failure(&background::lost()));
    }
    Ok(record)
}

/// Forgets it; what still runs is cancelled.
pub(super) async fn remove(
    State(gateway): State<Arc<Gateway>>,
    Path(response): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let shelf = shelf(&gateway, &headers)?;
    if shelf.read(&response).await?.is_running() {
        shelf.cancel(&response).await?;
    }
    shelf.forget(&response).await?;
    Ok(Json(json!({"id": response, "object": "response", "deleted": true})))
}

/// Cancels what runs in the background; one that is over is told as it is. Everything else ends
/// with its connection.
pub(super) async fn cancel(
    State(gateway): State<Arc<Gateway>>,
    Path(response): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let shelf = shelf(&gateway, &headers)?;
    let record = standing(&shelf, &response).await?;
    if record.response["background"] != true {
        return Err(not_in_background().into());
    }
    if !record.is_running() {
        return Ok(Json(record.response));
    }
    shelf.cancel(&response).await?;
    let limit = tokio::time::Instant::now() + CANCEL_SECONDS_MAX;
    loop {
        let record = standing(&shelf, &response).await?;
        if !record.is_running() || tokio::time::Instant::now() > limit {
            return Ok(Json(record.response));
        }
        tokio::time::sleep(resume::LOOK_INTERVAL).await;
    }
}

fn not_in_background() -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        "取り消せるのは background: true の応答だけです。ほかは接続を切ると止まります。",
        "Only a response with background: true can be cancelled; others end with their connection.",
    )
    .at("response_id")
}

/// What else is done with one. Of what OpenAI has below this path beside responses (`compact`,
/// `input_tokens`) nothing is here.
pub(super) async fn refused(
    Path(response): Path<String>,
    uri: Uri,
    look: Look,
    headers: HeaderMap,
) -> Response {
    match response.starts_with("resp_") {
        true => error::method_not_allowed().await.into_response(),
        false => error::not_found(uri, look, headers).await,
    }
}

/// What was said with its request.
pub(super) async fn items(
    State(gateway): State<Arc<Gateway>>,
    Path(response): Path<String>,
    Query(which): Query<Which>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let shelf = shelf(&gateway, &headers)?;
    let record = shelf.read(&response).await?;
    Ok(Json(page(record.input, &which)?))
}

/// One page of items, the newest first unless asked otherwise.
fn page(mut items: Vec<Value>, which: &Which) -> Result<Value, Problem> {
    match which.order.as_deref() {
        None | Some("desc") => items.reverse(),
        Some("asc") => {}
        Some(_) => return Err(wrong("order", "asc か desc", "asc or desc")),
    }
    let limit = match which.limit.as_deref() {
        None => LIMIT_DEFAULT,
        Some(limit) => limit
            .parse()
            .ok()
            .filter(|limit| (1..=LIMIT_MAX).contains(limit))
            .ok_or_else(|| wrong("limit", "1〜100の整数", "a whole number in 1 – 100"))?,
    };
    if let Some(after) = which.after.as_deref() {
        let at = items.iter().position(|item| item["id"] == after);
        let at = at.ok_or_else(|| no_such_response().at("after"))?;
        items.drain(..=at);
    }
    let has_more = items.len() > limit;
    items.truncate(limit);
    let name = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    let (first, last) = (name(items.first()), name(items.last()));
    Ok(json!({"object": "list", "data": items, "first_id": first, "last_id": last,
        "has_more": has_more}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_paged_in_both_orders() {
        let items: Vec<Value> = (0..3).map(|number| json!({"id": format!("i{number}")})).collect();
        let shown = |limit: Option<&str>, order: Option<&str>, after: Option<&str>| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let which = Which { limit: owned(limit), order: owned(order), after: owned(after) };
            let page = page(items.clone(), &which)?;
            let names = page["data"].as_array().unwrap().iter().map(|item| item["id"].clone());
            Ok::<_, Problem>((names.collect::<Vec<_>>(), page["has_more"].clone()))
        };
        assert_eq!(shown(None, None, None).unwrap().0, ["i2", "i1", "i0"]);
        let first = shown(Some("2"), Some("asc"), None).unwrap();
        assert_eq!((first.0, first.1), (vec![json!("i0"), json!("i1")], json!(true)));
        let rest = shown(Some("2"), Some("asc"), Some("i1")).unwrap();
        assert_eq!((rest.0, rest.1), (vec![json!("i2")], json!(false)));
        for (limit, order, after, field) in [
            (Some("0"), None, None, "limit"),
            (Some("101"), None, None, "limit"),
            (None, Some("up"), None, "order"),
            (None, None, Some("i9"), "after"),
        ] {
            let problem = shown(limit, order, after).unwrap_err();
            assert_eq!(problem.parameter.as_deref(), Some(field));
        }
    }
}
