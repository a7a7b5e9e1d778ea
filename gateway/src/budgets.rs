//! What a key and its account may spend, in all and in each calendar period, and what is told when
//! that is not enough: which budget it is and when it begins anew.

use crate::state::Gateway;
use infra::calendar::{Period, TimeZone};
use infra::clock;
use infra::store::holds::{Budget, Reservation};
use infra::store::spending::Spender;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::RequestId;
use schemas::money::MicroUsd;
use schemas::records::{KeyRecordV1, PeriodBudgets};

impl Gateway {
    /// What is asked of the store for a request: between `enough` and `amount`.
    pub(crate) fn reservation(
        &self,
        request: &RequestId,
        key: &KeyRecordV1,
        amount: MicroUsd,
        enough: MicroUsd,
    ) -> Reservation {
        Reservation {
            request: request.clone(),
            account: key.account.clone(),
            key: key.key.clone(),
            amount,
            enough,
            lifetime_ms: self.hold_lifetime_ms(),
            budgets: self.budgets_of(key),
            total_budget: self.config.budget.total_usd,
        }
    }

    fn budgets_of(&self, key: &KeyRecordV1) -> Vec<Budget> {
        let total = key.budget_max.or(self.config.budget.per_key_usd);
        let mut budgets = listed(Spender::Key, total, key.budgets);
        if let Some(account) = self.accounts.get(&key.account) {
            let limits = &account.limits;
            budgets.extend(listed(Spender::Account, limits.budget_max, limits.budgets));
        }
        budgets
    }
}

fn listed(spender: Spender, total: Option<MicroUsd>, periods: PeriodBudgets) -> Vec<Budget> {
    let PeriodBudgets { day_max, week_max, month_max } = periods;
    let all = [
        (Some(Period::Day), day_max),
        (Some(Period::Week), week_max),
        (Some(Period::Month), month_max),
        (None, total),
    ];
    let given = all.into_iter().filter_map(|(period, max)| max.map(|max| (period, max)));
    given.map(|(period, max)| Budget { spender, period, max }).collect()
}

/// Names the budget, and says when it begins anew.
pub(crate) fn over(budget: Budget, left: MicroUsd, zone: TimeZone) -> Problem {
    let (whose, owner) = match budget.spender {
        Spender::Key => ("キー", "key's"),
        Spender::Account => ("アカウント", "account's"),
    };
    let (span, spent_in) = match budget.period {
        None => ("合計", "total"),
        Some(Period::Day) => ("1日", "daily"),
        Some(Period::Week) => ("1週間", "weekly"),
        Some(Period::Month) => ("1か月", "monthly"),
    };
    let left = left.max(MicroUsd::ZERO);
    let max = budget.max;
    let (begins_ja, begins) = match budget.period {
        None => (String::new(), String::new()),
        Some(period) => {
            let end = zone.rfc3339(period.end_seconds(clock::unix_ms(), zone) * 1_000);
            (format!("{end} に新しくなります。"), format!(" It begins anew at {end}."))
        }
    };
    Problem::new(
        ErrorCode::InsufficientQuota,
        format!(
            "{whose}の{span}の予算 ${max} の残り (${left}) では足りません。{begins_ja}\
             予算を上げるか max_tokens を減らしてください。"
        ),
        format!(
            "The {owner} {spent_in} budget of ${max} (${left} left) doesn't cover the request.\
             {begins} Raise it, or lower max_tokens."
        ),
    )
}
