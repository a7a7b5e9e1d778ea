//! What is known of vendors' models, from the table in catalogue/models.yaml: a model of the
//! configuration that doesn't say its price or its context has what stands there. Each row names
//! its source and the day on which that said so.

use super::file::FilePrice;
use super::model::Model;
use schemas::catalogue::Vendor;
use serde::Deserialize;
use std::sync::LazyLock;

const TABLE: &str = include_str!("../../../catalogue/models.yaml");

static ROWS: LazyLock<Vec<Known>> =
    LazyLock::new(|| serde_saphyr::from_str(TABLE).unwrap_or_default());

/// One row of the table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// Its name at its vendor.
    pub name: String,
    /// Older and longer names of the same.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Whose it is.
    pub vendor: Vendor,
    /// What its tokens cost.
    pub(super) price: Option<FilePrice>,
    /// Prompt and answer together, in tokens, as long as the price holds.
    pub context: Option<u64>,
    /// The longest answer, in tokens.
    pub max_output: Option<u64>,
    /// Since when it is there, as `2026-01-31`.
    pub released: Option<String>,
    /// From this day on its vendor refuses it.
    pub retires: Option<String>,
    /// Who says so.
    pub source: String,
    /// When.
    pub seen: String,
}

impl Known {
    /// Input, cached input, cache write and output in USD per million tokens.
    pub fn prices(&self) -> Option<[String; 4]> {
        let price = self.price.as_ref()?;
        let text = |price: Option<super::file::PerMillion>| {
            let steps = price.map_or(0, |price| price.0.0);
            let text = format!("{}.{:06}", steps / 1_000_000, steps % 1_000_000);
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        Some([price.input, price.cached_input, price.cache_write, price.output].map(text))
    }
}

/// All rows, in the order of the table.
pub fn known_models() -> &'static [Known] {
    &ROWS
}

/// What is known of a vendor's model by its name there.
pub(super) fn known(vendor: Vendor, upstream: &str) -> Option<&'static Known> {
    let is_it = |row: &&Known| {
        row.vendor == vendor
            && (row.name == upstream || row.aliases.iter().any(|it| it == upstream))
    };
    ROWS.iter().find(is_it)
}

/// What an operator should know of a model on a day, such as `2026-01-31`.
pub(super) fn warning(model: &Model, today: &str) -> Option<String> {
    let retires = known(model.vendor, &model.upstream)?.retires.as_deref()?;
    let when = if today >= retires { "has been refused since" } else { "will be refused from" };
    Some(format!(
        "model '{}': its vendor's {} {when} {retires}: configure its successor",
        model.name, model.upstream
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::environment::Environment;
    use std::collections::HashSet;

    #[test]
    fn the_table_is_read_and_every_row_names_its_source() {
        let rows: Vec<Known> = serde_saphyr::from_str(TABLE).unwrap();
        assert!(!rows.is_empty());
        let is_day = |day: &str| {
            let parts: Vec<&str> = day.split('-').collect();
            let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
            lengths == [4, 2, 2] && parts.concat().bytes().all(|byte| byte.is_ascii_digit())
        };
        let mut names = HashSet::new();
        for row in &rows {
            assert!(row.source.starts_with("https://") && is_day(&row.seen), "{}", row.name);
            assert!(row.released.iter().chain(&row.retires).all(|day| is_day(day)), "{}", row.name);
            for name in std::iter::once(&row.name).chain(&row.aliases) {
                assert!(names.insert((row.vendor, name.clone())), "{name} twice");
            }
            if let Some(price) = &row.price {
                let all = [price.input, price.cached_input, price.cache_write, price.output];
                assert!(all.iter().all(Option::is_some), "{}", row.name);
            }
            assert!(row.max_output.unwrap_or(0) <= row.context.unwrap_or(u64::MAX), "{}", row.name);
        }
    }

    #[test]
    fn what_a_model_does_not_say_stands_in_the_table_and_what_it_says_wins() {
        let text = "models:\n  - {name: a, pool: p, vendor: anthropic, upstream: \
                    claude-haiku-4-5-20251001}\n  - {name: claude-haiku-4-5, pool: p, \
                    vendor: anthropic, context: 5000, max_output: 100}\n";
        let config = Config::parse(text, "c", &Environment::default()).unwrap();
        let (full, own) = (config.models.get("a").unwrap(), config.models.get("claude-haiku-4-5"));
        assert_eq!((full.context, full.max_output), (200_000, 64_000));
        assert_eq!(full.price.cached_input.0, 100_000);
        let own = own.unwrap();
        assert_eq!((own.context, own.max_output, own.price.output.0), (5_000, 100, 5_000_000));
        let unknown = text.replace("claude-haiku-4-5-20251001", "nobody-knows-it");
        let refused = Config::parse(&unknown, "c", &Environment::default()).unwrap_err();
        assert!(refused.to_string().contains("context"), "{refused}");
    }

    #[test]
    fn a_model_near_or_past_its_end_is_warned_of() {
        let text = "models:\n  - {name: a, pool: p, vendor: anthropic, upstream: \
                    claude-sonnet-4-5-20250929}\n";
        let config = Config::parse(text, "c", &Environment::default()).unwrap();
        assert!(config.warnings("2026-10-01")[0].contains("will be refused from 2026-11-30"));
        assert!(config.warnings("2026-11-30")[0].contains("has been refused since 2026-11-30"));
        let fine = text.replace("claude-sonnet-4-5-20250929", "claude-haiku-4-5");
        let config = Config::parse(&fine, "c", &Environment::default()).unwrap();
        assert!(config.warnings("2030-01-01").is_empty());
    }
}
