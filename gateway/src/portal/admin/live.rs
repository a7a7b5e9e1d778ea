//! What happens now: pools, workers, models, requests under way. The page and the events that keep
//! it fresh are made by one template.

use super::super::asked::Query;
use super::super::chart;
use super::super::guard::{Operator, Sent};
use super::super::look::{Look, dollars, grouped};
use super::super::texts::Admin;
use super::{audit, away, room, token};
use crate::breaker::BreakerState;
use crate::dismissal::{Dismissed, dismiss};
use crate::state::Gateway;
use axum::extract::State;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Redirect, Response};
use infra::config::Model;
use infra::metrics::{Ends, Quantiles};
use maud::{Markup, html};
use schemas::advert::AdvertV1;
use schemas::ids::{RequestId, WorkerId};
use schemas::money::MicroUsd;
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two events.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// Requests under way that are shown.
const RUNNING_SHOWN_MAX: usize = 50;

/// Models of a worker that are shown.
const MODELS_SHOWN_MAX: usize = 5;

/// An error rate above one in so many stands out.
const ERROR_SHARE_SHOWN: u64 = 20;

#[derive(Deserialize)]
pub(super) struct Told {
    told: Option<String>,
}

/// Shows it.
pub(super) async fn show(
    State(gateway): State<Arc<Gateway>>,
    Query(told): Query<Told>,
    look: Look,
    who: Operator,
) -> Response {
    let t = Admin::of(look.language);
    let told = match told.told.as_deref() {
        Some("cut") => Some(t.cancelled),
        Some("gone") => Some(t.not_running),
        Some("drains") => Some(t.drains),
        Some("left") => Some(t.worker_left),
        Some("silent") => Some(t.worker_silent),
        _ => None,
    };
    room(
        &look,
        &who,
        ("/admin", t.live),
        html! {
            @if let Some(told) = told { p.note role="status" { (told) } }
            div #live data-live="/admin/live" { (view(&gateway, t, &who)) }
        },
    )
}

/// Sends the same part of the page again and again, until the reader or the gateway leaves.
pub(super) async fn follow(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    who: Operator,
) -> Response {
    let t = Admin::of(look.language);
    let stop = gateway.leaving.clone();
    let ticks = tokio::time::interval(REFRESH_INTERVAL);
    let events =
        futures::stream::unfold((gateway, who, ticks), move |(gateway, who, mut ticks)| {
            let stop = stop.clone();
            async move {
                tokio::select! {
                    () = stop.cancelled() => return None,
                    _ = ticks.tick() => {}
                }
                let view = view(&gateway, t, &who).into_string();
                let event = Ok::<_, Infallible>(Event::default().event("view").data(view));
                Some((event, (gateway, who, ticks)))
            }
        });
    Sse::new(events).into_response()
}

fn view(gateway: &Gateway, t: &Admin, who: &Operator) -> Markup {
    let metrics = &gateway.metrics;
    let ends = metrics.answered();
    html! {
        dl.figures {
            div.figure {
                dt { (t.running) }
                dd #running { (metrics.requests_running.with_label_values::<&str>(&[]).get()) }
            }
            div.figure {
                dt { (t.answered) }
                dd #answered { (grouped(ends.well)) }
                dd { small { (t.since_start) } }
            }
            div.figure {
                dt { (t.failed) }
                dd #failed { (grouped(ends.failed)) }
                dd { small { (percent(ends.failed, ends.well + ends.failed)) } }
            }
            div.figure {
                dt { (t.refused) }
                dd #refused { (grouped(ends.refused)) }
                dd { small { (t.refused_hint) } }
            }
            div.figure {
                dt { (t.charged) }
                dd { (dollars(MicroUsd(i64::try_from(metrics.charged()).unwrap_or(i64::MAX)))) }
                dd { small { (t.since_start) } }
            }
        }
        h2 { (t.pools) }
        (pools(gateway, t))
        h2 #workers { (t.workers) }
        (workers(gateway, t, who))
        h2 { (t.models) }
        (models(gateway, t))
        (running(gateway, t, who))
    }
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", part as f64 * 100.0 / whole.max(1) as f64)
}

fn pools(gateway: &Gateway, t: &Admin) -> Markup {
    html! {
        div.scroll { table {
            thead { tr {
                th scope="col" { (t.pool) }
                th.number scope="col" { (t.workers) }
                th.number scope="col" { (t.slots) }
                th.number scope="col" { (t.free) }
                th.number scope="col" { (t.line) }
                th.number scope="col" { (t.queued) }
            } }
            tbody { @for pool in gateway.config.models.pools() {
                @let (workers, slots, free) = gateway.fleet.pool(&pool);
                tr {
                    th scope="row" { (pool) }
                    td.number { (workers) }
                    td.number { (slots) }
                    td.number {
                        (free)
                        (chart::meter(u64::from(slots - free.min(slots)), u64::from(slots)))
                    }
                    td.number { (gateway.line.len(&pool)) }
                    td.number {
                        (gateway.metrics.queue_pending.with_label_values(&[&pool]).get())
                    }
                }
            } }
        } }
    }
}

fn workers(gateway: &Gateway, t: &Admin, who: &Operator) -> Markup {
    let workers = gateway.fleet.workers();
    if workers.is_empty() {
        return html! { p.empty { (t.no_workers) } };
    }
    let state = |advert: &AdvertV1, connected: bool| match (connected, advert.draining) {
        (false, _) => html! { span.badge.bad { (t.lost) } },
        (true, true) => html! { span.badge { (t.draining) } },
        (true, false) => html! { span.badge.good { (t.serving) } },
    };
    html! {
        div.scroll { table {
            thead { tr {
                th scope="col" { (t.worker) }
                th scope="col" { (t.pool) }
                th.number scope="col" { (t.free) }
                th scope="col" { (t.models) }
                th scope="col" { (t.state) }
                th scope="col" { (t.version) }
                td aria-hidden="true" {}
            } }
            tbody { @for (advert, connected) in &workers { tr {
                td { code.cut title=(advert.worker) { (advert.worker) } }
                td { (advert.pool) }
                td.number { (advert.slots_free) " / " (advert.slots) }
                td.badges { (some_models(&advert.models)) }
                td { (state(advert, *connected)) }
                td { (advert.version) }
                td.number {
                    @if !advert.draining {
                        form method="post" action="/admin/drain" {
                            (token(who))
                            input type="hidden" name="worker" value=(advert.worker);
                            button.danger.small type="submit" title=(t.drain_hint)
                                data-keep=(format!("drain-{}-{}", advert.pool, advert.worker)) {
                                (t.drain)
                            }
                        }
                    }
                }
            } } }
        } }
    }
}

/// The first ones, and how many there are beside them.
fn some_models(models: &[String]) -> Markup {
    let (shown, rest) = models.split_at(models.len().min(MODELS_SHOWN_MAX));
    html! {
        @for model in shown { span.badge { (model) } " " }
        @if !rest.is_empty() { span.badge title=(rest.join(", ")) { "+" (rest.len()) } }
    }
}

fn models(gateway: &Gateway, t: &Admin) -> Markup {
    let metrics = &gateway.metrics;
    let now = Instant::now();
    html! {
        div.scroll { table {
            thead { tr {
                th scope="col" { (t.model) }
                th.number scope="col" { (t.answered) }
                th.number scope="col" { (t.error_rate) }
                th.number scope="col" { (t.first_token) " " (t.p50) }
                th.number scope="col" { (t.p99) }
                th.number scope="col" { (t.whole_answer) " " (t.p50) }
                th.number scope="col" { (t.p99) }
                th scope="col" { (t.breaker) }
            } }
            tbody { @for model in gateway.config.models.iter() {
                @let name = model.name.as_str();
                @let Ends { well, failed, .. } = metrics.answered_by(name);
                tr {
                    th scope="row" { (name) }
                    td.number { (grouped(well)) }
                    td.number {
                        @if failed * ERROR_SHARE_SHOWN > well + failed {
                            span.badge.bad { (percent(failed, well + failed)) }
                        } @else { (percent(failed, well + failed)) }
                    }
                    (times(&metrics.first_token_times(name)))
                    (times(&metrics.request_times(name)))
                    td { (standing(gateway, t, (model, now))) }
                }
            } }
        } }
    }
}

fn times(of: &Quantiles) -> Markup {
    let shown = |seconds: Option<f64>| match seconds {
        None => "–".to_owned(),
        Some(seconds) if seconds < 1.0 => format!("{:.0} ms", seconds * 1_000.0),
        Some(seconds) => format!("{seconds:.1} s"),
    };
    html! { td.number { (shown(of.p50)) } td.number { (shown(of.p99)) } }
}

fn standing(gateway: &Gateway, t: &Admin, (model, now): (&Model, Instant)) -> Markup {
    match gateway.breakers.standing(&model.name, now) {
        BreakerState::Closed => html! { span.badge.good { (t.closed) } },
        BreakerState::HalfOpen => html! { span.badge { (t.half_open) } },
        BreakerState::Open => html! { span.badge.bad { (t.open) } },
    }
}

fn running(gateway: &Gateway, t: &Admin, who: &Operator) -> Markup {
    let mut holds = gateway.exchange.open_holds();
    holds.sort_by(|a, b| a.request.as_str().cmp(b.request.as_str()));
    html! {
        @if !holds.is_empty() {
            h2 { (t.in_flight) }
            div.scroll { table {
                thead { tr {
                    th scope="col" { (t.request_id) }
                    th scope="col" { (t.account) }
                    th.number scope="col" { (t.held) }
                    td aria-hidden="true" {}
                } }
                tbody { @for hold in holds.iter().take(RUNNING_SHOWN_MAX) { tr {
                    td { code { (hold.request) } }
                    td { a href=(format!("/admin/accounts/{}", hold.account)) { (hold.account) } }
                    td.number { (held(&hold.amount)) }
                    td.number {
                        form method="post" action="/admin/cancel" {
                            (token(who))
                            input type="hidden" name="request" value=(hold.request);
                            button.danger.small type="submit"
                                data-keep=(format!("cancel-{}", hold.request)) { (t.cancel) }
                        }
                    }
                } } }
            } }
        }
    }
}

/// Micro-USD as Redis has them.
fn held(amount: &str) -> String {
    amount.parse().map_or_else(|_| amount.to_owned(), |micro| dollars(MicroUsd(micro)))
}

/// Ends a request: its client gets an error, what was produced is charged.
pub(super) async fn cancel(
    State(gateway): State<Arc<Gateway>>,
    Sent { fields, .. }: Sent<Operator>,
) -> Response {
    let request = RequestId::parse(fields.text("request"));
    let cut = match &request {
        Ok(request) => {
            audit(&gateway, format!("cancel {request}")).await;
            gateway.exchange.cut(request)
        }
        Err(_) => false,
    };
    Redirect::to(if cut { "/admin?told=cut" } else { "/admin?told=gone" }).into_response()
}

/// Takes a worker out of service.
pub(super) async fn drain(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    Sent { fields, .. }: Sent<Operator>,
) -> Response {
    let dismissed = match WorkerId::parse(fields.text("worker")) {
        Ok(worker) => dismiss(&gateway, &worker).await,
        Err(_) => Ok(Dismissed::Unknown),
    };
    match dismissed {
        Ok(Dismissed::Drains) => Redirect::to("/admin?told=drains").into_response(),
        Ok(Dismissed::Unknown) => Redirect::to("/admin?told=left").into_response(),
        Ok(Dismissed::Silent) => Redirect::to("/admin?told=silent").into_response(),
        Err(error) => away(&look, &error),
    }
}
