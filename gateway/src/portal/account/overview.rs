//! What is left, and how it was used lately.

use super::super::guard::Customer;
use super::super::look::{Look, dollars, grouped};
use super::super::texts::Account;
use super::usage::{Days, chart};
use super::{away, room};
use crate::state::Gateway;
use axum::extract::State;
use axum::response::Response;
use maud::html;
use schemas::money::MicroUsd;
use std::sync::Arc;

/// Shows it.
pub(super) async fn show(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    who: Customer,
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
    let days = Days::of(&rows);
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
                }
                div.figure {
                    dt { (t.requests_30) }
                    dd { (grouped(days.requests())) }
                    dd { small { (t.cache_hits) " " (grouped(days.cache_hits())) } }
                }
            }
            h2 { (t.by_day) }
            (chart(&look, &days))
        },
    )
}
