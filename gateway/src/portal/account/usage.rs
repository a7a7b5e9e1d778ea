//! Usage by day, model and key: as a picture, and the same numbers as tables.

use super::super::asked::Query;
use super::super::chart::{self, Bar, Measure, SERIES_MAX};
use super::super::guard::Customer;
use super::super::look::{Look, dollars, grouped};
use super::super::texts::{Account, Common};
use super::{away, room};
use crate::api::asked;
use crate::api::usage::UsageQuery;
use crate::api::usage_csv;
use crate::state::Gateway;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use infra::clock;
use infra::store::balances::UsageRow;
use maud::{Markup, html};
use schemas::ids::KeyId;
use schemas::money::MicroUsd;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Days that can be shown.
const SPANS: [u64; 3] = [7, 30, 90];

/// Days of the overview.
const DAYS: u64 = 30;

/// Milliseconds of a day.
const DAY_MS: u64 = 24 * 3_600_000;

const PLACE: &str = "/account/usage";

/// What of the usage is looked at, as the page's address says it.
#[derive(Deserialize)]
pub(super) struct Wanted {
    days: Option<String>,
    by: Option<String>,
    of: Option<String>,
}

/// The same, checked: whatever is unknown is the first choice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    days: u64,
    by_key: bool,
    of: &'static str,
}

impl View {
    /// Costs by model.
    pub(super) const FIRST: Self = Self { days: DAYS, by_key: false, of: "cost" };

    fn of(wanted: &Wanted) -> Self {
        let days = wanted.days.as_deref().and_then(|days| days.parse().ok());
        let of = ["cost", "requests", "tokens"].into_iter();
        Self {
            days: days.filter(|days| SPANS.contains(days)).unwrap_or(DAYS),
            by_key: wanted.by.as_deref() == Some("key"),
            of: of.into_iter().find(|of| wanted.of.as_deref() == Some(*of)).unwrap_or("cost"),
        }
    }

    fn path(self) -> String {
        let by = if self.by_key { "key" } else { "model" };
        format!("{PLACE}?days={}&by={by}&of={}", self.days, self.of)
    }

    fn measure(self) -> Measure {
        if self.of == "cost" { Measure::Money } else { Measure::Count }
    }

    fn counted(self, row: &UsageRow) -> u64 {
        match self.of {
            "tokens" => TOKENS.iter().map(|name| count(row, name)).sum(),
            of => count(row, of),
        }
    }

    fn title(self, t: &Account) -> String {
        let of = match self.of {
            "cost" => t.cost_usd,
            "requests" => t.requests,
            _ => t.tokens,
        };
        let (before, after) = t.by_day_of.split_once('*').unwrap_or_default();
        format!("{before}{of}{after}")
    }
}

/// All kinds of tokens.
const TOKENS: [&str; 5] = ["input", "cache_read", "cache_write", "output", "reasoning"];

/// What the last days used.
pub(super) struct Days<'a> {
    rows: Vec<&'a UsageRow>,
    days: Vec<String>,
}

/// Sums of some rows.
#[derive(Default, Clone, Copy)]
struct Sum {
    requests: u64,
    input: u64,
    output: u64,
    cost: u64,
}

impl Sum {
    fn add(&mut self, row: &UsageRow) {
        let of = |names: &[&str]| names.iter().map(|name| count(row, name)).sum::<u64>();
        self.requests += of(&["requests"]);
        self.input += of(&["input", "cache_read", "cache_write"]);
        self.output += of(&["output", "reasoning"]);
        self.cost += of(&["cost"]);
    }
}

fn count(row: &UsageRow, counter: &str) -> u64 {
    row.counters.get(counter).copied().unwrap_or(0)
}

impl<'a> Days<'a> {
    /// The last ones, today included.
    pub(super) fn of(rows: &'a [UsageRow], view: View) -> Self {
        let now = clock::unix_ms();
        let days: Vec<String> = (0..view.days)
            .rev()
            .map(|ago| clock::day_of(now.saturating_sub(ago * DAY_MS)))
            .collect();
        let rows = rows.iter().filter(|row| days.contains(&row.day)).collect();
        Self { rows, days }
    }

    fn total(&self, counter: &str) -> u64 {
        self.rows.iter().map(|row| count(row, counter)).sum()
    }

    pub(super) fn cost(&self) -> MicroUsd {
        MicroUsd(i64::try_from(self.total("cost")).unwrap_or(i64::MAX))
    }

    pub(super) fn requests(&self) -> u64 {
        self.total("requests")
    }

    pub(super) fn cache_hits(&self) -> u64 {
        self.total("cache_hits")
    }

    /// The series of a chart, the largest first.
    fn series(&self, view: View, of: &dyn Fn(&UsageRow) -> String) -> Vec<String> {
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        for row in &self.rows {
            *sums.entry(of(row)).or_default() += view.counted(row);
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
        sums.into_iter().map(|(name, _)| name).collect()
    }

    /// Sums by what rows have in common, the dearest first.
    fn by(&self, name: impl Fn(&UsageRow) -> &str) -> Vec<(String, Sum)> {
        let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
        for row in &self.rows {
            sums.entry(name(row).to_owned()).or_default().add(row);
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by_key(|(_, sum)| std::cmp::Reverse((sum.cost, sum.requests)));
        sums
    }
}

/// Each day by model or key, and the same as a table; `named` tells what a key is called.
pub(super) fn chart(
    look: &Look,
    days: &Days<'_>,
    view: View,
    named: &dyn Fn(&str) -> String,
) -> Markup {
    let t = Account::of(look.language);
    let series = |row: &UsageRow| if view.by_key { named(&row.key) } else { row.model.clone() };
    let models = days.series(view, &series);
    if models.is_empty() {
        return html! {
            div.empty {
                p { (t.no_usage) }
                p { a.button href="/account/playground" { (t.to_playground) } }
            }
        };
    }
    let own = if models.len() > SERIES_MAX { SERIES_MAX - 1 } else { models.len() };
    let mut names: Vec<String> = models.iter().take(own).cloned().collect();
    if own < models.len() {
        names.push(t.others.to_owned());
    }
    let part = |day: &String| bar(days, view, (day, &models, own), &series);
    let bars: Vec<Bar> = days.days.iter().map(part).collect();
    let (title, measure) = (view.title(t), view.measure());
    html! {
        (chart::bars(&title, &names, &bars, measure))
        details {
            summary { (Common::of(look.language).as_table) }
            div.scroll tabindex="0" role="region" aria-label=(title) {
                table {
                    thead { tr {
                        th scope="col" { (t.day) }
                        @for name in &names { th.number scope="col" { (name) } }
                    } }
                    tbody {
                        @let is_busy = |bar: &&Bar| bar.parts.iter().any(|part| *part > 0);
                        @for bar in bars.iter().rev().filter(is_busy) {
                            tr {
                                th scope="row" { (bar.day) }
                                @for part in &bar.parts { td.number { (measure.told(*part)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn bar(
    days: &Days<'_>,
    view: View,
    (day, all, own): (&str, &[String], usize),
    series: &dyn Fn(&UsageRow) -> String,
) -> Bar {
    let mut parts = vec![0; own + usize::from(own < all.len())];
    for row in days.rows.iter().filter(|row| row.day == day) {
        let name = series(row);
        let place = all.iter().position(|known| *known == name).unwrap_or(own).min(own);
        if let Some(part) = parts.get_mut(place) {
            *part += view.counted(row);
        }
    }
    Bar { day: day.to_owned(), parts }
}

fn cost(micro: u64) -> String {
    dollars(MicroUsd(i64::try_from(micro).unwrap_or(i64::MAX)))
}

/// What a key is called.
pub(super) fn key_name(gateway: &Gateway, t: &Account, id: &str) -> String {
    let key = KeyId::parse(id).ok().and_then(|key| gateway.keys.get(&key));
    key.map_or_else(|| t.deleted_key.to_owned(), |key| key.name.clone())
}

/// Shows it.
pub(super) async fn show(
    State(gateway): State<Arc<Gateway>>,
    Query(wanted): Query<Wanted>,
    look: Look,
    who: Customer,
) -> Response {
    let t = Account::of(look.language);
    let view = View::of(&wanted);
    let rows = match gateway.store.usage(&who.key.account).await {
        Ok(rows) => rows,
        Err(error) => return away(&look, &error),
    };
    let days = Days::of(&rows, view);
    let named = |id: &str| key_name(&gateway, t, id);
    let by_key: Vec<(String, Sum)> =
        days.by(|row| &row.key).into_iter().map(|(id, sum)| (named(&id), sum)).collect();
    room(
        &look,
        &who,
        (PLACE, t.usage),
        html! {
            (switches(t, view))
            h2 { (view.title(t)) }
            (chart(&look, &days, view, &named))
            @if !days.rows.is_empty() {
                h2 #by-model { (t.by_model) }
                (table(t, (t.model, "by-model"), &days.by(|row| &row.model)))
                h2 #by-key { (t.by_key) }
                (table(t, (t.key, "by-key"), &by_key))
                p { a.button.second href="/account/usage.csv" download { (t.csv) } }
            }
        },
    )
}

/// What else can be looked at: plain links, so that each view has an address.
fn switches(t: &Account, view: View) -> Markup {
    let link = |to: View, name: &str| {
        let is_here = (to == view).then_some("true");
        html! { a href=(to.path()) aria-current=[is_here] { (name) } }
    };
    html! {
        div.switches {
            nav aria-label=(t.span) {
                @for days in SPANS { (link(View { days, ..view }, &format!("{days}{}", t.days))) }
            }
            nav aria-label=(t.measure) {
                (link(View { of: "cost", ..view }, t.cost))
                (link(View { of: "requests", ..view }, t.requests))
                (link(View { of: "tokens", ..view }, t.tokens))
            }
            nav aria-label=(t.split) {
                (link(View { by_key: false, ..view }, t.by_model))
                (link(View { by_key: true, ..view }, t.by_key))
            }
        }
    }
}

fn table(t: &Account, (first, label): (&str, &str), sums: &[(String, Sum)]) -> Markup {
    let whole = sums.iter().map(|(_, sum)| sum.cost).sum();
    html! {
        div.scroll tabindex="0" role="region" aria-labelledby=(label) {
            table {
                thead { tr {
                    th scope="col" { (first) }
                    th.number scope="col" { (t.count) }
                    th.number scope="col" { (t.tokens_in) }
                    th.number scope="col" { (t.tokens_out) }
                    th.number scope="col" { (t.cost) }
                    td aria-hidden="true" {}
                } }
                tbody {
                    @for (name, sum) in sums {
                        tr {
                            th scope="row" { (name) }
                            td.number { (grouped(sum.requests)) }
                            td.number { (grouped(sum.input)) }
                            td.number { (grouped(sum.output)) }
                            td.number { (cost(sum.cost)) }
                            td { (chart::meter(sum.cost, whole)) }
                        }
                    }
                }
            }
        }
    }
}

/// All rows, for a spreadsheet.
pub(super) async fn csv(state: State<Arc<Gateway>>, who: Customer, headers: HeaderMap) -> Response {
    let query = UsageQuery { key_id: None, account: None };
    usage_csv::usage(state, asked::Query(query), who.headers(&headers)).await.into_response()
}
