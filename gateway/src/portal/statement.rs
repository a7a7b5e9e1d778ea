//! A month's statement: what came, what was used with which model, what ended, and what was left at
//! both ends of the month. Months are those of Japan.

use super::look::dollars;
use super::texts::Paper;
use super::{Look, print_hint};
use axum::http::StatusCode;
use axum::response::Response;
use infra::bus::history::MonthHistory;
use infra::clock;
use infra::config::Stripe;
use maud::html;
use schemas::ids::AccountId;
use schemas::ledger::Fact;
use schemas::money::MicroUsd;
use std::collections::BTreeMap;

/// Japan's time before UTC, in milliseconds: it has no summer time.
pub(super) const JAPAN_OFFSET_MS: u64 = 9 * 3_600_000;

/// A month, as `2026-11`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Month(String);

impl Month {
    /// Reads one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let fits = year.len() == 4 && month.len() == 2 && digits(year) && digits(month);
        let number: u32 = month.parse().ok()?;
        (fits && (1..=12).contains(&number)).then(|| Self(text.to_owned()))
    }

    /// As it is written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// When it begins in Japan: milliseconds since 1970.
    pub(crate) fn begins_ms(&self) -> u64 {
        let first = clock::parse_rfc3339(&format!("{}-01T00:00:00Z", self.0));
        first.unwrap_or(0).saturating_sub(JAPAN_OFFSET_MS)
    }

    /// The month of a moment in Japan.
    pub(crate) fn of(at_ms: u64) -> String {
        day_in_japan(at_ms).chars().take(7).collect()
    }
}

/// The day of a moment in Japan, as `2026-11-25`.
pub(super) fn day_in_japan(at_ms: u64) -> String {
    clock::day_of(at_ms.saturating_add(JAPAN_OFFSET_MS))
}

/// What a month's statement says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    before: i64,
    after: i64,
    /// What isn't use.
    others: BTreeMap<Line, i64>,
    /// Requests and charges by model.
    models: BTreeMap<String, (u64, i64)>,
}

impl Sums {
    fn of(month: &Month, history: &MonthHistory) -> Self {
        let opening = history.opening.0;
        let mut sums = Self { before: opening, after: opening, ..Self::default() };
        for event in &history.events {
            let amount = event.amount.0;
            let at = Month::of(event.at_ms);
            if at < month.0 {
                sums.before += amount;
            }
            if at <= month.0 {
                sums.after += amount;
            }
            if at != month.0 {
                continue;
            }
            match &event.fact {
                Fact::Use(used) => {
                    let model = sums.models.entry(used.model.clone()).or_default();
                    *model = (model.0 + 1, model.1 + amount);
                }
                fact => {
                    if let Some(line) = Line::of(fact) {
                        *sums.others.entry(line).or_default() += amount;
                    }
                }
            }
        }
        sums
    }
}

/// A line of the statement that isn't use, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Line {
    Bought,
    Bonus,
    Granted,
    Refunds,
    Disputes,
    Ended,
}

impl Line {
    /// Where a fact belongs that isn't use.
    fn of(fact: &Fact) -> Option<Self> {
        match fact {
            Fact::Use(_) | Fact::Void(_) => None,
            Fact::Snapshot(_) | Fact::Counted(_) | Fact::Cut(_) | Fact::Closing(_) => None,
            Fact::TopUp(_) => Some(Self::Bought),
            Fact::Bonus { .. } => Some(Self::Bonus),
            Fact::Grant { .. } => Some(Self::Granted),
            Fact::Refund { .. } | Fact::RefundFailed { .. } => Some(Self::Refunds),
            Fact::Dispute { .. } => Some(Self::Disputes),
            Fact::Expiry { .. } => Some(Self::Ended),
        }
    }

    fn named(self, t: &Paper) -> &'static str {
        match self {
            Self::Bought => t.bought,
            Self::Bonus => t.bonus,
            Self::Granted => t.granted,
            Self::Refunds => t.refunds,
            Self::Disputes => t.disputes,
            Self::Ended => t.ended,
        }
    }
}

/// As a page.
pub(crate) fn page(
    look: &Look,
    seller: &Stripe,
    account: &AccountId,
    month: &Month,
    history: &MonthHistory,
) -> Response {
    let sums = Sums::of(month, history);
    let t = Paper::of(look.language);
    let row = |label: &str, count: &str, amount: i64| {
        html! {
            tr {
                th scope="row" { (label) }
                td.number { (count) }
                td.number { (dollars(MicroUsd(amount))) }
            }
        }
    };
    let title = format!("{} {}", t.statement, month.0);
    look.page(
        StatusCode::OK,
        &title,
        html! {
            p { (seller.seller_name) " – " (account) }
            table {
                thead { tr {
                    th scope="col" { (t.what) }
                    th.number scope="col" { (t.requests) }
                    th.number scope="col" { (t.amount_usd) }
                } }
                tbody {
                    (row(t.before, "", sums.before))
                    @for (line, amount) in &sums.others { (row(line.named(t), "", *amount)) }
                    @for (model, (requests, amount)) in &sums.models {
                        (row(model, &requests.to_string(), *amount))
                    }
                    (row(t.after, "", sums.after))
                }
            }
            (print_hint(look.language))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::ledger::EventV1;

    fn granted(at: &str, amount: i64) -> EventV1 {
        EventV1 {
            account: AccountId::parse("acct_a").unwrap(),
            at_ms: clock::parse_rfc3339(at).unwrap(),
            amount: MicroUsd(amount),
            fact: Fact::Grant { unique: at.into(), note: String::new() },
        }
    }

    #[test]
    fn months_are_those_of_japan() {
        let events = [
            granted("2026-10-31T14:59:59Z", 1),
            granted("2026-10-31T15:00:00Z", 20),
            granted("2026-11-30T14:59:59Z", 300),
            granted("2026-11-30T15:00:00Z", 4_000),
        ];
        let history = MonthHistory { opening: MicroUsd(5), events: events.into() };
        let month = Month::parse("2026-11").unwrap();
        let sums = Sums::of(&month, &history);
        assert_eq!((sums.before, sums.after, sums.others[&Line::Granted]), (6, 326, 320));
        assert_eq!(Month::of(month.begins_ms()), "2026-11");
        assert_eq!(Month::of(month.begins_ms() - 1), "2026-10");
    }

    #[test]
    fn what_is_no_month_is_refused() {
        for text in ["2026", "2026-13", "2026-00", "26-11", "2026-1", "2026-11-01", "<b>-11"] {
            assert_eq!(Month::parse(text), None, "{text}");
        }
    }
}
