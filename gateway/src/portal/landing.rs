//! The first page: what this is, a request to copy, the models that are served now with their
//! prices, and the plans; and the way to Stripe's page for somebody new.

use super::again::{Again, read};
use super::guard::Open;
use super::language::Language;
use super::look::{Look, dollars, grouped};
use super::texts::{Common, Landing, names};
use crate::api::checkout as shop;
use crate::state::Gateway;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use infra::config::{Model, PrivacyMode, Stripe};
use maud::{Markup, html};
use payments::{Offer, Payments};
use schemas::catalogue::{Capability, Tier};
use schemas::error::Problem;
use schemas::money::{Currency, MicroUsd, PicoUsdPerToken};
use serde_json::json;
use std::sync::Arc;

/// A first request; `BASE` and `HELLO` are filled in.
const SAMPLES: [(&str, &str); 3] = [
    ("curl", include_str!("assets/samples/curl.txt")),
    ("Python", include_str!("assets/samples/python.txt")),
    ("Node", include_str!("assets/samples/node.txt")),
];

/// The form of somebody new, and that of a customer.
pub(crate) const BUYING: &str = "buy";

/// Shows it.
pub(crate) async fn show(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    headers: HeaderMap,
) -> Response {
    shown(&gateway, &look, &headers, &Again::default())
}

fn shown(gateway: &Gateway, look: &Look, headers: &HeaderMap, again: &Again) -> Response {
    let t = Landing::of(look.language);
    let base = shop::public_url(gateway, headers);
    look.wide(
        t.title,
        html! {
            div.hero {
                div {
                    h1 { (t.title) }
                    p { (t.lead) }
                    div.actions {
                        @if gateway.desk.payments().is_some() {
                            a.button href="#plans" { (t.buy) }
                            a.button.second href="/account" { (t.have_key) }
                        } @else {
                            a.button href="/account" { (t.have_key) }
                        }
                    }
                }
                section.first aria-labelledby="first" {
                    h2 #first { (t.first) }
                    p { (t.first_text) }
                    (samples(look, &base))
                }
            }
            (points(t, gateway.config.privacy.mode))
            section {
                h2 #models { (t.models) }
                p { (t.models_text) }
                (models(gateway, t))
            }
            section {
                h2 #plans { (t.plans) }
                p { (t.plans_text) }
                @match gateway.desk.payments() {
                    Some(payments) => {
                        (shop_form((look, again), payments, &gateway.config.stripe))
                    }
                    None => { p.empty { (t.no_plans) } }
                }
            }
        },
    )
}

/// What is special here; masking is told only where it is done.
fn points(t: &Landing, privacy: PrivacyMode) -> Markup {
    let masks = privacy == PrivacyMode::Mask;
    let points = [
        Some((t.point_money, t.point_money_text)),
        masks.then_some((t.point_privacy, t.point_privacy_text)),
        Some((t.point_queue, t.point_queue_text)),
    ];
    html! {
        div.points {
            @for (title, text) in points.into_iter().flatten() {
                div.card { h2 { (title) } p { (text) } }
            }
        }
    }
}

/// The first request in three languages, with the visitor's own host in it.
fn samples(look: &Look, base: &str) -> Markup {
    let t = Common::of(look.language);
    let filled = |text: &str| text.trim_end().replace("BASE", base).replace("HELLO", t.hello);
    let samples = SAMPLES.map(|(name, text)| (name, filled(text)));
    html! {
        div.tabs {
            @for (place, (name, _)) in samples.iter().enumerate() {
                input type="radio" name="sample" id=(format!("tab-{name}")) checked[place == 0];
                label for=(format!("tab-{name}")) { (name) }
            }
            @for (name, text) in &samples {
                div.panel {
                    pre id=(format!("sample-{name}")) tabindex="0" { (text) }
                    button.copy.second.small type="button" data-copy=(format!("sample-{name}"))
                        data-done=(t.copied) { (t.copy) }
                }
            }
        }
    }
}

fn models(gateway: &Gateway, t: &Landing) -> Markup {
    let is_served = |model: &&Arc<Model>| gateway.fleet.offers(&model.name);
    let served: Vec<_> = gateway.config.models.iter().filter(is_served).collect();
    if served.is_empty() {
        return html! { p.empty { (t.no_models) } };
    }
    html! {
        div.scroll tabindex="0" role="region" aria-labelledby="models" {
            table {
                thead { tr {
                    th scope="col" { (t.model) }
                    th.number scope="col" { (t.context) }
                    th.number scope="col" { (t.input) }
                    th.number scope="col" { (t.cached) }
                    th.number scope="col" { (t.output) }
                } }
                tbody { @for model in served { (row(model, t)) } }
            }
        }
    }
}

fn row(model: &Model, t: &Landing) -> Markup {
    let answers = model.can(Capability::Chat);
    html! {
        tr {
            th scope="row" {
                code { (model.name) } " "
                span.badge { (tier(model.tier, t)) }
                @if model.local { " " span.badge.good { (t.local) } }
            }
            td.number { (grouped(model.context)) }
            td.number { (price(model.price.input)) }
            @if answers {
                td.number { (price(model.price.cached_input)) }
                td.number { (price(model.price.output)) }
            } @else {
                td.number { "–" }
                td.number { "–" }
            }
        }
    }
}

fn tier(tier: Tier, t: &Landing) -> &'static str {
    match tier {
        Tier::Economy => t.tier_economy,
        Tier::Standard => t.tier_standard,
        Tier::Premium => t.tier_premium,
    }
}

/// USD per million tokens: as many micro-USD as pico-USD a token.
pub(crate) fn price(price: PicoUsdPerToken) -> String {
    dollars(MicroUsd(i64::try_from(price.0).unwrap_or(i64::MAX)))
}

/// The plans to choose from, for somebody new.
fn shop_form((look, again): (&Look, &Again), payments: &Payments, seller: &Stripe) -> Markup {
    let t = Landing::of(look.language);
    html! {
        form method="post" action="/buy" {
            (plans((look, again), payments, seller))
            div.card.buy {
                (again.told(look, BUYING))
                div.line {
                    div.field {
                        label for="email" { (t.email) }
                        input #email name="email" type="email" required autocomplete="email"
                            aria-describedby="email-hint" value=[again.typed(BUYING, "email")];
                    }
                    (currencies((look, again)))
                    button type="submit" { (t.buy) }
                }
                p.soft.hint #email-hint { (t.email_hint) }
                p.soft.hint {
                    (t.has_account) " " a href="/account/credit" { (t.buy_signed_in) }
                }
            }
        }
    }
}

/// The plans, one of them chosen, and what a buyer must know before he buys.
pub(crate) fn plans(
    (look, again): (&Look, &Again),
    payments: &Payments,
    seller: &Stripe,
) -> Markup {
    let t = Landing::of(look.language);
    let chosen = again.typed(BUYING, "plan");
    let offers: Vec<(Offer, Offer)> =
        payments.offers(Currency::Usd).into_iter().zip(payments.offers(Currency::Jpy)).collect();
    html! {
        fieldset.plans {
            legend.unseen { (t.plans) }
            @for (place, (usd, jpy)) in offers.iter().enumerate() {
                @let name = usd.plan.as_deref().unwrap_or_default();
                @let (first, second) = match look.language {
                    Language::Japanese => (jpy.price, usd.price),
                    Language::English => (usd.price, jpy.price),
                };
                label.card.plan {
                    input type="radio" name="plan" value=(name)
                        checked[chosen.map_or(place == 0, |chosen| chosen == name)];
                    span { (names::plan(look.language, name)) }
                    span.price { (first) }
                    span.soft { (second) }
                    span.soft { (dollars(usd.credit)) " " (t.credit) }
                    @if usd.bonus > MicroUsd::ZERO {
                        span { span.badge.good { "+" (dollars(usd.bonus)) " " (t.bonus) } }
                    }
                }
            }
        }
        (terms(look, seller))
    }
}

/// When credit ends, and who sells it.
fn terms(look: &Look, seller: &Stripe) -> Markup {
    let t = Landing::of(look.language);
    let days = seller.credit_days;
    let (before, after) = t.credit_days.split_once('*').unwrap_or_default();
    html! {
        p.soft.terms {
            (before) (days) (after)
            @if !seller.seller_name.is_empty() { " " (t.sold_by) " " (seller.seller_name) }
            @if let Some(url) = &seller.seller_url { " · " a href=(url) { (t.terms) } }
        }
    }
}

/// Yen or dollars.
pub(crate) fn currencies((look, again): (&Look, &Again)) -> Markup {
    let t = Landing::of(look.language);
    let chosen = |currency: Currency| again.chose(BUYING, "currency", currency.as_str());
    let (first, second) = ((Currency::Jpy, t.yen), (Currency::Usd, t.dollar));
    let order = match look.language {
        Language::Japanese => [first, second],
        Language::English => [second, first],
    };
    html! {
        div.field {
            label for="currency" { (t.currency) }
            select #currency name="currency" {
                @for (currency, name) in order {
                    option value=(currency.as_str()) selected[chosen(currency)] { (name) }
                }
            }
        }
    }
}

/// Sends somebody new to Stripe's page.
pub(crate) async fn buy(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    headers: HeaderMap,
    sent: Open,
) -> Response {
    let wanted = json!({
        "plan": sent.fields.given("plan"),
        "currency": sent.fields.text("currency"),
        "email": sent.fields.given("email"),
    });
    let mut headers = headers;
    headers.remove(header::AUTHORIZATION);
    to_stripe(&gateway, &look, (&headers, &sent.place), &wanted).await.unwrap_or_else(|problem| {
        let again = Again::because(BUYING, sent.fields, problem);
        again.answer(shown(&gateway, &look, &headers, &again))
    })
}

/// Opens Stripe's page and leads there. A form may not lead to another site by itself, so this is
/// a page that goes on.
///
/// # Errors
/// When nothing is sold like that, or Stripe is away.
pub(crate) async fn to_stripe(
    gateway: &Arc<Gateway>,
    look: &Look,
    from: (&HeaderMap, &str),
    wanted: &serde_json::Value,
) -> Result<Response, Problem> {
    let t = Landing::of(look.language);
    let begun = shop::begin(gateway, from, read(wanted)?).await;
    let (_, session) = begun.map_err(|error| error.problem().clone())?;
    let Some(url) = session.url else { return Ok(look.unread()) };
    let mut page = look.page(
        StatusCode::OK,
        t.to_stripe,
        html! {
            p.soft { (t.to_stripe_text) }
            p { a.button #stripe href=(url) { (t.continue_) } }
        },
    );
    if let Ok(refresh) = HeaderValue::from_str(&format!("1; url={url}")) {
        page.headers_mut().insert(header::REFRESH, refresh);
    }
    Ok(page)
}

/// A problem of the API, as a page.
pub(crate) fn told(look: &Look, problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.code.status());
    look.problem(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), look.hint(problem))
}
