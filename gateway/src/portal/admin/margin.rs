//! What was charged beside what the vendors charge us for the same tokens, by model, account and
//! day. A cost that nobody told is not guessed: what was charged without one is told apart.

use super::super::chart::{self, Bar, Measure};
use super::super::guard::Operator;
use super::super::look::{Look, dollars, grouped};
use super::super::texts::{Admin, Common};
use super::{away, room};
use crate::state::Gateway;
use axum::extract::State;
use axum::response::Response;
use infra::clock;
use infra::config::Catalogue;
use infra::store::balances::UsageRow;
use maud::{Markup, html};
use schemas::ids::AccountId;
use schemas::money::MicroUsd;
use schemas::usage::Usage;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Days that are looked at.
const DAYS: u64 = 30;

/// Milliseconds of a day.
const DAY_MS: u64 = 24 * 3_600_000;

/// Accounts in the table, the largest first; the sums are of all.
const ACCOUNTS_SHOWN_MAX: usize = 100;

const PLACE: &str = "/admin/margin";

/// Sums of some rows, in micro-USD.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sum {
    requests: u64,
    /// For models whose cost is known.
    charged: u64,
    /// What their vendors charge.
    cost: u64,
    /// For models whose cost is not known.
    unknown: u64,
}

impl Sum {
    fn add(&mut self, catalogue: &Catalogue, row: &UsageRow) {
        let count = |name: &str| row.counters.get(name).copied().unwrap_or(0);
        self.requests += count("requests");
        let cost = catalogue.get(&row.model).and_then(|model| model.cost);
        let Some(cost) = cost else { return self.unknown += count("cost") };
        // A kept answer is charged, and costs nothing: its tokens were counted when they came.
        let usage = Usage {
            input: count("input"),
            cache_read: Some(count("cache_read")),
            cache_write: Some(count("cache_write")),
            output: count("output"),
            reasoning: Some(count("reasoning")),
            ..Usage::default()
        };
        self.charged += count("cost");
        self.cost += u64::try_from(cost.charge(&usage).0).unwrap_or(0);
    }

    fn all_charged(&self) -> u64 {
        self.charged + self.unknown
    }

    fn is_known(&self) -> bool {
        self.unknown == 0
    }

    fn margin(&self) -> MicroUsd {
        MicroUsd(micro(self.charged).0 - micro(self.cost).0)
    }

    /// Of what was charged, so much is ours.
    fn share(&self) -> String {
        match self.charged {
            0 => "–".to_owned(),
            charged => format!("{:.1} %", self.margin().0 as f64 * 100.0 / charged as f64),
        }
    }
}

fn micro(amount: u64) -> MicroUsd {
    MicroUsd(i64::try_from(amount).unwrap_or(i64::MAX))
}

/// The sums of the last days, each way.
struct Sums {
    all: Sum,
    models: Vec<(String, Sum)>,
    accounts: Vec<(AccountId, Sum)>,
    days: Vec<(String, Sum)>,
}

impl Sums {
    async fn of(gateway: &Gateway) -> Result<Self, infra::store::StoreError> {
        let now = clock::unix_ms();
        let days: Vec<String> =
            (0..DAYS).rev().map(|ago| clock::day_of(now.saturating_sub(ago * DAY_MS))).collect();
        let mut by_day: BTreeMap<String, Sum> =
            days.into_iter().map(|day| (day, Sum::default())).collect();
        let (mut models, mut accounts) = (BTreeMap::<String, Sum>::new(), Vec::new());
        let (mut all, catalogue) = (Sum::default(), &gateway.config.models);
        for name in gateway.store.all_balances().await?.into_keys() {
            let Ok(account) = AccountId::parse(name) else { continue };
            let mut own = Sum::default();
            for row in gateway.store.usage(&account).await? {
                let Some(day) = by_day.get_mut(&row.day) else { continue };
                let model = models.entry(row.model.clone()).or_default();
                for sum in [&mut all, &mut own, day, model] {
                    sum.add(catalogue, &row);
                }
            }
            if own.requests > 0 {
                accounts.push((account, own));
            }
        }
        let mut models: Vec<_> = models.into_iter().collect();
        models.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.all_charged()));
        accounts.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.all_charged()));
        accounts.truncate(ACCOUNTS_SHOWN_MAX);
        Ok(Self { all, models, accounts, days: by_day.into_iter().collect() })
    }
}

/// Shows it.
pub(super) async fn show(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    who: Operator,
) -> Response {
    let t = Admin::of(look.language);
    let sums = match Sums::of(&gateway).await {
        Ok(sums) => sums,
        Err(error) => return away(&look, &error),
    };
    let mut names = BTreeMap::new();
    for (account, _) in &sums.accounts {
        match gateway.bus.account(account).await {
            Ok(record) => names.insert(account.clone(), record.map(|it| it.name)),
            Err(error) => return away(&look, &error),
        };
    }
    let account = |(account, sum): &(AccountId, Sum)| {
        let name = names.get(account).cloned().flatten().unwrap_or_else(|| account.to_string());
        let link = html! { a href=(format!("/admin/accounts/{account}")) { (name) } };
        (link, *sum)
    };
    let model = |(name, sum): &(String, Sum)| {
        let provider = gateway.config.models.get(name).map(|model| model.provider());
        (html! { (name) " " span.soft { (provider.unwrap_or(t.not_offered)) } }, *sum)
    };
    let by_model: Vec<_> = sums.models.iter().map(model).collect();
    let by_account: Vec<_> = sums.accounts.iter().map(account).collect();
    room(
        &look,
        &who,
        (PLACE, t.margin),
        html! {
            p.soft { (t.margin_text) }
            (figures(t, &sums.all))
            @if sums.all.requests == 0 { p.empty { (t.no_margin) } } @else {
                h2 { (t.charged_by_day) }
                (by_day(&look, &sums.days))
                h2 #by-model { (t.models) }
                (table(t, (t.model, "by-model"), &by_model))
                h2 #by-account { (t.accounts) }
                (table(t, (t.account, "by-account"), &by_account))
            }
        },
    )
}

fn figures(t: &Admin, all: &Sum) -> Markup {
    html! {
        dl.figures {
            div.figure {
                dt { (t.charged_30) }
                dd #charged { (dollars(micro(all.all_charged()))) }
                dd { small { (grouped(all.requests)) " " (t.requests) } }
            }
            div.figure {
                dt { (t.vendor_cost) }
                dd #cost { (dollars(micro(all.cost))) }
                dd { small { (t.where_known) } }
            }
            div.figure {
                dt { (t.margin) }
                dd #margin { (dollars(all.margin())) }
                dd { small { (all.share()) } }
            }
            div.figure {
                dt { (t.cost_unknown) }
                dd #unknown { (dollars(micro(all.unknown))) }
                dd { small {
                    @if all.is_known() { (t.all_known) } @else { (t.cost_hint) }
                } }
            }
        }
    }
}

/// Each day's charges: what goes to vendors, what stays, and what nobody knows.
fn by_day(look: &Look, days: &[(String, Sum)]) -> Markup {
    let t = Admin::of(look.language);
    let names = [t.margin, t.vendor_cost, t.cost_unknown].map(ToOwned::to_owned);
    let bars: Vec<Bar> = days
        .iter()
        .map(|(day, sum)| {
            let to_vendors = sum.cost.min(sum.charged);
            let parts = vec![sum.charged - to_vendors, to_vendors, sum.unknown];
            Bar { day: day.clone(), parts }
        })
        .collect();
    html! {
        (chart::bars(t.charged_by_day, &names, &bars, Measure::Money))
        details {
            summary { (Common::of(look.language).as_table) }
            div.scroll tabindex="0" role="region" aria-label=(t.charged_by_day) { table {
                thead { tr {
                    th scope="col" { (t.when) }
                    th.number scope="col" { (t.charged) }
                    th.number scope="col" { (t.vendor_cost) }
                    th.number scope="col" { (t.margin) }
                    th.number scope="col" { (t.cost_unknown) }
                } }
                tbody { @for (day, sum) in days.iter().rev().filter(|(_, it)| it.requests > 0) {
                    tr {
                        th scope="row" { (day) }
                        td.number { (dollars(micro(sum.all_charged()))) }
                        td.number { (dollars(micro(sum.cost))) }
                        td.number { (dollars(sum.margin())) }
                        td.number { (dollars(micro(sum.unknown))) }
                    }
                } }
            } }
        }
    }
}

fn table(t: &Admin, (first, label): (&str, &str), rows: &[(Markup, Sum)]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-labelledby=(label) { table {
            thead { tr {
                th scope="col" { (first) }
                th.number scope="col" { (t.requests) }
                th.number scope="col" { (t.charged) }
                th.number scope="col" { (t.vendor_cost) }
                th.number scope="col" { (t.margin) }
                th.number scope="col" { (t.share) }
            } }
            tbody { @for (name, sum) in rows { tr {
                th scope="row" { (name) }
                td.number { (grouped(sum.requests)) }
                td.number { (dollars(micro(sum.all_charged()))) }
                @if sum.charged == 0 && !sum.is_known() {
                    td.number { span.badge title=(t.cost_hint) { (t.not_known) } }
                    td.number { "–" }
                    td.number { "–" }
                } @else {
                    td.number {
                        (dollars(micro(sum.cost)))
                        @if !sum.is_known() { " " span.badge title=(t.cost_hint) { (t.in_part) } }
                    }
                    td.number { (dollars(sum.margin())) }
                    td.number { (sum.share()) }
                }
            } } }
        } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use infra::config::Config;
    use infra::environment::Environment;

    #[test]
    fn a_cost_that_nobody_told_is_told_apart_and_a_kept_answer_costs_nothing() {
        let price = "price: {input: 2, cached_input: 1, cache_write: 4, output: 8}";
        let rest = "pool: p, vendor: compatible, api_base: 'http://a', context: 9, max_output: 9";
        let cost = "cost: {input: 1, cached_input: 0.5, cache_write: 2, output: 4}";
        let (known, own) = (format!("{rest}, {price}, {cost}"), format!("{rest}, {price}"));
        let text = format!("models:\n  - {{name: known, {known}}}\n  - {{name: own, {own}}}\n");
        let config = Config::parse(&text, "c", &Environment::default()).unwrap();
        let row = |model: &str, counters: &[(&str, u64)]| UsageRow {
            model: model.to_owned(),
            counters: counters.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
            ..UsageRow::default()
        };
        let mut sum = Sum::default();
        let asked =
            [("requests", 1), ("input", 10), ("cache_read", 4), ("output", 5), ("cost", 64)];
        sum.add(&config.models, &row("known", &asked));
        assert_eq!(
            (sum.charged, sum.cost, sum.margin(), sum.is_known()),
            (64, 32, MicroUsd(32), true)
        );
        sum.add(&config.models, &row("known", &[("requests", 1), ("cache_hits", 1), ("cost", 6)]));
        assert_eq!((sum.charged, sum.cost), (70, 32));
        for model in ["own", "not there any more"] {
            sum.add(&config.models, &row(model, &asked));
        }
        assert_eq!((sum.requests, sum.unknown, sum.all_charged()), (4, 128, 198));
        assert_eq!(sum.share(), "54.3 %");
        assert_eq!(Sum::default().share(), "–");
    }
}
