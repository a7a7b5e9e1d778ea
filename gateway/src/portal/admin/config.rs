//! The configuration as it was loaded, told as a file tells it, and where this gateway listens. It
//! is read off what Rust prints of it: there a secret hides itself.

use super::super::guard::Operator;
use super::super::look::Look;
use super::super::texts::Admin;
use super::room;
use crate::state::Gateway;
use axum::extract::State;
use axum::response::Response;
use maud::html;
use schemas::money::MicroUsd;
use std::str::Lines;
use std::sync::Arc;

/// Shows it.
pub(super) async fn show(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    who: Operator,
) -> Response {
    let t = Admin::of(look.language);
    let listening = gateway.front.listening.get();
    room(
        &look,
        &who,
        ("/admin/config", t.config),
        html! {
            p.soft { (t.config_text) }
            @if let Some(addresses) = listening {
                p {
                    (t.listening)
                    @for address in addresses { " " code { (address) } }
                }
            }
            @for (name, told) in sections(&format!("{:#?}", gateway.config)) {
                details.section {
                    summary { code { (name) } }
                    pre tabindex="0" { (told) }
                }
            }
        },
    )
}

/// Something of a printed structure.
#[derive(Debug, PartialEq)]
enum Printed {
    Text(String),
    Many(Vec<Item>),
}

/// With its name, where it has one.
type Item = (Option<String>, Printed);

/// The parts of a printed structure by their names.
fn sections(printed: &str) -> Vec<(String, String)> {
    let mut whole = read(&mut printed.lines());
    let Some((_, Printed::Many(parts))) = whole.pop() else { return Vec::new() };
    let told = |(name, mut part): Item| {
        let name = name?;
        if let Printed::Many(inner) = &mut part {
            // Models stand beside an index of theirs, which no file has.
            let own = inner.iter().position(|(inner, _)| inner.as_ref() == Some(&name));
            if let Some(own) = own {
                part = inner.swap_remove(own).1;
            }
        }
        let mut text = String::new();
        write(&mut text, &[(Some(name.clone()), part)], 0);
        Some((name, text.trim_end().to_owned()))
    };
    parts.into_iter().filter_map(told).collect()
}

/// Reads to the end of what was opened.
fn read(lines: &mut Lines<'_>) -> Vec<Item> {
    let mut items = Vec::new();
    while let Some(line) = lines.next() {
        let line = line.trim().trim_end_matches(',');
        if matches!(line, "}" | "]" | ")") {
            break;
        }
        let (name, rest) = named(line);
        let is_text = rest.starts_with('"');
        let opened = rest.strip_suffix(['{', '[', '(']).filter(|_| !is_text);
        let value = match opened {
            Some(kind) => closed(kind.trim_end(), read(lines)),
            None => Printed::Text(plain(rest)),
        };
        items.push((name, value));
    }
    items
}

/// A name before what it names: a field's, or a text that is a key.
fn named(line: &str) -> (Option<String>, &str) {
    let quoted = line.strip_prefix('"').and_then(|line| line.split_once("\": "));
    let field = || {
        let found = line.split_once(": ");
        found.filter(|(name, _)| {
            name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        })
    };
    match quoted.or_else(field) {
        Some((name, rest)) => (Some(name.to_owned()), rest),
        None => (None, line),
    }
}

/// What stands alone in its wrapping is told without it; amounts as in the file, in USD.
fn closed(kind: &str, mut items: Vec<Item>) -> Printed {
    let is_wrapping = !kind.is_empty() && matches!(items.as_slice(), [(None, _)]);
    let Some((None, inner)) = items.pop_if(|_| is_wrapping) else { return Printed::Many(items) };
    match (&inner, kind) {
        // 1 pico-USD per token is 1 micro-USD per million tokens: both are told as micro-USD.
        (Printed::Text(text), "MicroUsd" | "PicoUsdPerToken") => {
            let usd = text.parse().map(|micro| MicroUsd(micro).to_string());
            usd.map_or(inner, Printed::Text)
        }
        _ => inner,
    }
}

/// A choice as the file spells it; nothing as `null`.
fn plain(text: &str) -> String {
    let is_choice = text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match text {
        "None" => "null".to_owned(),
        _ if is_choice => {
            let mut spelled = String::new();
            for letter in text.chars() {
                if letter.is_ascii_uppercase() && !spelled.is_empty() {
                    spelled.push('_');
                }
                spelled.push(letter.to_ascii_lowercase());
            }
            spelled
        }
        _ => text.to_owned(),
    }
}

fn write(text: &mut String, items: &[Item], depth: usize) {
    for (name, value) in items {
        let name = name.as_ref().map_or_else(|| "-".to_owned(), |name| format!("{name}:"));
        text.push_str(&"  ".repeat(depth));
        text.push_str(&name);
        match value {
            Printed::Text(value) => text.extend([" ", value, "\n"]),
            Printed::Many(items) => {
                text.push('\n');
                write(text, items, depth + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use infra::secret::Secret;
    use schemas::money::PicoUsdPerToken;
    use std::collections::BTreeMap;

    #[derive(Debug)]
    enum Choice {
        BestEffort,
    }

    #[derive(Debug)]
    #[allow(dead_code, reason = "only printed")]
    struct Models {
        by_name: Vec<u8>,
        models: Vec<Price>,
    }

    #[derive(Debug)]
    #[allow(dead_code, reason = "only printed")]
    struct Price {
        input: PicoUsdPerToken,
        most: Option<MicroUsd>,
    }

    #[derive(Debug)]
    #[allow(dead_code, reason = "only printed")]
    struct Outer {
        listen: &'static str,
        key: Option<Secret>,
        models: Models,
        by_text: BTreeMap<&'static str, Option<Choice>>,
        none: Option<u8>,
        empty: Vec<u8>,
    }

    #[test]
    fn a_printed_structure_is_told_as_a_file_tells_it() {
        let price = Price { input: PicoUsdPerToken(150_000), most: Some(MicroUsd(2_500_000)) };
        let outer = Outer {
            listen: "127.0.0.1:8080",
            key: Some(Secret::new("hidden")),
            models: Models { by_name: vec![1], models: vec![price] },
            by_text: [("a: {", Some(Choice::BestEffort)), ("b", None)].into(),
            none: None,
            empty: Vec::new(),
        };
        let expected = [
            ("listen", "listen: \"127.0.0.1:8080\""),
            ("key", "key: ***"),
            ("models", "models:\n  -\n    input: 0.15\n    most: 2.5"),
            ("by_text", "by_text:\n  a: {: best_effort\n  b: null"),
            ("none", "none: null"),
            ("empty", "empty: []"),
        ];
        let expected = expected.map(|(name, told)| (name.to_owned(), told.to_owned()));
        assert_eq!(sections(&format!("{outer:#?}")), expected);
    }
}
