//! Requests, looked for by account, and one receipt by its name.

use super::super::account::requests as own;
use super::super::asked::{Path, Query};
use super::super::guard::Operator;
use super::super::look::Look;
use super::super::texts::{Account, Admin};
use super::{away, room, with_status};
use crate::state::Gateway;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use schemas::ids::{AccountId, RequestId};
use schemas::subjects;
use serde::Deserialize;
use std::sync::Arc;

const PLACE: &str = "/admin/requests";

#[derive(Deserialize)]
pub(super) struct Wanted {
    account: Option<String>,
    request: Option<String>,
}

/// The form, and what it found.
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Query(wanted): Query<Wanted>,
    look: Look,
    who: Operator,
) -> Response {
    let t = Admin::of(look.language);
    let text = |field: &Option<String>| field.as_deref().unwrap_or("").trim().to_owned();
    let (named, request) = (text(&wanted.account), text(&wanted.request));
    let account = AccountId::parse(named.clone()).ok();
    if let (Some(account), Ok(request)) = (&account, RequestId::parse(request.clone())) {
        return Redirect::to(&format!("{PLACE}/{account}/{request}")).into_response();
    }
    let rows = match &account {
        Some(account) => gateway.store.requests(account).await.map(Some),
        None => Ok(None),
    };
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => return away(&look, &error),
    };
    room(
        &look,
        &who,
        (PLACE, t.requests),
        html! {
            form.line method="get" action=(PLACE) role="search" {
                div.field {
                    label for="account" { (t.account_id) }
                    input.mono #account name="account" value=(named) placeholder="acct_…";
                }
                div.field {
                    label for="request" { (t.request_id) }
                    input.mono #request name="request" value=(request) placeholder="req_…";
                }
                button.second type="submit" { (t.find) }
            }
            br;
            @match (&account, &rows) {
                (Some(account), Some(rows)) => {
                    (own::table(&gateway, &look, (&format!("{PLACE}/{account}"), rows)))
                }
                _ => { p.empty { (t.requests_hint) } }
            }
        },
    )
}

/// One receipt.
pub(super) async fn receipt(
    State(gateway): State<Arc<Gateway>>,
    Path((account, request)): Path<(String, String)>,
    look: Look,
    who: Operator,
) -> Response {
    let (t, words) = (Admin::of(look.language), Account::of(look.language));
    let unknown = || {
        let page = room(&look, &who, (PLACE, t.requests), html! { p.empty { (words.not_found) } });
        with_status(StatusCode::NOT_FOUND, page)
    };
    let (Ok(account), Ok(request)) = (AccountId::parse(account), RequestId::parse(request)) else {
        return unknown();
    };
    let subject = subjects::ledger(&account, "use", request.as_str());
    match gateway.bus.recorded(&subject).await {
        Ok(Some(event)) => {
            let shown = own::described(&gateway, &look, (&request, &event));
            room(&look, &who, (PLACE, words.receipt), shown)
        }
        Ok(None) => unknown(),
        Err(error) => away(&look, &error),
    }
}
