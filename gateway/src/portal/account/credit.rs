//! Credit: what the balance is made of, buying more at Stripe's, what was bought, statements.

use super::super::again::Again;
use super::super::asked::Query as Asked;
use super::super::guard::{Customer, Sent, once};
use super::super::landing::{BUYING, currencies, plans, to_stripe, told};
use super::super::look::{Look, dollars, moment};
use super::super::statement::Month;
use super::super::texts::{Account, Common, Landing, Recharge, names};
use super::{away, recharge, room};
use crate::api::asked::{Path, Query};
use crate::api::usage::UsageQuery;
use crate::api::{coupons, purchases};
use crate::state::Gateway;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use infra::bus::history::History;
use infra::clock;
use infra::config::Stripe;
use maud::{Markup, html};
use payments::Payments;
use schemas::ledger::{EventV1, Fact, LotKind, TopUp};
use schemas::lots::Lots;
use schemas::money::MicroUsd;
use schemas::snapshots::Snapshot;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

const PLACE: &str = "/account/credit";

/// The form of a code.
const REDEEMING: &str = "coupon";

/// What has just been done.
#[derive(Deserialize)]
pub(super) struct Told {
    told: Option<String>,
}

/// Shows it.
pub(super) async fn show(
    State(gateway): State<Arc<Gateway>>,
    Asked(told): Asked<Told>,
    look: Look,
    who: Customer,
) -> Response {
    let before = match told.told.as_deref() {
        Some("redeemed") => {
            html! { p.note role="status" { (Account::of(look.language).redeemed) } }
        }
        Some("before") => {
            html! { p.warning role="alert" { (Common::of(look.language).sent_before) } }
        }
        _ => html! {},
    };
    shown(&gateway, &look, &who, (before, &Again::default())).await
}

/// The page, below what has just been done, or with one of its forms again.
pub(super) async fn shown(
    gateway: &Gateway,
    look: &Look,
    who: &Customer,
    (before, again): (Markup, &Again),
) -> Response {
    let t = Account::of(look.language);
    let account = &who.key.account;
    let balance = match gateway.store.balance(account).await {
        Ok(balance) => balance,
        Err(error) => return away(look, &error),
    };
    let read = futures::try_join!(
        gateway.bus.account_history(account),
        gateway.bus.account_purchases(account),
        gateway.bus.account_returns(account),
        gateway.bus.account_snapshots(account),
    );
    let (history, purchases, returns, snapshots) = match read {
        Ok(read) => read,
        Err(error) => return away(look, &error),
    };
    let recharging = match gateway.bus.recharge(account).await {
        Ok(recharging) => recharging,
        Err(error) => return away(look, &error),
    };
    let page = room(
        look,
        who,
        (PLACE, t.credit),
        html! {
            (before)
            dl.figures {
                div.figure { dt { (t.balance) } dd { (dollars(balance.balance)) } }
                div.figure { dt { (t.held) } dd { (dollars(balance.held)) } }
            }
            h2 #lots { (t.lots) }
            (lots(t, &history.lots()))
            h2 #top-up { (t.top_up) }
            @match gateway.desk.payments() {
                Some(payments) => {
                    (form((look, again), who, payments, &gateway.config.stripe))
                    (recharge::section(gateway, (look, again), who, &recharging))
                }
                None => { p.empty { (t.not_sold) } }
            }
            @if !gateway.config.coupons.is_empty() { (coupon((look, again), who)) }
            h2 #purchases { (t.purchases) }
            (bought(look, &purchases, &returns))
            h2 { (t.statements) }
            (months(&snapshots, &history))
        },
    );
    again.answer(page)
}

/// What a balance is made of.
pub(crate) fn lots(t: &Account, lots: &Lots) -> Markup {
    let left: Vec<_> = lots.all().iter().filter(|lot| lot.rest > MicroUsd::ZERO).collect();
    if left.is_empty() && lots.owed() == MicroUsd::ZERO {
        return html! { p.empty { (t.no_lots) } };
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label=(t.lots) {
            table {
                thead { tr {
                    th scope="col" { (t.lot_kind) }
                    th.number scope="col" { (t.granted) }
                    th.number scope="col" { (t.left) }
                    th scope="col" { (t.expires) }
                } }
                tbody {
                    @for lot in left {
                        tr {
                            th scope="row" { (kind(t, lot.kind)) }
                            td.number { (dollars(lot.granted)) }
                            td.number { (dollars(lot.rest)) }
                            td.tight {
                                @match lot.expires_ms {
                                    Some(end) => { (moment(end)) }
                                    None => { span.soft { (t.never) } }
                                }
                            }
                        }
                    }
                    @if lots.owed() > MicroUsd::ZERO {
                        tr {
                            th scope="row" { (t.owed) }
                            td {}
                            td.number { (dollars(lots.owed().negated())) }
                            td {}
                        }
                    }
                }
            }
        }
    }
}

fn kind(t: &Account, kind: LotKind) -> &'static str {
    match kind {
        LotKind::Grant => t.lot_grant,
        LotKind::Paid => t.lot_bought,
        LotKind::Bonus => t.lot_bonus,
    }
}

fn form(
    (look, again): (&Look, &Again),
    who: &Customer,
    payments: &Payments,
    seller: &Stripe,
) -> Markup {
    let t = Landing::of(look.language);
    html! {
        form method="post" action=(PLACE) {
            input type="hidden" name="token" value=(super::token(who));
            (plans((look, again), payments, seller))
            (again.told(look, BUYING))
            div.card.buy { div.line {
                (currencies((look, again)))
                label.choice {
                    input type="checkbox" name="save_card" value="yes"
                        checked[again.chose(BUYING, "save_card", "yes")];
                    " " (Recharge::of(look.language).save_card)
                }
                button type="submit" { (t.buy) }
            } }
        }
    }
}

fn coupon((look, again): (&Look, &Again), who: &Customer) -> Markup {
    let t = Account::of(look.language);
    html! {
        h2 { (t.coupon) }
        (again.told(look, REDEEMING))
        form.card.line method="post" action="/account/coupon" {
            input type="hidden" name="token" value=(super::token(who));
            (once())
            div.field {
                label for="code" { (t.code_label) }
                input.mono #code name="code" required maxlength="64" autocomplete="off"
                    value=[again.typed(REDEEMING, "code")];
            }
            button type="submit" { (t.redeem) }
        }
    }
}

fn bought(look: &Look, events: &[EventV1], returns: &[EventV1]) -> Markup {
    let t = Account::of(look.language);
    let bought: Vec<_> = events
        .iter()
        .rev()
        .filter_map(|event| match &event.fact {
            Fact::TopUp(top_up) => Some((event, top_up)),
            _ => None,
        })
        .collect();
    if bought.is_empty() {
        return html! { p.empty { (t.no_purchases) } };
    }
    let plan = |top_up: &TopUp| -> String {
        let named = top_up.plan.as_deref().map(|plan| names::plan(look.language, plan));
        named.unwrap_or(t.own_amount).to_owned()
    };
    html! {
        div.scroll tabindex="0" role="region" aria-labelledby="purchases" {
            table {
                thead { tr {
                    th scope="col" { (t.when) }
                    th scope="col" { (t.plan) }
                    th.number scope="col" { (t.paid) }
                    th.number scope="col" { (t.credit) }
                    th.number scope="col" { (t.lot_bonus) }
                    th.number scope="col" { (t.refunded) }
                    th scope="col" { (t.paper) }
                } }
                tbody { @for (event, top_up) in bought {
                    tr {
                        td.tight { (moment(event.at_ms)) }
                        th scope="row" { (plan(top_up)) }
                        td.number { (top_up.paid) }
                        td.number { (dollars(event.amount)) }
                        td.number { (dollars(purchases::bonus_of(&top_up.payment, events))) }
                        td.number {
                            @let back =
                                purchases::returned_of(&top_up.payment, top_up.paid, returns);
                            @if back.minor > 0 { (back) } @else { "–" }
                        }
                        td.tight {
                            a href=(format!("/account/purchases/{}/receipt", top_up.payment)) {
                                (t.print)
                            }
                        }
                    }
                } }
            }
        }
    }
}

/// The months in which something happened, and the present one.
fn months(snapshots: &[Snapshot], history: &History) -> Markup {
    let mut months: BTreeSet<String> = snapshots.iter().map(|s| s.month.clone()).collect();
    months.extend(snapshots.iter().map(|s| Month::of(s.latest_ms)));
    months.extend(history.events().map(|event| Month::of(event.at_ms)));
    months.insert(Month::of(clock::unix_ms()));
    html! {
        p.actions {
            @for month in months.iter().rev() {
                a.button.second.small href=(format!("/account/statements/{month}")) { (month) }
            }
        }
    }
}

/// Goes to Stripe's page.
pub(super) async fn buy(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    headers: HeaderMap,
    Sent { who, fields }: Sent<Customer>,
) -> Response {
    let wanted = json!({
        "plan": fields.given("plan"),
        "currency": fields.text("currency"),
        "save_card": fields.given("save_card").is_some(),
    });
    let headers = who.headers(&headers);
    // He has a key: nobody counts where he comes from.
    let opened = to_stripe(&gateway, &look, (&headers, ""), &wanted).await;
    match opened {
        Ok(page) => page,
        Err(problem) => {
            let again = Again::because(BUYING, fields, problem);
            shown(&gateway, &look, &who, (html! {}, &again)).await
        }
    }
}

/// Makes a code credit.
pub(super) async fn redeem(
    state: State<Arc<Gateway>>,
    look: Look,
    headers: HeaderMap,
    sent: Sent<Customer>,
) -> Response {
    let gateway = Arc::clone(&state);
    if !sent.is_first(&gateway).await {
        return Redirect::to("/account/credit?told=before").into_response();
    }
    let body = Body::from(json!({"code": sent.fields.text("code")}).to_string());
    let own = Query(UsageQuery { key_id: None, account: None });
    let redeemed = coupons::redeem(state, own, sent.who.headers(&headers), body).await;
    let Err(error) = redeemed else {
        return Redirect::to("/account/credit?told=redeemed").into_response();
    };
    sent.undo(&gateway).await;
    let again = Again::because(REDEEMING, sent.fields, error.problem().clone());
    shown(&gateway, &look, &sent.who, (html! {}, &again)).await
}

/// A purchase's receipt, to print.
pub(super) async fn receipt(
    state: State<Arc<Gateway>>,
    path: Path<String>,
    look: Look,
    who: Customer,
    headers: HeaderMap,
) -> Response {
    let query = Query(UsageQuery { key_id: None, account: None });
    let page = purchases::receipt(state, path, query, with_choice(&who, &headers)).await;
    page.unwrap_or_else(|error| told(&look, error.problem())).into_response()
}

/// A month's statement, to print.
pub(super) async fn statement(
    state: State<Arc<Gateway>>,
    path: Path<String>,
    look: Look,
    who: Customer,
    headers: HeaderMap,
) -> Response {
    let query = Query(UsageQuery { key_id: None, account: None });
    let page = purchases::statement(state, path, query, with_choice(&who, &headers)).await;
    page.unwrap_or_else(|error| told(&look, error.problem())).into_response()
}

/// The customer's headers, with the language and colours that the reader chose.
fn with_choice(who: &Customer, headers: &HeaderMap) -> HeaderMap {
    let mut authorized = who.headers(headers);
    for cookie in headers.get_all(axum::http::header::COOKIE) {
        authorized.append(axum::http::header::COOKIE, cookie.clone());
    }
    authorized
}
