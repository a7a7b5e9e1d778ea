//! Auto-recharge on the page of credit: how it stands, the form that wishes it, the one that ends
//! it. Without a card the way to one is buying once; nothing here charges anything.

use super::super::Language;
use super::super::again::{Again, read};
use super::super::guard::{Customer, Sent};
use super::super::landing::told;
use super::super::look::{Look, dollars, moment};
use super::super::texts::{Landing, Recharge};
use super::credit::shown;
use super::token;
use crate::api::recharge as api;
use crate::state::Gateway;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use infra::clock;
use maud::{Markup, html};
use schemas::money::{Currency, MicroUsd, Money};
use schemas::recharge::{RechargeRecordV1, RechargeStanding, RechargeStop};
use serde_json::{Value, json};
use std::sync::Arc;

const BACK: &str = "/account/credit#recharge";

/// The form that wishes it.
const WISHING: &str = "recharge";

/// How it stands, and its forms.
pub(super) fn section(
    gateway: &Gateway,
    (look, again): (&Look, &Again),
    who: &Customer,
    record: &RechargeRecordV1,
) -> Markup {
    let t = Recharge::of(look.language);
    let standing = record.standing(gateway.store.month_end_seconds(clock::unix_ms()));
    html! {
        h2 #recharge { (t.title) }
        (state(t, record, standing))
        @if record.card.is_some() { p.soft { (t.other_card) } }
        @if who.may_manage() {
            (again.told(look, WISHING))
            (form((look, again), who, record))
            @if record.wish.is_some() || record.card.is_some() {
                form.after method="post" action="/account/recharge/end" {
                    input type="hidden" name="token" value=(token(who));
                    button.second type="submit" {
                        (if record.card.is_some() { t.end_with_card } else { t.end })
                    }
                }
            }
        } @else {
            p.note { (t.may_not) }
        }
    }
}

fn state(t: &Recharge, record: &RechargeRecordV1, standing: RechargeStanding) -> Markup {
    let told = match standing {
        RechargeStanding::Off => t.off,
        RechargeStanding::NoCard => t.no_card,
        RechargeStanding::Stopped => match record.stopped.as_ref().map(|stop| &*stop.reason) {
            Some(RechargeStop::RETURNED) => t.stopped_returned,
            Some(RechargeStop::EXPIRED) => t.stopped_expired,
            Some(RechargeStop::NOT_SOLD) => t.stopped_not_sold,
            _ => t.stopped,
        },
        RechargeStanding::Charging => t.charging,
        RechargeStanding::MonthFull => t.month_full,
        RechargeStanding::On => t.on,
    };
    html! {
        @if let Some(stop) = &record.stopped {
            p.warning #recharge-state role="alert" {
                (told) " " span.soft { (moment(stop.at_ms)) " " code { (stop.reason) } }
            }
        } @else {
            p.note #recharge-state { (told) }
        }
    }
}

fn form((look, again): (&Look, &Again), who: &Customer, record: &RechargeRecordV1) -> Markup {
    let (t, landing) = (Recharge::of(look.language), Landing::of(look.language));
    let wish = record.wish.as_ref();
    let chosen = wish.map_or_else(
        || match look.language {
            Language::Japanese => Currency::Jpy,
            Language::English => Currency::Usd,
        },
        |wish| wish.price.currency,
    );
    let is_chosen = |currency: Currency| match again.is(WISHING) {
        true => again.chose(WISHING, "currency", currency.as_str()),
        false => currency == chosen,
    };
    let number = |name: &str, label: &str, known: Option<String>| {
        let value = again.typed(WISHING, name).map(str::to_owned).or(known);
        html! {
            div.field {
                label for={ "recharge-" (name) } { (label) }
                input id={ "recharge-" (name) } name=(name) type="number" min="0.01" step="any"
                    inputmode="decimal" required value=[value];
            }
        }
    };
    html! {
        form.card method="post" action="/account/recharge" {
            input type="hidden" name="token" value=(token(who));
            div.fields {
                (number("below", t.below, wish.map(|wish| plain_dollars(wish.below))))
                (number("amount", t.amount, wish.map(|wish| plain(wish.price))))
                (number("month_max", t.month_max, wish.map(|wish| {
                    plain(Money { minor: wish.month_max, ..wish.price })
                })))
                div.field {
                    label for="recharge-currency" { (landing.currency) }
                    select #recharge-currency name="currency" {
                        @for (currency, name) in
                            [(Currency::Jpy, landing.yen), (Currency::Usd, landing.dollar)] {
                            option value=(currency.as_str()) selected[is_chosen(currency)] {
                                (name)
                            }
                        }
                    }
                }
            }
            p.soft { (t.told) }
            button type="submit" { (if record.stopped.is_some() { t.again } else { t.save }) }
        }
    }
}

/// An amount as a field of numbers takes it.
fn plain(money: Money) -> String {
    match money.currency {
        Currency::Jpy => money.minor.to_string(),
        Currency::Usd => format!("{}.{:02}", money.minor / 100, money.minor % 100),
    }
}

fn plain_dollars(amount: MicroUsd) -> String {
    dollars(amount).replace(['$', ','], "")
}

/// Wishes it.
pub(super) async fn wish(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    headers: HeaderMap,
    Sent { who, fields }: Sent<Customer>,
) -> Response {
    let number = |name: &str| -> Value {
        let number = serde_json::from_str::<serde_json::Number>(fields.text(name));
        number.map_or(Value::Null, Value::Number)
    };
    let wanted = json!({
        "below": number("below"),
        "amount": number("amount"),
        "month_max": number("month_max"),
        "currency": fields.text("currency"),
    });
    let wished = match read(&wanted) {
        Ok(wanted) => api::wish(&gateway, &who.headers(&headers), wanted).await,
        Err(problem) => Err(problem),
    };
    match wished {
        Ok(_) => Redirect::to(BACK).into_response(),
        Err(problem) => {
            let again = Again::because(WISHING, fields, problem);
            shown(&gateway, &look, &who, (html! {}, &again)).await
        }
    }
}

/// Ends it.
pub(super) async fn end(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    headers: HeaderMap,
    Sent { who, .. }: Sent<Customer>,
) -> Response {
    match api::forget(&gateway, &who.headers(&headers), None).await {
        Ok(_) => Redirect::to(BACK).into_response(),
        Err(problem) => told(&look, &problem),
    }
}
