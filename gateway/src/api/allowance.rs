//! What a key or an account may do, as its operator writes it: each field checked. It changes
//! nothing.

use crate::auth::issue;
use crate::credits;
use crate::problems::wrong;
use crate::state::Gateway;
use infra::clock;
use infra::config::LIMIT_MAX;
use schemas::error::Problem;
use schemas::money::MicroUsd;
use serde::{Deserialize, Deserializer};

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

/// What a key or an account is called.
pub(super) fn checked_name(name: &str) -> Result<String, Problem> {
    issue::checked_name(name).ok_or_else(|| {
        wrong(
            "name",
            "改行を含まない1 – 200文字の名前",
            "a name of 1 to 200 characters on one line",
        )
    })
}

/// When it ends.
pub(super) fn checked_end(moment: &str) -> Result<u64, Problem> {
    let moment = clock::parse_rfc3339(moment).filter(|moment| *moment > clock::unix_ms());
    moment.ok_or_else(|| {
        wrong(
            "expires_at",
            "未来の日時 (例: 2030-12-31T23:59:59Z)",
            "a moment in the future, such as 2030-12-31T23:59:59Z",
        )
    })
}

/// What it may spend.
pub(super) fn checked_budget(
    field: &str,
    amount: Option<serde_json::Number>,
) -> Result<Option<MicroUsd>, Problem> {
    let wrong = |()| wrong(field, "USD の金額 (例: 50.0)", "an amount in USD, such as 50.0");
    amount.map(|amount| credits::usd(&amount).map_err(wrong)).transpose()
}

/// How much it may ask for in a minute, or at once.
pub(super) fn checked_limit(field: &str, limit: Option<u64>) -> Result<Option<u64>, Problem> {
    if limit.is_some_and(|limit| !(1..=LIMIT_MAX).contains(&limit)) {
        return Err(wrong(
            field,
            "1 – 1000000000000 の整数",
            "a whole number from 1 to 1000000000000",
        ));
    }
    Ok(limit)
}

/// Which models it may ask. No names are all models.
pub(super) fn checked_models(
    gateway: &Gateway,
    models: Vec<String>,
) -> Result<Option<Vec<String>>, Problem> {
    if models.len() > MODELS_MAX {
        return Err(wrong("models", "1000個までのモデル名", "up to 1000 names"));
    }
    for name in &models {
        if gateway.config.models.get(name).is_none() {
            let shown: String = name.chars().take(80).collect();
            return Err(wrong(
                "models",
                &format!("設定にあるモデル名 ('{shown}' はありません)"),
                &format!("names of configured models ('{shown}' is none)"),
            ));
        }
    }
    Ok(Some(models).filter(|models| !models.is_empty()))
}
