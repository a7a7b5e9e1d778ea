//! Ranges and required keys as docs/config.md tells them, tried on the check that runs at the
//! start: both ends are taken, one step beyond is refused.

use crate::config::{DOCUMENT, rows};
use crate::tree::Tree;
use infra::config::Config;
use infra::environment::Environment;

/// A whole configuration, one key a line.
const WHOLE: &str = "\
models:
  -
    name: m
    pool: p
    vendor: VENDOR
    context: 1000
    max_output: 1
    price:
      input: 1
      cached_input: 1
      cache_write: 1
      cache_write_hour: 1
      output: 1
plans:
  -
    id: a
    usd: 1
    jpy: 100
    credit_usd: 1
    bonus_percent: 1
coupons:
  -
    code: WELCOME
    credit_usd: 1
    account_max: 1
    total_max: 1000
guards:
  block:
    -
      name: a
      pattern: x
";

/// What a model of our own has below its other keys.
const LLAMA: &str = "    llama:
      slots: 4
      threads: 1
      batch_tokens_max: 512
      instructions: auto
      gpu_layers: 0
      temperature: 1
      top_p: 1
      repetition_penalty: 1
";

fn is_taken(text: &str) -> bool {
    Config::parse(text, "planted", &Environment::default()).is_ok()
}

/// The whole configuration with another value for a key, or without it.
fn with(key: &str, value: Option<&str>) -> Option<String> {
    let (section, field) = key.rsplit_once('.')?;
    let text = match section {
        "models[].llama" => {
            WHOLE.replace("VENDOR", "llama").replace("plans:\n", &format!("{LLAMA}plans:\n"))
        }
        _ => WHOLE.replace("VENDOR", "openai"),
    };
    if !section.contains("[]") {
        let path = key.split('.').enumerate();
        let maps = path.map(|(depth, name)| format!("{:1$}{name}:", "", 2 * depth));
        let maps: Vec<String> = maps.collect();
        return Some(format!("{text}{} {}\n", maps.join("\n"), value?));
    }
    let start = format!("{field}: ");
    let (mut changed, mut is_there) = (String::new(), false);
    for line in text.lines() {
        if !line.trim_start().starts_with(&start) {
            changed.push_str(line);
            changed.push('\n');
            continue;
        }
        is_there = true;
        if let Some(value) = value {
            let indent = line.len() - line.trim_start().len();
            changed.push_str(&format!("{:indent$}{field}: {value}\n", ""));
        }
    }
    is_there.then_some(changed)
}

/// The ends of `1 to 256`, `from 0` or `above 0, up to 9`, in whole numbers.
fn ends(range: &str) -> Option<(i64, Option<i64>)> {
    if let Some((low, high)) = range.strip_prefix("above ").and_then(|it| it.split_once(", up to "))
    {
        return Some((low.parse::<i64>().ok()? + 1, Some(high.parse().ok()?)));
    }
    if let Some(low) = range.strip_prefix("from ") {
        return Some((low.parse().ok()?, None));
    }
    let (low, high) = range.split_once(" to ")?;
    Some((low.parse().ok()?, Some(high.parse().ok()?)))
}

pub(crate) fn ranges_are_those_of_the_check(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    let mut tried = 0;
    for row in rows(tree) {
        let (key, range) = (row.plain(0), row.plain(3));
        let Some((low, high)) = ends(&range) else { continue };
        let mut cases = vec![(low, true), (low - 1, false)];
        cases.extend(high.into_iter().flat_map(|high| [(high, true), (high + 1, false)]));
        for (value, expected) in cases {
            let taken = with(&key, Some(&value.to_string())).map(|text| is_taken(&text));
            if taken != Some(expected) {
                let place = format!("{DOCUMENT}:{}: {key} is {range}", row.line);
                found.push(format!("{place}, but {value} is taken: {taken:?}"));
            }
        }
        tried += 1;
    }
    if tried == 0 {
        found.push(format!("{DOCUMENT}: no range that this check can read"));
    }
    found
}

pub(crate) fn required_keys_are_required(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for row in rows(tree).iter().filter(|row| row.plain(0).contains("[].")) {
        let (key, is_required) = (row.plain(0), row.plain(2) == "required");
        let Some(without) = with(&key, None) else { continue };
        if is_taken(&without) == is_required {
            let place = format!("{DOCUMENT}:{}", row.line);
            found.push(format!("{place}: {key}: required is {is_required}, which is not so"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found;

    #[test]
    fn the_whole_configuration_is_taken() {
        assert!(is_taken(&WHOLE.replace("VENDOR", "openai")));
        assert!(is_taken(&with("models[].llama.slots", Some("1")).unwrap_or_default()));
    }

    #[test]
    fn a_wrong_range_is_found() {
        let check = ranges_are_those_of_the_check;
        let planted = |from: &str, to: &str| found(check, DOCUMENT, from, to).len();
        assert_eq!(planted("| 1 to 8388607 |", "| 1 to 8388608 |"), 1);
        assert_eq!(planted("| 1 to 64 |", "| 2 to 64 |"), 1);
        assert_eq!(planted("| 16 to 4096 |", "| 16 to 4000 |"), 1);
        assert_eq!(planted("| tokens | required | from 1 |", "| tokens | required | from 0 |"), 1);
        assert_eq!(planted("| above 0, up to 1000000 |", "| above 1, up to 1000000 |"), 1);
        assert_eq!(planted("| above 0, up to 1000000 |", "| above 0, up to 1000001 |"), 1);
    }

    #[test]
    fn a_key_that_is_required_or_not_is_found() {
        let check = required_keys_are_required;
        let planted = |from: &str, to: &str| found(check, DOCUMENT, from, to).len();
        assert_eq!(
            planted("| `models[].pool` | text | required |", "| `models[].pool` | text | p |"),
            1
        );
        let (slots, wrong) = ("| whole number | 4 | 1 to", "| whole number | required | 1 to");
        assert_eq!(planted(slots, wrong), 1);
    }
}
