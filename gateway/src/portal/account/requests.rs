//! The last requests, and the receipt of each, as the ledger has it. There is no word of a prompt
//! or an answer here: nobody keeps one.

use super::super::asked::{Path, Query};
use super::super::guard::Customer;
use super::super::landing::price;
use super::super::look::{Look, dollars, grouped, moment};
use super::super::texts::{Account, names};
use super::{away, missing, room};
use crate::state::Gateway;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use infra::store::balances::{RequestEnd, RequestRow};
use maud::{Markup, html};
use schemas::ids::{KeyId, RequestId};
use schemas::ledger::{EventV1, Fact, Outcome, Use};
use schemas::subjects;
use serde::Deserialize;
use std::sync::Arc;

/// Requests on a page.
const SHOWN_MAX: usize = 100;

const PLACE: &str = "/account/requests";

#[derive(Deserialize)]
pub(super) struct Wanted {
    request: Option<String>,
}

/// The newest first.
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Query(wanted): Query<Wanted>,
    look: Look,
    who: Customer,
) -> Response {
    let t = Account::of(look.language);
    let named = wanted.request.as_deref().map(str::trim).filter(|name| !name.is_empty());
    if let Some(request) = named.and_then(|name| RequestId::parse(name).ok()) {
        return Redirect::to(&format!("{PLACE}/{request}")).into_response();
    }
    let rows = match gateway.store.requests(&who.key.account).await {
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
                    label for="request" { (t.find) }
                    input.mono #request name="request" placeholder="req_…"
                    value=(named.unwrap_or(""));
                }
                button.second type="submit" { (t.search) }
            }
            br;
            (table(&gateway, &look, (PLACE, &rows)))
        },
    )
}

/// A table of requests; each leads to its receipt below `place`.
pub(crate) fn table(
    gateway: &Gateway,
    look: &Look,
    (place, rows): (&str, &[RequestRow]),
) -> Markup {
    let t = Account::of(look.language);
    if rows.is_empty() {
        return html! {
            div.empty {
                p { (t.no_usage) }
                p { a.button href="/account/playground" { (t.to_playground) } }
            }
        };
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label=(t.requests) {
            table {
                thead { tr {
                    th scope="col" { (t.when) }
                    th scope="col" { (t.model) }
                    th scope="col" { (t.key) }
                    th.number scope="col" { (t.tokens) }
                    th.number scope="col" { (t.cost) }
                    th scope="col" { (t.status) }
                    th scope="col" { (t.receipt) }
                } }
                tbody { @for shown in rows.iter().take(SHOWN_MAX) {
                    (row(gateway, t, (place, shown)))
                } }
            }
        }
    }
}

fn row(gateway: &Gateway, t: &Account, (place, row): (&str, &RequestRow)) -> Markup {
    let receipt = format!("{place}/{}", row.request);
    html! {
        tr {
            td.tight { (moment(row.at_ms)) }
            @match &row.end {
                RequestEnd::Used { model, input, output, charge, outcome, cached } => {
                    td { code { (model) } }
                    td { (key_name(gateway, t, &row.key)) }
                    td.number { (grouped(*input)) " + " (grouped(*output)) }
                    td.number { (dollars(*charge)) }
                    td.tight { (ended(t, *outcome, *cached)) }
                }
                RequestEnd::Void { .. } => {
                    td { "–" }
                    td { (key_name(gateway, t, &row.key)) }
                    td.number { "–" }
                    td.number { "$0" }
                    td.tight { span.badge { (t.void) } }
                }
            }
            td.tight { a href=(receipt) { (t.receipt) } }
        }
    }
}

fn key_name(gateway: &Gateway, t: &Account, key: &KeyId) -> String {
    gateway.keys.get(key).map_or_else(|| t.deleted_key.to_owned(), |key| key.name.clone())
}

fn ended(t: &Account, outcome: Outcome, cached: bool) -> Markup {
    let (class, told) = match outcome {
        Outcome::Done => ("badge good", t.outcome_complete),
        Outcome::Cancelled => ("badge", t.outcome_cancelled),
        Outcome::Partial => ("badge bad", t.outcome_partial),
    };
    html! {
        span class=(class) { (told) }
        @if cached { " " span.badge { (t.cached) } }
    }
}

/// One request's receipt.
pub(super) async fn receipt(
    State(gateway): State<Arc<Gateway>>,
    Path(request): Path<String>,
    look: Look,
    who: Customer,
) -> Response {
    let t = Account::of(look.language);
    let unknown = || missing(&look, &who, (PLACE, t.receipt), t.not_found);
    let Ok(request) = RequestId::parse(request) else { return unknown() };
    let subject = subjects::ledger(&who.key.account, "use", request.as_str());
    match gateway.bus.recorded(&subject).await {
        Ok(Some(event)) => {
            room(&look, &who, (PLACE, t.receipt), described(&gateway, &look, (&request, &event)))
        }
        Ok(None) => unknown(),
        Err(error) => away(&look, &error),
    }
}

/// A receipt as a table.
pub(crate) fn described(
    gateway: &Gateway,
    look: &Look,
    (request, event): (&RequestId, &EventV1),
) -> Markup {
    let t = Account::of(look.language);
    let line = |name: &str, value: Markup| {
        html! { tr { th scope="row" { (name) } td { (value) } } }
    };
    html! {
        div.scroll { table { tbody {
            (line(t.request, html! { code { (request) } }))
            @if let Some(began) = request.created_ms() { (line(t.started, moment(began))) }
            (line(t.ended, moment(event.at_ms)))
            @match &event.fact {
                Fact::Use(used) => { (charged(gateway, look, (used, event), &line)) }
                Fact::Void(void) => {
                    (line(t.key, html! { (key_name(gateway, t, &void.key)) }))
                    (line(t.status, html! { span.badge { (t.void) } }))
                }
                _ => {}
            }
        } } }
    }
}

fn charged(
    gateway: &Gateway,
    look: &Look,
    (used, event): (&Use, &EventV1),
    line: &dyn Fn(&str, Markup) -> Markup,
) -> Markup {
    let t = Account::of(look.language);
    let usage = &used.usage;
    let count = |count: Option<u64>| count.map_or_else(|| "–".to_owned(), grouped);
    let counts = [
        (t.input, grouped(usage.input)),
        (t.cache_read, count(usage.cache_read)),
        (t.cache_write, count(usage.cache_write)),
        (t.output, grouped(usage.output)),
        (t.reasoning, count(usage.reasoning)),
    ];
    let prices = [
        (t.input, used.price.input),
        (t.cache_read, used.price.cached_input),
        (t.cache_write, used.price.cache_write),
        (t.output, used.price.output),
    ];
    html! {
        (line(t.model, html! { code { (used.model) } }))
        (line(t.key, html! { (key_name(gateway, t, &used.key)) }))
        (line(t.status, ended(t, used.outcome, used.cached)))
        (line(t.cost, html! { strong { (dollars(event.amount.negated())) } }))
        (line(t.hold, html! { (dollars(used.hold)) }))
        (line(t.tokens, html! {
            @for (name, count) in &counts { span.badge { (name) " " (count) } " " }
        }))
        (line(t.price_row, html! {
            @for (name, of) in prices { span.badge { (name) " " (price(of)) } " " }
        }))
        (line(t.counted_by, html! { (names::token_source(look.language, used.source)) }))
        (line(t.writer, html! { (names::writer(look.language, used.writer)) }))
    }
}
