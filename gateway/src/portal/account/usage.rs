//! Usage by day, model and key: as a picture, and the same numbers as tables.

use super::super::chart::{self, Bar, SERIES_MAX};
use super::super::guard::Customer;
use super::super::look::{Look, dollars, grouped};
use super::super::texts::{Account, Common};
use super::{away, room};
use crate::api::usage::UsageQuery;
use crate::api::usage_csv;
use crate::state::Gateway;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use infra::clock;
use infra::store::balances::UsageRow;
use maud::{Markup, html};
use schemas::ids::KeyId;
use schemas::money::MicroUsd;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Days that are shown.
const DAYS: u64 = 30;

/// Milliseconds of a day.
const DAY_MS: u64 = 24 * 3_600_000;

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
    /// The last thirty, today included.
    pub(super) fn of(rows: &'a [UsageRow]) -> Self {
        let now = clock::unix_ms();
        let days: Vec<String> =
            (0..DAYS).rev().map(|ago| clock::day_of(now.saturating_sub(ago * DAY_MS))).collect();
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

/// The cost of each day, by model, and the same as a table.
pub(super) fn chart(look: &Look, days: &Days<'_>) -> Markup {
    let t = Account::of(look.language);
    let models: Vec<String> = days.by(|row| &row.model).into_iter().map(|(name, _)| name).collect();
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
    let bars: Vec<Bar> = days.days.iter().map(|day| bar(days, day, (&models, own))).collect();
    html! {
        (chart::bars(t.by_day, &names, &bars))
        details {
            summary { (Common::of(look.language).as_table) }
            div.scroll tabindex="0" role="region" aria-label=(t.by_day) {
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
                                @for part in &bar.parts { td.number { (cost(*part)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn bar(days: &Days<'_>, day: &str, (models, own): (&[String], usize)) -> Bar {
    let series = own + usize::from(own < models.len());
    let mut parts = vec![0; series];
    for row in days.rows.iter().filter(|row| row.day == day) {
        let place = models.iter().position(|model| *model == row.model).unwrap_or(own).min(own);
        if let Some(part) = parts.get_mut(place) {
            *part += count(row, "cost");
        }
    }
    Bar { day: day.to_owned(), parts }
}

fn cost(micro: u64) -> String {
    dollars(MicroUsd(i64::try_from(micro).unwrap_or(i64::MAX)))
}

/// Shows it.
pub(super) async fn show(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    who: Customer,
) -> Response {
    let t = Account::of(look.language);
    let rows = match gateway.store.usage(&who.key.account).await {
        Ok(rows) => rows,
        Err(error) => return away(&look, &error),
    };
    let days = Days::of(&rows);
    let key_name = |id: &str| {
        let key = KeyId::parse(id).ok().and_then(|key| gateway.keys.get(&key));
        key.map_or_else(|| t.deleted_key.to_owned(), |key| key.name.clone())
    };
    let by_key: Vec<(String, Sum)> =
        days.by(|row| &row.key).into_iter().map(|(id, sum)| (key_name(&id), sum)).collect();
    room(
        &look,
        &who,
        ("/account/usage", t.usage),
        html! {
            h2 { (t.by_day) }
            (chart(&look, &days))
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
    usage_csv::usage(state, Query(query), who.headers(&headers)).await.into_response()
}
