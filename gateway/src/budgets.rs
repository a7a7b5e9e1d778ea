//! What a key and its account may spend, in all and in each calendar period, and what is told when
//! that or the balance is not enough: which budget it is and when it begins anew.

use crate::credits;
use crate::state::Gateway;
use infra::calendar::{Period, TimeZone};
use infra::clock;
use infra::store::holds::{Budget, Reservation, Reserved};
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

    /// Counts what came of a reservation, and says why it was refused if it was.
    pub(crate) fn refusal_of(&self, reserved: Reserved, amount: MicroUsd) -> Option<Problem> {
        let (label, refusal) = match reserved {
            Reserved::Held(_) => ("held", None),
            Reserved::Settled => ("settled", Some(settled_before())),
            Reserved::Insufficient(left) => ("insufficient", Some(insufficient(amount, left))),
            Reserved::Budget(budget, left) => {
                let label = match budget.spender {
                    Spender::Key => "key_budget",
                    Spender::Account => "account_budget",
                };
                (label, Some(over(budget, left, self.config.budget.time_zone)))
            }
            Reserved::TotalBudget(left) => ("total_budget", Some(over_total(left))),
            Reserved::Rebuilding => ("rebuilding", Some(credits::away())),
        };
        self.metrics.holds_total.with_label_values(&[label]).inc();
        refusal
    }

    fn budgets_of(&self, key: &KeyRecordV1) -> Vec<Budget> {
        let total = key.limits.budget_max.or(self.config.budget.per_key_usd);
        let mut budgets = listed(Spender::Key, total, key.limits.budgets);
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
fn over(budget: Budget, left: MicroUsd, zone: TimeZone) -> Problem {
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
            (format!("{end} にリセットされます。"), format!(" It is reset at {end}."))
        }
    };
    Problem::new(
        ErrorCode::InsufficientQuota,
        format!(
            "{whose}の{span}の予算 ${max} の残り（${left}）では足りません。{begins_ja}\
             予算を上げるか max_tokens を減らしてください。"
        ),
        format!(
            "The {owner} {spent_in} budget of ${max} (${left} left) doesn't cover the request.\
             {begins} Raise it, or lower max_tokens."
        ),
    )
}

fn settled_before() -> Problem {
    Problem::new(
        ErrorCode::Conflict,
        "このリクエストIDはすでに精算されています。",
        "This request id has been settled already.",
    )
}

fn insufficient(needed: MicroUsd, left: MicroUsd) -> Problem {
    if left < MicroUsd::ZERO {
        let owed = left.negated();
        return Problem::new(
            ErrorCode::InsufficientQuota,
            format!(
                "残高が ${owed} 不足しています（返金などで差し引かれた分を含みます）。クレジットを追加して補うと再開します。"
            ),
            format!(
                "The account owes ${owed}, with what a refund or a dispute took back. Buy credit \
                 to cover it: then requests go on."
            ),
        );
    }
    Problem::new(
        ErrorCode::InsufficientQuota,
        format!(
            "残高が足りません（最大 ${needed} 必要、利用可能 ${left}）。クレジットを追加するか max_tokens を減らしてください。"
        ),
        format!(
            "The credit doesn't cover the request (up to ${needed} needed, ${left} available). \
             Buy credit, or lower max_tokens."
        ),
    )
}

fn over_total(left: MicroUsd) -> Problem {
    let left = left.max(MicroUsd::ZERO);
    Problem::new(
        ErrorCode::InsufficientQuota,
        format!(
            "サービス全体の予算の残り（${left}）では足りません。運営者にお問い合わせください。"
        ),
        format!(
            "The service's budget (${left} left) doesn't cover the request. \
             Ask whoever runs the service."
        ),
    )
}
