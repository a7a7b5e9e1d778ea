//! `models`: what is known of vendors' models, and who says so.

use super::say;
use crate::role::Failure;
use infra::config::{Known, known_models};
use schemas::catalogue::Preset;
use serde_json::json;
use std::process::ExitCode;

/// Prints a table, or lines of JSON.
pub(super) fn run(as_json: bool) -> Result<ExitCode, Failure> {
    if as_json {
        for model in known_models() {
            say(line(model))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    say(
        "model  vendor  input/cached/write/output (USD per million)  context  output  can  retires",
    )?;
    for model in known_models() {
        let number = |number: Option<u64>| number.map_or("-".into(), |it| it.to_string());
        say(format!(
            "{}  {}  {}  {}  {}  {}  {}",
            model.name,
            model.preset.map_or(model.vendor.as_str(), Preset::as_str),
            model.prices().map_or("-".into(), |prices| prices.join("/")),
            number(model.context),
            number(model.max_output),
            can(model).unwrap_or_else(|| "-".into()),
            model.retires.as_deref().unwrap_or("-"),
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a model can be asked for, as words of config.yaml.
fn can(model: &Known) -> Option<String> {
    let told = serde_json::to_value(model.capabilities.as_ref()?).ok()?;
    let words = told.as_array()?.iter().filter_map(|word| word.as_str());
    Some(words.collect::<Vec<_>>().join(","))
}

fn line(model: &Known) -> String {
    let price = model.prices().map(|[input, cached_input, cache_write, output]| {
        json!({"input": input, "cached_input": cached_input, "cache_write": cache_write,
            "output": output})
    });
    let told = json!({
        "name": model.name,
        "aliases": model.aliases,
        "vendor": model.vendor,
        "preset": model.preset,
        "price": price,
        "price_ends": model.price_ends,
        "context": model.context,
        "max_output": model.max_output,
        "capabilities": model.capabilities,
        "released": model.released,
        "retires": model.retires,
        "source": model.source,
        "also": model.also,
        "seen": model.seen,
    });
    told.to_string()
}
