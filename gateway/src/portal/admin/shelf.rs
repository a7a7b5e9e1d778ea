//! What lies there to be looked at: models with their prices, Stripe's events, and what the
//! operator did.

use super::super::guard::Operator;
use super::super::landing::price;
use super::super::look::{Look, grouped, moment};
use super::super::texts::{Admin, names};
use super::{away, room};
use crate::state::Gateway;
use axum::extract::State;
use axum::response::Response;
use infra::store::notices::NoticeOutcome;
use maud::{Markup, html};
use std::sync::Arc;

/// Models and prices in force.
pub(super) async fn models(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    who: Operator,
) -> Response {
    let t = Admin::of(look.language);
    room(
        &look,
        &who,
        ("/admin/models", t.models),
        html! {
            div.scroll tabindex="0" role="region" aria-label=(t.models) { table {
                thead { tr {
                    th scope="col" { (t.model) }
                    th scope="col" { (t.vendor) }
                    th scope="col" { (t.pool) }
                    th.number scope="col" { (t.context) }
                    th.number scope="col" { (t.input) }
                    th.number scope="col" { (t.cached) }
                    th.number scope="col" { (t.output) }
                    th scope="col" { (t.state) }
                    th scope="col" { (t.fallbacks) }
                } }
                tbody { @for model in gateway.config.models.iter() { tr {
                    th scope="row" {
                        (model.name)
                        @for alias in &model.aliases { " " span.badge { (alias) } }
                    }
                    td { (model.provider()) }
                    td { (model.pool) }
                    td.number { (grouped(model.context)) }
                    td.number { (price(model.price.input)) }
                    td.number { (price(model.price.cached_input)) }
                    td.number { (price(model.price.output)) }
                    td {
                        @if gateway.fleet.offers(&model.name) { span.badge.good { (t.offered) } }
                        @else { span.badge { (t.not_offered) } }
                    }
                    td {
                        @for next in gateway.config.fallbacks_of(&model.name) {
                            span.badge { (next) } " "
                        }
                    }
                } } }
            } }
        },
    )
}

/// What Stripe told.
pub(super) async fn payments(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    who: Operator,
) -> Response {
    let t = Admin::of(look.language);
    let rows = match gateway.store.notices().await {
        Ok(rows) => rows,
        Err(error) => return away(&look, &error),
    };
    room(
        &look,
        &who,
        ("/admin/payments", t.payments),
        html! {
            p.soft { (t.payments_text) }
            h2 #events { (t.last_events) }
            @if rows.is_empty() { p.empty { (t.no_events) } } @else {
                div.scroll tabindex="0" role="region" aria-labelledby="events" { table {
                    thead { tr {
                        th scope="col" { (t.when) }
                        th scope="col" { (t.kind) }
                        th scope="col" { (t.outcome) }
                        th scope="col" { (t.object) }
                        th scope="col" { (t.event) }
                    } }
                    tbody { @for row in &rows { tr {
                        td.tight { (moment(row.at_ms)) }
                        th scope="row" { code { (row.kind) } }
                        td {
                            (outcome(t, row.outcome))
                            @if let Some(reason) = &row.reason { " " small { (reason) } }
                        }
                        td { code { (row.object.as_deref().unwrap_or("–")) } }
                        td { code { (row.event) } }
                    } } }
                } }
            }
            (counted(t, gateway.metrics.stripe_events()))
        },
    )
}

fn outcome(t: &Admin, outcome: NoticeOutcome) -> Markup {
    let (class, told) = match outcome {
        NoticeOutcome::Done => ("badge good", t.outcome_done),
        NoticeOutcome::PassedOver => ("badge bad", t.outcome_passed_over),
        NoticeOutcome::Again => ("badge bad", t.outcome_again),
    };
    html! { span class=(class) { (told) } }
}

/// What this gateway counted since it started.
fn counted(t: &Admin, events: Vec<(String, String, u64)>) -> Markup {
    html! {
        @if !events.is_empty() {
            h2 #counts { (t.counts) }
            div.scroll tabindex="0" role="region" aria-labelledby="counts" { table {
                thead { tr {
                    th scope="col" { (t.object) }
                    th scope="col" { (t.outcome) }
                    th.number scope="col" { (t.count) }
                } }
                tbody { @for (object, outcome, count) in events { tr {
                    th scope="row" { (object) }
                    td { (outcome) }
                    td.number { (grouped(count)) }
                } } }
            } }
        }
    }
}

/// What the operator did.
pub(super) async fn audit(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    who: Operator,
) -> Response {
    let t = Admin::of(look.language);
    let rows = match gateway.store.audits().await {
        Ok(rows) => rows,
        Err(error) => return away(&look, &error),
    };
    room(
        &look,
        &who,
        ("/admin/audit", t.audit),
        html! {
            p.soft { (t.audit_text) }
            @if rows.is_empty() { p.empty { (t.no_audit) } } @else {
                div.scroll { table {
                    thead { tr { th scope="col" { (t.when) } th scope="col" { (t.done) } } }
                    tbody { @for row in rows { tr {
                        td.tight { (moment(row.at_ms)) }
                        td { (names::deed(look.language, &row.done)) }
                    } } }
                } }
            }
        },
    )
}
