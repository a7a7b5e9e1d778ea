//! What lies there to be looked at: models with their prices, Stripe's events, the configuration
//! as it was loaded, and what the operator did.

use super::super::guard::Operator;
use super::super::landing::price;
use super::super::look::{Look, grouped, moment};
use super::super::texts::Admin;
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

/// The configuration as it was loaded; a secret prints itself as `***`.
pub(super) async fn config(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    who: Operator,
) -> Response {
    let t = Admin::of(look.language);
    room(
        &look,
        &who,
        ("/admin/config", t.config),
        html! {
            p.soft { (t.config_text) }
            @for (name, told) in sections(&format!("{:#?}", gateway.config)) {
                details.section {
                    summary { code { (name) } }
                    pre tabindex="0" { (told) }
                }
            }
        },
    )
}

/// The parts of a printed structure by their names, as they stand in it.
fn sections(printed: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in printed.lines() {
        let inner = line.strip_prefix("    ");
        let begins = inner.and_then(|inner| inner.split_once(':'));
        let name = begins
            .map(|(name, _)| name)
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
        match (name, sections.last_mut(), inner) {
            (Some(name), _, Some(inner)) => sections.push((name.to_owned(), inner.to_owned())),
            (None, Some((_, told)), Some(inner)) => told.extend(["\n", inner]),
            _ => {}
        }
    }
    sections
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
                        td { (row.done) }
                    } } }
                } }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_structure_have_its_names() {
        #[derive(Debug)]
        #[allow(dead_code, reason = "only printed")]
        struct Outer {
            first: Vec<u8>,
            last_one: Option<&'static str>,
        }
        let printed = format!("{:#?}", Outer { first: vec![1], last_one: Some("a: b") });
        let expected =
            [("first", "first: [\n    1,\n],"), ("last_one", "last_one: Some(\n    \"a: b\",\n),")];
        let expected = expected.map(|(name, told)| (name.to_owned(), told.to_owned()));
        assert_eq!(sections(&printed), expected);
    }
}
