//! What a key or an account may do, as its operator writes it and as it is shown: each field
//! checked. It changes nothing.

use super::shapes::Allowance;
use crate::auth::issue::{self, BudgetsEdit, LimitsEdit};
use crate::credits;
use crate::problems::wrong;
use crate::state::Gateway;
use infra::clock;
use infra::config::LIMIT_MAX;
use infra::store::spending::Spending;
use schemas::error::Problem;
use schemas::money::MicroUsd;
use schemas::records::OwnLimits;
use serde::{Deserialize, Deserializer};
use serde_json::Number;

/// Models that a key or an account may be limited to.
const MODELS_MAX: usize = 1_000;

/// A field that is there, be it `null`.
pub(super) fn given<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// A body that may set limits beside fields of its own. Serde would put them there itself
/// (`flatten`), but could then neither refuse unknown fields nor name the wrong one.
macro_rules! with_limits {
    ($(#[$about:meta])* $visibility:vis struct $name:ident {
        $($(#[$rule:meta])* $field:ident: $kind:ty,)*
    }) => {
        #[derive(serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        $(#[$about])*
        $visibility struct $name {
            $($(#[$rule])* $field: $kind,)*
            #[serde(default, deserialize_with = "given")]
            expires_at: Option<Option<String>>,
            #[serde(default, deserialize_with = "given")]
            models: Option<Option<Vec<String>>>,
            #[serde(default, deserialize_with = "given")]
            max_budget: Option<Option<serde_json::Number>>,
            #[serde(default, deserialize_with = "given")]
            max_budget_per_day: Option<Option<serde_json::Number>>,
            #[serde(default, deserialize_with = "given")]
            max_budget_per_week: Option<Option<serde_json::Number>>,
            #[serde(default, deserialize_with = "given")]
            max_budget_per_month: Option<Option<serde_json::Number>>,
            #[serde(default, deserialize_with = "given")]
            requests_per_minute: Option<Option<u64>>,
            #[serde(default, deserialize_with = "given")]
            tokens_per_minute: Option<Option<u64>>,
            #[serde(default, deserialize_with = "given")]
            parallel: Option<Option<u64>>,
        }

        impl $name {
            /// Takes its limits out of it.
            fn limits(&mut self) -> $crate::api::allowance::AskedLimits {
                $crate::api::allowance::AskedLimits {
                    expires_at: self.expires_at.take(),
                    models: self.models.take(),
                    max_budget: self.max_budget.take(),
                    max_budget_per_day: self.max_budget_per_day.take(),
                    max_budget_per_week: self.max_budget_per_week.take(),
                    max_budget_per_month: self.max_budget_per_month.take(),
                    requests_per_minute: self.requests_per_minute.take(),
                    tokens_per_minute: self.tokens_per_minute.take(),
                    parallel: self.parallel.take(),
                }
            }
        }
    };
}

pub(super) use with_limits;

/// Limits as they are asked for; what is absent stays, and `null` takes one away.
pub(super) struct AskedLimits {
    pub(super) expires_at: Option<Option<String>>,
    pub(super) models: Option<Option<Vec<String>>>,
    pub(super) max_budget: Option<Option<Number>>,
    pub(super) max_budget_per_day: Option<Option<Number>>,
    pub(super) max_budget_per_week: Option<Option<Number>>,
    pub(super) max_budget_per_month: Option<Option<Number>>,
    pub(super) requests_per_minute: Option<Option<u64>>,
    pub(super) tokens_per_minute: Option<Option<u64>>,
    pub(super) parallel: Option<Option<u64>>,
}

impl AskedLimits {
    /// The same, checked.
    pub(super) fn checked(self, gateway: &Gateway) -> Result<LimitsEdit, Problem> {
        let end = |end: Option<String>| end.as_deref().map(checked_end).transpose();
        let models = |names: Option<Vec<String>>| match names {
            Some(names) => checked_models(gateway, names),
            None => Ok(None),
        };
        let budget = |field: &str, amount: Option<Option<Number>>| {
            amount.map(|amount| checked_budget(field, amount)).transpose()
        };
        let limit = |field: &str, limit: Option<Option<u64>>| {
            limit.map(|limit| checked_limit(field, limit)).transpose()
        };
        Ok(LimitsEdit {
            expires_ms: self.expires_at.map(end).transpose()?,
            models: self.models.map(models).transpose()?,
            budget_max: budget("max_budget", self.max_budget)?,
            budgets: BudgetsEdit {
                day_max: budget("max_budget_per_day", self.max_budget_per_day)?,
                week_max: budget("max_budget_per_week", self.max_budget_per_week)?,
                month_max: budget("max_budget_per_month", self.max_budget_per_month)?,
            },
            requests_per_minute_max: limit("requests_per_minute", self.requests_per_minute)?,
            tokens_per_minute_max: limit("tokens_per_minute", self.tokens_per_minute)?,
            parallel_max: limit("parallel", self.parallel)?,
        })
    }
}

/// Limits as they are shown, with what has been spent.
pub(super) fn shown(limits: &OwnLimits, spent: &Spending) -> Allowance {
    let [spent_today_usd, spent_this_week_usd, spent_this_month_usd] =
        spent.periods.map(MicroUsd::as_usd);
    Allowance {
        expires_at: limits.expires_ms.map(clock::rfc3339),
        models: limits.models.clone(),
        max_budget: limits.budget_max.map(MicroUsd::as_usd),
        max_budget_per_day: limits.budgets.day_max.map(MicroUsd::as_usd),
        max_budget_per_week: limits.budgets.week_max.map(MicroUsd::as_usd),
        max_budget_per_month: limits.budgets.month_max.map(MicroUsd::as_usd),
        requests_per_minute: limits.requests_per_minute_max,
        tokens_per_minute: limits.tokens_per_minute_max,
        parallel: limits.parallel_max,
        spent_usd: spent.total.as_usd(),
        spent_today_usd,
        spent_this_week_usd,
        spent_this_month_usd,
    }
}

/// What a key or an account is called.
pub(super) fn checked_name(name: &str) -> Result<String, Problem> {
    issue::checked_name(name).ok_or_else(|| {
        wrong("name", "改行を含まない1〜200文字の名前", "a name of 1 to 200 characters on one line")
    })
}

/// When it ends.
fn checked_end(moment: &str) -> Result<u64, Problem> {
    let moment = clock::parse_rfc3339(moment).filter(|moment| *moment > clock::unix_ms());
    moment.ok_or_else(|| {
        wrong(
            "expires_at",
            "未来の日時（例: 2030-12-31T23:59:59Z）",
            "a moment in the future, such as 2030-12-31T23:59:59Z",
        )
    })
}

/// What it may spend.
fn checked_budget(field: &str, amount: Option<Number>) -> Result<Option<MicroUsd>, Problem> {
    let wrong = |()| wrong(field, "USD の金額（例: 50.0）", "an amount in USD, such as 50.0");
    amount.map(|amount| credits::usd(&amount).map_err(wrong)).transpose()
}

/// How much it may ask for in a minute, or at once.
fn checked_limit(field: &str, limit: Option<u64>) -> Result<Option<u64>, Problem> {
    if limit.is_some_and(|limit| !(1..=LIMIT_MAX).contains(&limit)) {
        return Err(wrong(
            field,
            "1〜1000000000000の整数",
            "a whole number from 1 to 1000000000000",
        ));
    }
    Ok(limit)
}

/// Which models it may ask. No names are all models.
fn checked_models(gateway: &Gateway, models: Vec<String>) -> Result<Option<Vec<String>>, Problem> {
    if models.len() > MODELS_MAX {
        return Err(wrong("models", "1000個までのモデル名", "up to 1000 names"));
    }
    let mut names = Vec::with_capacity(models.len());
    for name in &models {
        // An alias is known by its model's name, so that a key and its account mean the same.
        let Some(model) = gateway.config.models.get(name) else {
            let shown: String = name.chars().take(80).collect();
            return Err(wrong(
                "models",
                &format!("設定にあるモデル名（'{shown}' はありません）"),
                &format!("names of configured models ('{shown}' is none)"),
            ));
        };
        if !names.contains(&model.name) {
            names.push(model.name.clone());
        }
    }
    Ok(Some(names).filter(|names| !names.is_empty()))
}
