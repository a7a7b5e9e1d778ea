//! How much may be thought. The budget is a part of the answer's limit and must stay below it, so a
//! limit that is lowered on the way lowers the budget with it. Only where the model thinks between
//! its calls the budget is the whole turn's, and may be higher than one answer's limit.

use crate::problem;
use schemas::anthropic::{ANTHROPIC_BETA, INTERLEAVED_THINKING, beta_names};
use schemas::error::Problem;
use schemas::openai::ChatRequest;
use serde_json::Value;

/// The least budget that the API takes.
const BUDGET_MIN: u64 = 1_024;

/// What the client says of thinking, for an answer of so many tokens. Half of a lowered limit is
/// left for what isn't thought, where the least budget allows it.
pub(super) fn within(chat: &ChatRequest, max_tokens: u64) -> Result<Option<Value>, Problem> {
    let asked = chat.rest.get("thinking").filter(|thinking| thinking.is_object());
    let Some(mut thinking) = asked.cloned() else { return Ok(None) };
    let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
    // A budget that the client's own limit doesn't hold is the client's mistake: the API tells it.
    let limit = chat.answer_tokens_max().unwrap_or(u64::MAX);
    if budget.is_none_or(|budget| budget < max_tokens || budget >= limit) {
        return Ok(Some(thinking));
    }
    if max_tokens <= BUDGET_MIN {
        return if is_interleaved(chat) { Ok(Some(thinking)) } else { Err(no_room(max_tokens)) };
    }
    if let Some(thinking) = thinking.as_object_mut() {
        thinking.insert("budget_tokens".into(), (max_tokens / 2).max(BUDGET_MIN).into());
    }
    Ok(Some(thinking))
}

/// Whether the client asks for thoughts between calls.
fn is_interleaved(chat: &ChatRequest) -> bool {
    let names = chat.rest.get(ANTHROPIC_BETA).and_then(Value::as_str).unwrap_or_default();
    beta_names(names).any(|name| name == INTERLEAVED_THINKING)
}

fn no_room(max_tokens: u64) -> Problem {
    problem::cannot(
        "thinking.budget_tokens",
        format!(
            "この回答の上限は {max_tokens} トークンで（設定の max_tokens_per_request、モデルの上限、\
             または残高による）、thinking に必要な {BUDGET_MIN} トークンが入りません。\
             thinking を外してください。"
        ),
        format!(
            "This answer is capped at {max_tokens} tokens (max_tokens_per_request of the \
             configuration, the model's own limit, or the credit), which leaves no room for the \
             {BUDGET_MIN} that thinking needs: leave thinking out."
        ),
    )
}
