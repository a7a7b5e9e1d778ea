//! What another configuration changes: told by key, with secrets as `***`; and what of it can't
//! change while a process runs.

use super::Config;
use std::collections::BTreeMap;
use std::fmt;

/// Characters of a value that are shown.
const SHOWN_MAX: usize = 60;

/// Keys whose values nobody may read in a log; a coupon's code is credit for whoever reads it.
const SECRET: [&str; 5] = ["api_key", "api_keys", "secret_key", "webhook_secret", "code"];

/// One key with another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which, such as `limits.parallel` or `models[gpt-4o].price.input`.
    pub key: String,
    /// Its value before, if it had one.
    pub before: Option<String>,
    /// Its value now, if it has one.
    pub after: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".into());
        write!(formatter, "{}: {} → {}", self.key, shown(&self.before), shown(&self.after))
    }
}

/// What differs between two texts of a configuration that can both be read.
pub fn changes(before: &str, after: &str) -> Vec<Change> {
    let (before, after) = (leaves(before), leaves(after));
    let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differ = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
    let change = |key: &String| Change {
        key: key.clone(),
        before: before.get(key).map(|value| shown(key, value)),
        after: after.get(key).map(|value| shown(key, value)),
    };
    differ.map(change).collect()
}

fn shown(key: &str, value: &str) -> String {
    let is_part = |part: &str| SECRET.contains(&part.split('[').next().unwrap_or_default());
    if key.split('.').any(is_part) {
        return "***".into();
    }
    value.chars().take(SHOWN_MAX).collect()
}

/// All values by the ways to them.
fn leaves(text: &str) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    if let Ok(value) = serde_saphyr::from_str::<serde_json::Value>(text) {
        collect(String::new(), &value, &mut leaves);
    }
    leaves
}

fn collect(way: String, value: &serde_json::Value, leaves: &mut BTreeMap<String, String>) {
    match value {
        serde_json::Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let dot = if way.is_empty() { "" } else { "." };
                collect(format!("{way}{dot}{name}"), value, leaves);
            }
        }
        serde_json::Value::Array(values) if !values.is_empty() => {
            for (number, value) in values.iter().enumerate() {
                let named = value.get("name").or_else(|| value.get("id"));
                let place = named.and_then(|name| name.as_str());
                let place = place.map_or_else(|| number.to_string(), ToOwned::to_owned);
                collect(format!("{way}[{place}]"), value, leaves);
            }
        }
        serde_json::Value::String(text) => drop(leaves.insert(way, text.clone())),
        value => drop(leaves.insert(way, value.to_string())),
    }
}

impl Config {
    /// Takes from the running one what can't change while a process runs. Returns the keys
    /// that this one has otherwise: they change at the next start.
    #[must_use]
    pub fn stay(&mut self, running: &Self) -> Vec<&'static str> {
        let mut waits = Vec::new();
        macro_rules! stays {
            ($($key:literal: $($field:ident).+;)+) => {
                $(if self.$($field).+ != running.$($field).+ {
                    self.$($field).+.clone_from(&running.$($field).+);
                    waits.push($key);
                })+
            };
        }
        stays! {
            "gateway.listen": gateway.listen;
            "gateway.metrics_listen": gateway.metrics_listen;
            "gateway.client_address_header": gateway.client_address_header;
            "gateway.leave_notice_seconds": gateway.leave_notice_seconds;
            "gateway.drain_seconds_max": gateway.drain_seconds_max;
            "workers.drain_seconds_max": workers.drain_seconds_max;
            "queue": queue;
            "breaker": breaker;
            "budget.time_zone": budget.time_zone;
            "plans": plans;
            "stripe": stripe;
        }
        waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    #[test]
    fn changes_are_told_by_key_without_secrets() {
        let before =
            "limits: {parallel: 1, requests_per_minute: 5}\nmodels:\n  - {name: a, api_key: s1}\n";
        let after = "limits: {parallel: 2}\nmodels:\n  - {name: b}\n  - {name: a, api_key: s2}\n";
        let told: Vec<String> = changes(before, after).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "limits.parallel: 1 → 2",
                "limits.requests_per_minute: 5 → nothing",
                "models[a].api_key: *** → ***",
                "models[b].name: nothing → b",
            ]
        );
        assert!(changes(before, before).is_empty());
        let coupon = |code: &str| format!("coupons:\n  - {{code: {code}, usd: 5}}\n");
        let told = changes(&coupon("SPRING-2027"), &coupon("AUTUMN-27"));
        assert_eq!(told[0].to_string(), "coupons[0].code: *** → ***");
    }

    #[test]
    fn what_cannot_change_stays_as_it_runs() {
        let running = Config::load(None, &Environment::default()).unwrap();
        let mut next = running.clone();
        assert!(next.stay(&running).is_empty());
        next.gateway.listen = "0.0.0.0:1".into();
        next.queue.jobs_max += 1;
        next.limits.parallel += 1;
        next.gateway.client_address_header = Some("x-forwarded-for".into());
        let waits = ["gateway.listen", "gateway.client_address_header", "queue"];
        assert_eq!(next.stay(&running), waits);
        assert_eq!(next.gateway.client_address_header, None);
        assert_eq!(next.gateway.listen, running.gateway.listen);
        assert_eq!(next.queue, running.queue);
        assert_ne!(next, running);
    }
}
