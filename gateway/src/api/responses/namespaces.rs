//! Tools that come in groups with a name of their own, as coding agents send those of MCP servers.
//! A chat has no groups: there each tool's name begins with its group's, and an answer's calls are
//! told by both names again, because clients find a tool by both.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// The kind of such a group among the tools, and the field of a call that names it.
pub(super) const NAMESPACE: &str = "namespace";

/// What stands between both names. Groups of MCP servers often end with it already.
const BETWEEN: &str = "__";

/// The longest name that vendors take, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Of a digest so many bytes tell names apart that had to be changed.
const DIGEST_BYTES: usize = 6;

/// The groups of a request's tools, by the names that its chat has.
#[derive(Default)]
pub(super) struct Namespaces(HashMap<String, (String, String)>);

impl Namespaces {
    /// Those of the tools as the client sent them.
    pub(super) fn of(tools: Option<&Value>) -> Self {
        let tools = tools.and_then(Value::as_array).into_iter().flatten();
        let groups = tools.filter(|tool| tool["type"] == NAMESPACE);
        let named = groups.flat_map(|group| {
            let namespace = group["name"].as_str().unwrap_or_default();
            let tools = group["tools"].as_array().into_iter().flatten();
            let names = tools.filter_map(|tool| tool["name"].as_str());
            names.map(move |name| {
                (in_chat(namespace, name), (namespace.to_owned(), name.to_owned()))
            })
        });
        Self(named.collect())
    }

    /// The group and the name there of what a chat calls so, if it is in a group.
    pub(super) fn find(&self, name: &str) -> Option<&(String, String)> {
        self.0.get(name)
    }
}

/// What a tool of a group is called in a chat. Letters that vendors don't take are replaced, and
/// names that are changed or cut end with a digest.
pub(super) fn in_chat(namespace: &str, name: &str) -> String {
    let between = if namespace.ends_with(BETWEEN) { "" } else { BETWEEN };
    let whole = [namespace, between, name].concat();
    let is_taken = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    if whole.len() <= NAME_BYTES_MAX && whole.chars().all(is_taken) {
        return whole;
    }
    let digest = Sha256::digest(whole.as_bytes());
    let digest = URL_SAFE_NO_PAD.encode(digest.get(..DIGEST_BYTES).unwrap_or_default());
    let letters = whole.chars().map(|letter| if is_taken(letter) { letter } else { '_' });
    let begin: String = letters.take(NAME_BYTES_MAX - digest.len() - 1).collect();
    [begin, digest].join("_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_tool_is_found_by_its_name_in_a_chat() {
        let tools = json!([
            {"type": "function", "name": "alone"},
            {"type": "namespace", "name": "mcp__docs__", "tools": [{"name": "search"}]},
            {"type": "namespace", "name": "mcp__docs", "tools": [{"name": "read.page"}]},
        ]);
        let namespaces = Namespaces::of(Some(&tools));
        for (namespace, name) in [("mcp__docs__", "search"), ("mcp__docs", "read.page")] {
            let found = namespaces.find(&in_chat(namespace, name));
            assert_eq!(found, Some(&(namespace.to_owned(), name.to_owned())));
        }
        assert_eq!(in_chat("mcp__docs__", "search"), "mcp__docs__search");
        assert_eq!(in_chat("mcp__docs", "search"), "mcp__docs__search");
        assert_eq!(namespaces.find("alone"), None);
        assert_eq!(Namespaces::of(None).find("search"), None);
    }

    #[test]
    fn vendors_take_every_name_and_no_two_are_equal() {
        let long = "a".repeat(80);
        let names = ["read.page", "read_page", "検索", "検査", &long, &format!("{long}b")];
        let in_chat: Vec<String> = names.iter().map(|name| in_chat("mcp", name)).collect();
        for (place, name) in in_chat.iter().enumerate() {
            assert!(name.len() <= NAME_BYTES_MAX, "{name}");
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            assert!(name.bytes().all(is_plain), "{name}");
            assert!(!in_chat[..place].contains(name), "{name}");
        }
    }
}
