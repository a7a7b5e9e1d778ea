//! What a surface says of a field that is wrong, or that asks for what isn't offered here. The
//! field is always named; nothing is mended silently.

use crate::problems::not_offered;
use schemas::error::Problem;
use schemas::openai::ChatRequest;
use serde_json::{Map, Value};

/// The canonical form's own fields. What a surface left in `rest` under such a name would be that
/// field to whoever reads the form again, and nobody has checked it or held credit for it.
const CANONICAL: [&str; 20] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "n",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "response_format",
    "tools",
    "tool_choice",
    "user_preferences",
];

/// Whether several calls may be made at once.
pub(super) const PARALLEL_CALLS: &str = "parallel_tool_calls";

/// Refuses fields of these names, unless they are null; none of them is left.
pub(super) fn refuse(fields: &mut Map<String, Value>, names: &[&str]) -> Result<(), Problem> {
    for name in names {
        if fields.shift_remove(*name).is_some_and(|value| !value.is_null()) {
            return Err(not_offered(name));
        }
    }
    Ok(())
}

/// Refuses fields of the canonical form that a surface knows nothing of.
pub(super) fn refuse_canonical(rest: &mut Map<String, Value>) -> Result<(), Problem> {
    refuse(rest, &CANONICAL)
}

/// Leaves out what is said of tools where there are none: other APIs take it, OpenAI's chat refuses
/// it. A call that must be made stays: whoever answers says that there is nothing to call.
pub(super) fn without_idle_choice(mut chat: ChatRequest) -> ChatRequest {
    if chat.tools.is_none() {
        chat.rest.shift_remove(PARALLEL_CALLS);
        chat.tool_choice = chat.tool_choice.filter(|choice| choice != "auto" && choice != "none");
    }
    chat
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_field_of_the_canonical_form_is_known() {
        let schema = schemars::schema_for!(ChatRequest).to_value();
        let fields: Vec<&str> =
            schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, CANONICAL);
    }

    #[test]
    fn what_is_said_of_tools_needs_some() {
        let left = |tools: Value, choice: Value| {
            let asked = json!({"model": "m", "messages": [], "tools": tools,
                "tool_choice": choice, "parallel_tool_calls": false});
            let chat = without_idle_choice(serde_json::from_value(asked).unwrap());
            (chat.tool_choice, chat.rest.contains_key(PARALLEL_CALLS))
        };
        for choice in [json!("auto"), json!("none"), json!("required")] {
            let is_idle = choice != "required";
            assert_eq!(left(Value::Null, choice.clone()).0.is_none(), is_idle, "{choice}");
            assert!(!left(Value::Null, choice.clone()).1);
            let tools = json!([{"type": "function", "function": {"name": "f"}}]);
            assert_eq!(left(tools, choice.clone()), (Some(choice), true));
        }
    }
}
