//! What is left, and how it was used lately.

use super::super::guard::Customer;
use super::super::look::{Look, dollars, grouped};
use super::super::texts::{Account, Common};
use super::requests::table;
use super::usage::{Days, View, chart, key_name};
use super::{away, room};
use crate::api::checkout::public_url;
use crate::state::Gateway;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use maud::{Markup, html};
use schemas::money::MicroUsd;
use std::sync::Arc;

/// Requests that are shown.
const LAST_SHOWN_MAX: usize = 5;

/// Shows it.
pub(super) async fn show(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    who: Customer,
    headers: HeaderMap,
) -> Response {
    let t = Account::of(look.language);
    let account = &who.key.account;
    let balance = match gateway.store.balance(account).await {
        Ok(balance) => balance,
        Err(error) => return away(&look, &error),
    };
    let rows = match gateway.store.usage(account).await {
        Ok(rows) => rows,
        Err(error) => return away(&look, &error),
    };
    let days = Days::of(&rows, View::FIRST);
    let requests = match gateway.store.requests(account).await {
        Ok(requests) => requests,
        Err(error) => return away(&look, &error),
    };
    let named = |id: &str| key_name(&gateway, t, id);
    let last = requests.get(..LAST_SHOWN_MAX).unwrap_or(&requests);
    let base = public_url(&gateway, &headers);
    let available = MicroUsd(balance.balance.0.saturating_sub(balance.held.0));
    room(
        &look,
        &who,
        ("/account", t.overview),
        html! {
            dl.figures {
                div.figure {
                    dt { (t.available) }
                    dd { (dollars(available)) }
                    dd { small {
                        @if balance.held > MicroUsd::ZERO { (t.held) " " (dollars(balance.held)) }
                        @else { a href="/account/credit" { (t.top_up) } }
                    } }
                }
                div.figure {
                    dt { (t.spent_30) }
                    dd { (dollars(days.cost())) }
                    dd { small { a href="/account/usage" { (t.usage) } } }
                }
                div.figure {
                    dt { (t.requests_30) }
                    dd { (grouped(days.requests())) }
                    dd { small { (t.cache_hits) " " (grouped(days.cache_hits())) } }
                }
            }
            h2 { (t.by_day) }
            (chart(&look, &days, View::FIRST, &named))
            @if !last.is_empty() {
                h2 { (t.last_requests) }
                (table(&gateway, &look, ("/account/requests", last)))
                p { a href="/account/requests" { (t.all_requests) } }
            }
            (connect(t, Common::of(look.language), &base))
        },
    )
}

/// Where the API is, to copy.
fn connect(t: &Account, common: &Common, base: &str) -> Markup {
    html! {
        h2 { (t.connect) }
        div.card.connect {
            p { (t.connect_text) }
            div.copyline {
                code #base-url { (base) "/v1" }
                button.second.small.needs-script type="button" data-copy="base-url"
                    data-done=(common.copied) { (common.copy) }
            }
            p {
                a href="/#first" { (t.first_request) } " · "
                a href="/account/keys" { (t.keys) }
            }
        }
    }
}
