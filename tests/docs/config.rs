//! docs/config.md against the configuration: its keys are the fields that the code reads, the keys
//! of the default file are among them, its defaults are the code's, and its examples are accepted.

use crate::markdown::{Row, blocks, prose, spans, tables};
use crate::source;
use crate::tree::Tree;
use infra::config::Config;
use infra::environment::Environment;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DOCUMENT: &str = "docs/config.md";
const FILE: &str = "config.yaml";
const SECTIONS: &str = "infra/src/config/sections.rs";
const LIMITS: &str = "infra/src/config/limits.rs";
const SHAPE: &str = "infra/src/config/file.rs";
const UNPRICED: &str = "gateway/src/abilities/unpriced.rs";
/// The fields that are refused because somebody else would answer, or a search would cost.
const REFUSED: [&str; 3] = ["SEARCHES", "ELSEWHERE", "LENGTHS"];

/// Which struct holds the keys below a prefix.
const STRUCTS: [(&str, &str, &str); 22] = [
    ("gateway.", SECTIONS, "Gateway"),
    ("queue.", SECTIONS, "Queue"),
    ("workers.", SECTIONS, "Workers"),
    ("breaker.", SECTIONS, "Breaker"),
    ("auto.", SECTIONS, "Auto"),
    ("limits.", LIMITS, "Limits"),
    ("limits.account.", LIMITS, "AccountLimits"),
    ("cache.", SECTIONS, "Cache"),
    ("responses.", SECTIONS, "Responses"),
    ("idempotency.", "infra/src/config/idempotency.rs", "Idempotency"),
    ("budget.", SECTIONS, "Budget"),
    ("privacy.", SECTIONS, "Privacy"),
    ("guards.", "infra/src/config/guards.rs", "FileGuards"),
    ("guards.block[].", "infra/src/config/guards.rs", "BlockRule"),
    ("plans[].", SECTIONS, "Plan"),
    ("coupons[].", SECTIONS, "Coupon"),
    ("stripe.", SECTIONS, "Stripe"),
    ("models[].", SHAPE, "FileModel"),
    ("models[].deployments[].", SHAPE, "FileDeployment"),
    ("models[].price.", SHAPE, "FilePrice"),
    ("models[].cost.", SHAPE, "FilePrice"),
    ("models[].llama.", SHAPE, "FileLlama"),
];

/// Sections whose values in the default file are also the code's defaults.
const PLAIN: [&str; 11] = [
    "gateway.",
    "queue.",
    "workers.",
    "breaker.",
    "limits.",
    "cache.",
    "responses.",
    "idempotency.",
    "budget.",
    "privacy.",
    "guards.block",
];

/// A model with what is required and nothing else.
const SMALLEST: &str = "models:\n  -\n    name: m\n    pool: p\n    vendor: openai\n    \
    context: 1000\n    max_output: 100\n    \
    price: {input: 1, cached_input: 1, cache_write: 1, output: 1}\n";

/// The rows of all tables of keys.
pub(crate) fn rows(tree: &Tree) -> Vec<Row> {
    let header = ["key", "type", "default", "range", "meaning"];
    tables(&tree.text(DOCUMENT), &header).into_iter().flatten().collect()
}

pub(crate) fn keys_are_those_of_the_code(tree: &Tree) -> Vec<String> {
    let told: Vec<String> = rows(tree).iter().map(|row| row.plain(0)).collect();
    let mut real = BTreeSet::new();
    let has_keys = |field: &String| {
        STRUCTS.iter().any(|(prefix, ..)| {
            prefix.trim_end_matches('.').trim_end_matches("[]") == field.as_str()
        })
    };
    for (prefix, file, name) in STRUCTS {
        let fields = source::fields(&tree.text(file), name);
        let keys = fields.into_iter().map(|field| format!("{prefix}{field}"));
        // A map within another is told by its own keys, and may be told itself.
        real.extend(keys.filter(|key| !has_keys(key) || told.contains(key)));
    }
    let top = source::fields(&tree.text(SHAPE), "File");
    real.extend(top.into_iter().filter(|field| !has_keys(field)));
    let written: BTreeSet<String> =
        leaves(&tree.text(FILE)).into_iter().map(|(key, _)| key).collect();
    let known: BTreeSet<String> = told.iter().cloned().collect();
    let mut found = Vec::new();
    found.extend(real.difference(&known).map(|key| format!("{DOCUMENT}: tell {key}")));
    found.extend(known.difference(&real).map(|key| format!("{DOCUMENT}: no such key: {key}")));
    found.extend(written.difference(&known).map(|key| format!("{FILE}: {key} is not told")));
    if known.len() != told.len() {
        found.push(format!("{DOCUMENT}: a key is told twice"));
    }
    found
}

pub(crate) fn defaults_are_those_of_the_code(tree: &Tree) -> Vec<String> {
    let told: BTreeMap<String, String> =
        rows(tree).iter().map(|row| (row.plain(0), row.plain(2))).collect();
    // A list has no entries by default.
    let is_plain =
        |key: &str| !key.contains("[]") && PLAIN.iter().any(|section| key.starts_with(section));
    let mut real: BTreeMap<String, String> = leaves(&tree.text(FILE))
        .into_iter()
        .filter(|(key, _)| is_plain(key))
        .map(|(key, value)| (key, if value == "null" { "none".to_owned() } else { value }))
        .collect();
    match of_model() {
        Ok(defaults) => real.extend(defaults),
        Err(error) => return vec![error],
    }
    let mut found = Vec::new();
    for (key, value) in &real {
        if told.get(key) != Some(value) {
            found.push(format!(
                "{DOCUMENT}: the default of {key} is {value}, not {:?}",
                told.get(key)
            ));
        }
    }
    for key in told.keys().filter(|key| is_plain(key) && !real.contains_key(*key)) {
        found.push(format!("{FILE}: write {key} with its default"));
    }
    found
}

/// Lists of models can be pasted as they stand.
pub(crate) fn examples_are_accepted(tree: &Tree) -> Vec<String> {
    let examples = blocks(&tree.text(DOCUMENT)).into_iter();
    let models = examples.filter(|block| block.text.starts_with("models:"));
    let mistakes = models.flat_map(|block| {
        let mistakes = Config::mistakes(&block.text, "example", &Environment::default());
        mistakes.into_iter().map(move |mistake| format!("{DOCUMENT}:{}: {mistake}", block.line))
    });
    mistakes.collect()
}

/// Every field of a request that is refused for its price is named.
pub(crate) fn refused_fields_are_told(tree: &Tree) -> Vec<String> {
    let text = tree.text(DOCUMENT);
    let told: BTreeSet<&str> = prose(&text).into_iter().flat_map(|(_, line)| spans(line)).collect();
    let code = tree.text(UNPRICED);
    let mut found = Vec::new();
    for list in REFUSED {
        let fields = source::constant(&code, list).unwrap_or_default();
        let fields: Vec<&str> = fields.split('"').skip(1).step_by(2).collect();
        if fields.is_empty() {
            found.push(format!("{UNPRICED}: no {list} that this check can read"));
        }
        let missing = fields.into_iter().filter(|field| !told.contains(field));
        found.extend(missing.map(|field| format!("{DOCUMENT}: tell {field} of {list}")));
    }
    found
}

/// What a model has that says nothing of it.
fn of_model() -> Result<Vec<(String, String)>, String> {
    let parse = |text: &str| {
        Config::parse(text, "smallest", &Environment::default()).map_err(|error| error.to_string())
    };
    let config = parse(SMALLEST)?;
    let llama = parse(&SMALLEST.replace("openai", "llama"))?;
    let model = config.models.iter().next().ok_or("no model")?;
    let llama = llama.models.iter().next().and_then(|m| m.llama.clone()).ok_or("no llama")?;
    let absent = |is_absent: bool| if is_absent { "none" } else { "something" }.to_owned();
    let upstream = if model.upstream == model.name { "the name" } else { "another" };
    // Wanted, and not in an empty environment.
    let is_usual = model.key_wanted && model.api_keys.is_empty();
    let key = if is_usual { "the vendor's" } else { "another" };
    let defaults = [
        ("aliases", format!("{:?}", model.aliases)),
        ("upstream", upstream.to_owned()),
        ("api_key", key.to_owned()),
        ("api_keys", format!("{:?}", model.api_keys)),
        ("deployments", format!("{:?}", model.places)),
        ("capabilities", format!("{:?}", model.capabilities).to_lowercase()),
        ("tier", format!("{:?}", model.tier).to_lowercase()),
        ("llama.file", absent(llama.file.is_none())),
        ("llama.slots", llama.slots.to_string()),
        ("llama.threads", absent(llama.threads.is_none())),
        ("llama.batch_tokens_max", llama.batch_tokens_max.to_string()),
        ("llama.gpu_layers", llama.gpu_layers.to_string()),
        ("llama.system_prompt", absent(llama.system_prompt.is_none())),
    ];
    let mut defaults: Vec<(String, String)> =
        defaults.into_iter().map(|(key, value)| (format!("models[].{key}"), value)).collect();
    let auto = &config.auto;
    defaults.push(("auto.candidates".into(), format!("{:?}", auto.candidates)));
    defaults.push(("auto.default".into(), absent(auto.default.is_none())));
    defaults.push(("auto.max_cost".into(), absent(auto.max_cost.is_none())));
    defaults.push(("auto.locale".into(), absent(auto.locale.is_none())));
    defaults.push(("auto.pin_seconds".into(), auto.pin_seconds.to_string()));
    defaults.push(("auto.escalate".into(), auto.escalate.to_string()));
    defaults.push(("fallbacks".into(), format!("{:?}", config.fallbacks)));
    let longer = format!("{:?}", config.context_window_fallbacks);
    defaults.push(("context_window_fallbacks".into(), longer));
    Ok(defaults)
}

/// Keys and values of a file like config.yaml: block maps, lists of maps, and maps on one line.
fn leaves(text: &str) -> Vec<(String, String)> {
    let mut leaves = Vec::new();
    let mut stack: Vec<(usize, String)> = Vec::new();
    for line in text.lines() {
        let line = line.split(" #").next().unwrap_or_default().trim_end();
        let mut indent = line.len() - line.trim_start().len();
        let mut content = line.trim_start();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        stack.retain(|(depth, _)| *depth < indent);
        let parent = |stack: &[(usize, String)]| {
            stack.last().map(|(_, path)| path.clone()).unwrap_or_default()
        };
        if let Some(item) = content.strip_prefix("- ") {
            let path = format!("{}[]", parent(&stack));
            stack.push((indent, path));
            (indent, content) = (indent + 2, item);
        }
        let above = parent(&stack);
        if content.starts_with('{') {
            leaves.extend(inside(&above, content));
            continue;
        }
        let (key, value) = content.split_once(':').unwrap_or((content, ""));
        let path = if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") };
        let value = value.trim();
        if matches!(above.as_str(), "fallbacks" | "context_window_fallbacks") {
            leaves.push((above, String::new()));
        } else if value.starts_with('{') && value != "{}" {
            leaves.extend(inside(&path, value));
        } else if !value.is_empty() {
            leaves.push((path.clone(), value.to_owned()));
        }
        stack.push((indent, path));
    }
    leaves
}

/// `{a: 1, b: 2}` below a path.
fn inside(path: &str, map: &str) -> Vec<(String, String)> {
    let pairs = map.trim_matches(['{', '}']).split(',').filter_map(|pair| pair.split_once(':'));
    pairs.map(|(key, value)| (format!("{path}.{}", key.trim()), value.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found;

    #[test]
    fn the_default_file_is_read() {
        let all: BTreeMap<_, _> = leaves(&Tree::read().text(FILE)).into_iter().collect();
        assert_eq!(all.get("gateway.ping_seconds").map(String::as_str), Some("5"));
        assert_eq!(all.get("models[].llama.slots").map(String::as_str), Some("4"));
        for key in ["models[].price.cache_write", "plans[].bonus_percent", "fallbacks"] {
            assert!(all.contains_key(key), "{key}");
        }
    }

    #[test]
    fn keys_that_differ_are_found() {
        let planted = |path: &str, from: &str, to: &str| {
            found(keys_are_those_of_the_code, path, from, to).len()
        };
        assert_eq!(planted(DOCUMENT, "| `queue.replicas` |", "| `queue.copies` |"), 3);
        assert_eq!(planted(SECTIONS, "pub ping_seconds: u64", "pub ping_ms: u64"), 2);
        assert_eq!(planted(FILE, "  ping_seconds:", "  ping_milliseconds:"), 1);
    }

    #[test]
    fn a_refused_field_that_is_not_told_is_found() {
        let planted =
            |path: &str, from: &str, to: &str| found(refused_fields_are_told, path, from, to).len();
        assert_eq!(planted(DOCUMENT, "`lora_request`, ", ""), 1);
        assert_eq!(planted(UNPRICED, "    \"best_of\",", "    \"best_of\", \"best_off\","), 1);
        assert_eq!(planted(UNPRICED, "const ELSEWHERE:", "const OTHERS:"), 1);
    }

    #[test]
    fn an_example_that_is_refused_is_found() {
        let planted = |from: &str, to: &str| found(examples_are_accepted, DOCUMENT, from, to).len();
        assert_eq!(planted("preset: deepseek, api_key", "preset: deepsea, api_key"), 1);
        assert_eq!(planted("    max_output: 4096\n", "    …\n"), 1);
    }

    #[test]
    fn defaults_that_differ_are_found() {
        let planted = |path: &str, from: &str, to: &str| {
            found(defaults_are_those_of_the_code, path, from, to).len()
        };
        assert_eq!(planted(DOCUMENT, "| 7000000 |", "| 8000000 |"), 1);
        assert_eq!(planted(FILE, "  parallel: 32", "  parallel: 33"), 1);
        assert_eq!(planted(DOCUMENT, "| standard |", "| premium |"), 1);
        assert_eq!(planted(FILE, "  parallel: 32\n", ""), 1);
    }
}
