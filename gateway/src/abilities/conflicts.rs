//! What each can be asked for, but not together: Anthropic's models don't think before a call that
//! they must make. Both fields are named, because either may be what the client can do without.

use super::fields;
use infra::config::Model;
use schemas::catalogue::{Capability, Vendor};
use schemas::error::{ErrorCode, Problem};
use schemas::openai::ChatRequest;
use serde_json::Value;

/// Why fields can't stand together, if they can't.
pub(super) fn refusal(
    model: &Model,
    chat: &ChatRequest,
    is_left_out: impl Fn(&str) -> bool,
) -> Option<Problem> {
    let is_kept = |field: &str| fields::is_given(chat, field) && !is_left_out(field);
    if model.vendor != Vendor::Anthropic || !is_kept("thinking") || !thinks(chat) {
        return None;
    }
    if is_kept("tools") && is_kept("tool_choice") && forces_a_call(chat) {
        return Some(conflict("tool_choice"));
    }
    let by_tool = is_kept("response_format") && is_answered_by_tool(model, chat);
    by_tool.then(|| conflict("response_format"))
}

fn thinks(chat: &ChatRequest) -> bool {
    let kind = chat.rest.get("thinking").and_then(|thinking| thinking.get("type"));
    kind.and_then(Value::as_str).is_some_and(|kind| kind != "disabled")
}

pub(super) fn forces_a_call(chat: &ChatRequest) -> bool {
    let choice = chat.tool_choice.as_ref();
    choice.is_some_and(|choice| choice.is_object() || choice.as_str() == Some("required"))
}

/// Whether the answer would be the input of a tool that must be called.
fn is_answered_by_tool(model: &Model, chat: &ChatRequest) -> bool {
    let format = chat.response_format.as_ref().and_then(|format| format.get("type"));
    match format.and_then(Value::as_str) {
        Some("json_schema") => !model.can(Capability::JsonSchema),
        Some("json_object") => true,
        _ => false,
    }
}

fn conflict(field: &str) -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        format!(
            "このモデルは、{field} でツールの呼び出しを強制しながら thinking を使うことが\
             できません。どちらかを外してください。"
        ),
        format!(
            "This model can't think before a call that it must make: leave out either thinking or \
             '{field}'."
        ),
    )
    .at(field.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abilities::tests::{chat, model};
    use serde_json::json;

    fn refused(capabilities: &str, fields: Value) -> Option<String> {
        let model = model("vendor: anthropic", capabilities);
        let problem = refusal(&model, &chat(fields), |_| false);
        problem.and_then(|problem| problem.parameter)
    }

    #[test]
    fn a_forced_call_and_thoughts_do_not_go_together() {
        let native = "chat, tools, json_schema";
        let schema = json!({"type": "json_schema", "json_schema": {"name": "s", "schema": {}}});
        let object = json!({"type": "json_object"});
        for thinking in
            [json!({"type": "enabled", "budget_tokens": 1_024}), json!({"type": "adaptive"})]
        {
            let with = |mut fields: Value| {
                fields["thinking"] = thinking.clone();
                fields
            };
            let tools = |choice: Value| {
                with(json!({"tools": [{"type": "function"}], "tool_choice": choice}))
            };
            for choice in [json!("required"), json!({"function": {"name": "f"}})] {
                assert_eq!(refused(native, tools(choice)).as_deref(), Some("tool_choice"));
            }
            for choice in ["auto", "none"] {
                assert_eq!(refused(native, tools(json!(choice))), None);
            }
            let format = |format: &Value| with(json!({"response_format": format}));
            assert_eq!(refused(native, format(&schema)), None, "it has its own field for that");
            let field = Some("response_format");
            assert_eq!(refused("chat, tools", format(&schema)).as_deref(), field);
            assert_eq!(refused(native, format(&object)).as_deref(), field);
        }
        let disabled = json!({"thinking": {"type": "disabled"}, "response_format": object});
        assert_eq!(refused(native, disabled), None);
    }
}
