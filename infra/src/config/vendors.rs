//! What is known of vendors' models, from the table in catalogue/models.yaml: a model of the
//! configuration that doesn't say its price or its context has what stands there. Each row names
//! its source and the day on which that said so.

use super::file::FilePrice;
use super::model::Model;
use schemas::catalogue::{Capability, Preset, Tokenizer, Vendor};
use schemas::money::Price;
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
    /// Whose protocol it speaks.
    pub vendor: Vendor,
    /// Whose it is, where many speak one protocol.
    pub preset: Option<Preset>,
    /// What its tokens cost.
    pub(super) price: Option<FilePrice>,
    /// Prompt and answer together, in tokens, as long as the price holds.
    pub context: Option<u64>,
    /// The longest answer, in tokens.
    pub max_output: Option<u64>,
    /// From this day on the price is another one, as `2026-01-31`.
    pub price_ends: Option<String>,
    /// What it can be asked for.
    pub capabilities: Option<Vec<Capability>>,
    /// Which tokenizer it has, if it is one that we have.
    pub tokenizer: Option<Tokenizer>,
    /// Since when it is there.
    pub released: Option<String>,
    /// From this day on its vendor refuses it.
    pub retires: Option<String>,
    /// Who says so.
    pub source: String,
    /// Who says the rest, where one page doesn't tell all.
    #[serde(default)]
    pub also: Vec<String>,
    /// When.
    pub seen: String,
}

impl Known {
    /// The price of a model that doesn't say its own.
    fn priced(&self) -> Option<Price> {
        super::check_model::check_price("price", self.price, false).ok()
    }

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
pub fn known_model(
    vendor: Vendor,
    preset: Option<Preset>,
    upstream: &str,
) -> Option<&'static Known> {
    let is_it = |row: &&Known| {
        (row.vendor, row.preset) == (vendor, preset)
            && (row.name == upstream || row.aliases.iter().any(|it| it == upstream))
    };
    ROWS.iter().find(is_it)
}

/// What an operator should know of a model on a day, such as `2026-01-31`.
pub(super) fn warnings(model: &Model, today: &str) -> Vec<String> {
    let mut told: Vec<String> = sound(model).into_iter().collect();
    let Some(row) = known_model(model.vendor, model.preset, &model.upstream) else {
        return told;
    };
    if let Some(retires) = row.retires.as_deref() {
        let when = if today >= retires { "has been refused since" } else { "will be refused from" };
        told.push(format!(
            "model '{}': its vendor's {} {when} {retires}: configure its successor",
            model.name, model.upstream
        ));
    }
    let old = row.price_ends.as_deref().filter(|end| today >= *end);
    if let (Some(end), true) = (old, row.priced() == Some(model.price)) {
        told.push(format!(
            "model '{}': the price of {} is another one since {end}: write it into price:",
            model.name, model.upstream
        ));
    }
    told
}

/// What a model is said to hear has no price as long as nobody says that it costs no more than
/// text; our own worker hears nothing.
fn sound(model: &Model) -> Option<String> {
    let is_refused = model.can(Capability::Audio) && !model.sound_at_text_price;
    is_refused.then(|| {
        format!(
            "model '{}': every request with sound is refused, although its capabilities name \
             audio: write sound_at_text_price: true if sound costs no more than text, or \
             capabilities without audio",
            model.name
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::environment::Environment;
    use std::collections::HashSet;

    #[test]
    fn every_row_names_its_source_and_no_name_is_told_twice() {
        let rows: Vec<Known> = serde_saphyr::from_str(TABLE).unwrap();
        assert!(!rows.is_empty());
        let is_day = |day: &str| {
            let parts: Vec<&str> = day.split('-').collect();
            let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
            lengths == [4, 2, 2] && parts.concat().bytes().all(|byte| byte.is_ascii_digit())
        };
        let mut names = HashSet::new();
        for row in &rows {
            let mut sources = row.also.iter().chain([&row.source]);
            assert!(sources.all(|it| it.starts_with("https://")), "{}", row.name);
            let mut days = row.released.iter().chain(&row.retires).chain(&row.price_ends);
            assert!(days.all(|day| is_day(day)) && is_day(&row.seen), "{}", row.name);
            assert!(row.preset.is_none() || row.vendor == Vendor::Compatible, "{}", row.name);
            assert!(row.price_ends.is_none() || row.price.is_some(), "{}", row.name);
            let can = row.capabilities.as_deref();
            assert!(can.is_none_or(|can| can.contains(&Capability::Chat)), "{}", row.name);
            for name in std::iter::once(&row.name).chain(&row.aliases) {
                assert!(names.insert((row.vendor, row.preset, name.clone())), "{name} twice");
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
        assert!(full.can(Capability::Tools) && full.can(Capability::JsonSchema));
        assert_eq!(full.cost, Some(full.price), "its vendor's own");
        let own = own.unwrap();
        assert_eq!((own.context, own.max_output, own.price.output.0), (5_000, 100, 5_000_000));
        let unknown = text.replace("claude-haiku-4-5-20251001", "nobody-knows-it");
        let refused = Config::parse(&unknown, "c", &Environment::default()).unwrap_err();
        assert!(refused.to_string().contains("context"), "{refused}");
    }

    #[test]
    fn capabilities_that_are_written_win_and_those_of_nobody_are_chat() {
        let can = |model: &str| {
            let text = format!("models:\n  - {{name: a, pool: p, {model}}}\n");
            let config = Config::parse(&text, "c", &Environment::default()).unwrap();
            config.models.get("a").unwrap().capabilities.clone()
        };
        let written = "vendor: openai, upstream: gpt-4.1, capabilities: [chat]";
        assert_eq!(can(written), [Capability::Chat]);
        let elsewhere = "vendor: compatible, api_base: 'http://h/v1', upstream: gpt-4.1, \
                         context: 10, max_output: 5, price: {input: 1, cached_input: 1, \
                         cache_write: 1, output: 1}";
        assert_eq!(can(elsewhere), [Capability::Chat], "nobody knows what that server can");
        let preset = "vendor: compatible, preset: deepseek, upstream: deepseek-v4-pro";
        assert_eq!(can(preset), [Capability::Chat, Capability::Tools]);
    }

    #[test]
    fn a_price_that_has_ended_is_warned_of_unless_another_one_is_written() {
        let text = "models:\n  - {name: a, pool: p, vendor: gemini, upstream: gemini-3.8-flash}\n";
        let warnings = |text: &str, day: &str| {
            Config::parse(text, "c", &Environment::default()).unwrap().warnings(day)
        };
        let text = &text.replace("flash}", "flash, sound_at_text_price: true}");
        assert!(warnings(text, "2026-12-31").is_empty());
        assert!(warnings(text, "2027-01-01")[0].contains("another one since 2027-01-01"));
        let own = "flash, price: {input: 1.5, cached_input: 1.5, cache_write: 1.5, output: 7.5},";
        assert!(warnings(&text.replace("flash,", own), "2027-01-01").is_empty());
    }

    #[test]
    fn sound_that_is_refused_is_warned_of() {
        let warnings = |written: &str| {
            let text = format!(
                "models:\n  - {{name: a, pool: p, vendor: openai, upstream: x, context: 9, \
                 max_output: 9, price: {{input: 1, cached_input: 1, cache_write: 1, output: 1}}, \
                 {written}}}\n"
            );
            Config::parse(&text, "c", &Environment::default()).unwrap().warnings("2026-12-31")
        };
        let told = warnings("capabilities: [chat, audio]");
        assert!(told.len() == 1 && told[0].contains("model 'a'") && told[0].contains("sound"));
        for fine in ["capabilities: [chat, vision]", "sound_at_text_price: true"] {
            assert!(warnings(fine).is_empty(), "{fine}");
        }
        assert!(warnings("capabilities: [chat, audio], sound_at_text_price: true").is_empty());
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
