//! LiteLLM's prices and limits of models: in its price file, and beside a model. They are USD per
//! token as floating-point numbers; ours are exact decimals per million. A price that nobody told
//! is never guessed.

use infra::config::Known as Row;
use schemas::catalogue::Capability;
use serde_json::{Map, Value};
use std::path::Path;

/// Largest price file, in bytes: LiteLLM's own has 3 MB.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Fields of a price that depends on something that ours doesn't look at.
const CONDITIONS: [&str; 5] = ["_above_", "tiered_pricing", "off_peak", "_priority", "_flex"];

/// A price file.
#[derive(Default)]
pub(super) struct Prices(Map<String, Value>);

/// What is known of a model, ours to write.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Known {
    /// As `{input: …, …}`.
    pub(super) price: String,
    pub(super) context: u64,
    pub(super) max_output: Option<u64>,
    pub(super) capabilities: Vec<&'static str>,
    /// Prices of it that depend on something.
    pub(super) conditional: Vec<String>,
}

impl Prices {
    /// Reads a file.
    ///
    /// # Errors
    /// When it can't be read or is no price file.
    pub(super) fn read(file: &Path) -> Result<Self, String> {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let size = std::fs::metadata(file).map_err(|error| told(&error))?.len();
        if size > FILE_BYTES_MAX {
            return Err(told(&format!("larger than {FILE_BYTES_MAX} bytes")));
        }
        let text = std::fs::read_to_string(file).map_err(|error| told(&error))?;
        Self::parse(&text).map_err(|error| told(&error))
    }

    /// Reads a text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match serde_json::from_str(text) {
            Ok(Value::Object(models)) => Ok(Self(models)),
            Ok(_) => Err("write an object of models, as LiteLLM's price file is".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The entry of the first name that is there.
    pub(super) fn of(&self, names: &[&str]) -> Option<&Map<String, Value>> {
        names.iter().find_map(|name| self.0.get(*name)?.as_object())
    }
}

/// What our own table knows of a model, in LiteLLM's fields. Prices are in it only if no other
/// place has one.
pub(super) fn catalogued(row: &Row, places: &[&Map<String, Value>]) -> Map<String, Value> {
    let mut fields = Map::new();
    let is_priced = places.iter().any(|place| place.contains_key("input_cost_per_token"));
    if let (Some(prices), false) = (row.prices(), is_priced) {
        let names = [
            "input_cost_per_token",
            "cache_read_input_token_cost",
            "cache_creation_input_token_cost",
            "output_cost_per_token",
        ];
        for (name, price) in names.into_iter().zip(prices) {
            fields.insert(name.into(), format!("{price}e-6").into());
        }
    }
    let limits = [("max_input_tokens", row.context), ("max_output_tokens", row.max_output)];
    for (name, limit) in limits {
        fields.extend(limit.map(|limit| (name.to_owned(), limit.into())));
    }
    for capability in row.capabilities.iter().flatten() {
        let name = match capability {
            Capability::Tools => "supports_function_calling",
            Capability::Vision => "supports_vision",
            Capability::JsonSchema => "supports_response_schema",
            Capability::Audio => "supports_audio_input",
            Capability::Files => "supports_pdf_input",
            Capability::Chat | Capability::Embeddings => continue,
        };
        fields.insert(name.into(), true.into());
    }
    fields
}

/// Whether a model makes embeddings; one that does neither that nor talk is an error.
pub(super) fn embeds(places: &[&Map<String, Value>]) -> Result<bool, String> {
    let mode = places.iter().find_map(|place| place.get("mode")?.as_str()).unwrap_or("chat");
    match mode {
        "chat" | "completion" | "responses" => Ok(false),
        "embedding" => Ok(true),
        _ => Err(format!("mode '{mode}' is none that models have here")),
    }
}

/// What the fields of a model say, the first of the places that has each; or what is missing.
pub(super) fn known(places: &[&Map<String, Value>]) -> Result<Known, String> {
    let field =
        |name: &str| places.iter().find_map(|place| place.get(name).filter(|it| !it.is_null()));
    let number = |name: &str| field(name).and_then(whole);
    let embeds = embeds(places)?;
    let cost = |name: &str| field(name).map(|cost| per_million(name, cost)).transpose();
    let input = cost("input_cost_per_token")?.ok_or("no input_cost_per_token is known")?;
    let price = if embeds {
        format!("{{input: {input}}}")
    } else {
        let output = cost("output_cost_per_token")?.ok_or("no output_cost_per_token is known")?;
        // What has no price of its own costs no less than plain input.
        let cached = cost("cache_read_input_token_cost")?.unwrap_or_else(|| input.clone());
        let write = cost("cache_creation_input_token_cost")?.unwrap_or_else(|| input.clone());
        format!(
            "{{input: {input}, cached_input: {cached}, cache_write: {write}, output: {output}}}"
        )
    };
    let context = number("max_input_tokens").or_else(|| number("max_tokens"));
    let max_output = number("max_output_tokens").or_else(|| number("max_tokens"));
    let context = context.ok_or(match (embeds, max_output) {
        (false, None) => "no max_input_tokens and max_output_tokens are known",
        _ => "no max_input_tokens is known",
    })?;
    let max_output = (!embeds).then(|| max_output.unwrap_or(context).min(context));
    let is = |name: &str| field(name).and_then(Value::as_bool) == Some(true);
    let supported = [
        ("tools", is("supports_function_calling")),
        ("vision", is("supports_vision")),
        ("json_schema", is("supports_response_schema")),
        ("audio", is("supports_audio_input")),
        ("files", is("supports_pdf_input")),
    ];
    let first = if embeds { "embeddings" } else { "chat" };
    let more = supported.into_iter().filter(|(_, is)| *is && !embeds).map(|(name, _)| name);
    let fields = places.iter().flat_map(|place| place.keys());
    let depends = |name: &&String| CONDITIONS.iter().any(|part| name.contains(part));
    Ok(Known {
        price,
        context,
        max_output,
        capabilities: std::iter::once(first).chain(more).collect(),
        conditional: fields.filter(depends).cloned().collect(),
    })
}

/// A whole number, which some files write as a text or with a point.
fn whole(value: &Value) -> Option<u64> {
    let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let text = text.strip_suffix(".0").unwrap_or(&text).to_owned();
    text.parse().ok().filter(|number| *number > 0)
}

/// USD per token → USD per million tokens, exactly as the number is written.
fn per_million(name: &str, value: &Value) -> Result<String, String> {
    let written = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let wrong = || format!("{name}: '{written}' is no price in USD per token");
    let lower = written.trim().to_ascii_lowercase();
    let (digits, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let exponent: i32 = exponent.parse().map_err(|_| wrong())?;
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = format!("{whole}{part}");
    if plain.is_empty() || plain.len() > 30 || !plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: i128 = plain.parse().map_err(|_| wrong())?;
    // Millionths of a USD per million tokens: the smallest step that ours knows.
    let shift = i32::try_from(part.len()).map_err(|_| wrong())? - exponent - 12;
    let ten = |power: i32| 10i128.checked_pow(u32::try_from(power).ok()?);
    let steps = match shift {
        ..=0 => ten(-shift).and_then(|ten| number.checked_mul(ten)),
        // A price is rounded up: never for less than it costs.
        1.. => Some(ten(shift).map_or(i128::from(number > 0), |ten| (number + ten - 1) / ten)),
    };
    let steps = steps.filter(|steps| *steps <= 1_000_000_000_000).ok_or_else(wrong)?;
    let text = format!("{}.{:06}", steps / 1_000_000, steps % 1_000_000);
    Ok(text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn prices_per_token_are_exact_per_million() {
        for (written, expected) in [
            (json!(1.5e-07), "0.15"),
            (json!(0.0000025), "2.5"),
            (json!("3e-06"), "3"),
            (json!(0), "0"),
            (json!(0.00003), "30"),
            (json!("1.23456789e-13"), "0.000001"),
        ] {
            assert_eq!(per_million("x", &written).unwrap(), expected, "{written}");
        }
        for wrong in [json!("-1e-6"), json!("free"), json!(true), json!(5), json!("1e999999999")] {
            assert!(per_million("x", &wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_missing_is_said_and_never_guessed() {
        let of = |value: Value| known(&[value.as_object().unwrap()]);
        let whole = json!({"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6,
            "max_input_tokens": 1000, "max_output_tokens": "5000", "supports_vision": true,
            "input_cost_per_token_above_200k_tokens": 4e-6});
        let found = of(whole.clone()).unwrap();
        assert_eq!(found.price, "{input: 1, cached_input: 1, cache_write: 1, output: 2}");
        assert_eq!((found.context, found.max_output), (1000, Some(1000)));
        assert_eq!(found.capabilities, ["chat", "vision"]);
        assert_eq!(found.conditional, ["input_cost_per_token_above_200k_tokens"]);
        for field in ["input_cost_per_token", "output_cost_per_token", "max_input_tokens"] {
            let mut less = whole.clone();
            less.as_object_mut().unwrap().shift_remove(field);
            assert!(of(less).unwrap_err().contains(field));
        }
        assert!(of(json!({"mode": "image_generation"})).is_err());
        assert!(Prices::parse("[]").is_err());
    }
}
