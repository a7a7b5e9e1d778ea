//! What a vendor charges for beside tokens, and no price in the configuration covers: refused, so
//! that nobody is served for less than it costs. Nothing here is ever left out silently: a request
//! for faster service or a search is a wish that money was meant for.

use super::fields;
use schemas::error::{ErrorCode, Problem};
use schemas::openai::ChatRequest;
use serde_json::Value;

/// Tiers that cost at most what the price list says; every other one may cost more.
const SERVICE_TIERS: [&str; 6] =
    ["auto", "default", "flex", "standard", "standard_only", "on_demand"];

/// Fields that make a vendor search the web, for a fee for each search.
const SEARCHES: [&str; 4] = ["web_search_options", "search_parameters", "web_search", "plugins"];

/// Tools that the client itself runs: they cost their tokens and nothing else.
const CLIENT_TOOLS: [&str; 2] = ["function", "custom"];

/// The same, of Anthropic's own: a date follows.
const CLIENT_TOOLS_DATED: [&str; 4] = ["bash_", "text_editor_", "computer_", "memory_"];

/// Why a request can't be charged rightly, if it can't. `is_left_out` says which fields the model
/// will never see.
pub(super) fn refusal(chat: &ChatRequest, is_left_out: impl Fn(&str) -> bool) -> Option<Problem> {
    let is_kept = |field: &str| fields::is_given(chat, field) && !is_left_out(field);
    if is_kept("service_tier") && !is_usual(chat.rest.get("service_tier")) {
        return Some(unpriced("service_tier"));
    }
    if let Some(search) = SEARCHES.into_iter().find(|field| is_kept(field)) {
        return Some(unpriced(search));
    }
    if is_left_out("tools") {
        return None;
    }
    let place = chat.tools.iter().flatten().position(is_run_by_the_vendor);
    place.map(|place| unpriced(&format!("tools[{place}]")))
}

fn is_usual(tier: Option<&Value>) -> bool {
    tier.and_then(Value::as_str).is_some_and(|tier| SERVICE_TIERS.contains(&tier))
}

/// A search, a sandbox, a file store: each has its own fee, or brings tokens that no hold covers.
fn is_run_by_the_vendor(tool: &Value) -> bool {
    // Without a kind it is no tool at all, and the vendor says so.
    let Some(kind) = tool.get("type").and_then(Value::as_str) else { return false };
    !is_dated(kind) && !CLIENT_TOOLS.contains(&kind)
}

fn is_dated(kind: &str) -> bool {
    CLIENT_TOOLS_DATED.iter().any(|name| kind.starts_with(name))
}

/// One of Anthropic's own that the client runs: no other vendor knows what it is called with.
pub(super) fn is_run_by_the_client_for_anthropic(tool: &Value) -> bool {
    tool.get("type").and_then(Value::as_str).is_some_and(is_dated)
}

fn unpriced(field: &str) -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        format!("{field} には追加料金がかかりますが、料金が設定されていません。外してください。"),
        format!(
            "'{field}' costs extra at the vendor, and no price is set for it here: leave it out."
        ),
    )
    .at(field.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(fields: Value) -> Option<String> {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let chat = serde_json::from_value(body).unwrap();
        refusal(&chat, |field| field == "plugins").and_then(|problem| problem.parameter)
    }

    #[test]
    fn only_what_the_price_list_covers_passes() {
        for tier in SERVICE_TIERS {
            assert_eq!(refused(json!({"service_tier": tier})), None, "{tier}");
        }
        for tier in [json!("priority"), json!("of_tomorrow"), json!(1)] {
            assert_eq!(refused(json!({"service_tier": tier})).as_deref(), Some("service_tier"));
        }
        for field in ["web_search_options", "search_parameters", "web_search"] {
            assert_eq!(refused(json!({(field): {}})).as_deref(), Some(field));
        }
        assert_eq!(refused(json!({"service_tier": null, "web_search_options": null})), None);
        assert_eq!(refused(json!({"plugins": [{"id": "web"}]})), None, "the model never sees it");
    }

    #[test]
    fn tools_that_the_client_runs_pass_and_the_vendors_do_not() {
        let tools = |kind: &str| json!({"tools": [{"type": "function"}, {"type": kind}]});
        for kind in ["function", "custom", "bash_20250124", "computer_20251124", "memory_20250818"]
        {
            assert_eq!(refused(tools(kind)), None, "{kind}");
        }
        let vendors =
            ["web_search_20250305", "web_fetch_20250910", "code_execution_20250825", "mcp"];
        for kind in vendors {
            assert_eq!(refused(tools(kind)).as_deref(), Some("tools[1]"), "{kind}");
        }
    }
}
