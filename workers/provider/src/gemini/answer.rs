//! A whole answer, and the parts of one that a stream shares with it: parts, finish reasons, usage,
//! log probabilities. Thoughts never become content.

use super::error;
use crate::problem;
use crate::translate::{CALLS_MAX, Whole};
use schemas::error::Problem;
use schemas::openai::{AnswerChoice, AnswerMessage, CHOICES_MAX, FinishReason};
use schemas::usage::Usage;
use serde::Deserialize;
use serde_json::{Value, json};

/// `GenerateContentResponse`: a whole answer, or one event of a stream.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    #[serde(default)]
    pub(super) error: Option<Value>,
    #[serde(default)]
    pub(super) candidates: Vec<Candidate>,
    #[serde(default)]
    pub(super) prompt_feedback: Option<Feedback>,
    #[serde(default)]
    pub(super) usage_metadata: Option<Counts>,
    #[serde(default)]
    pub(super) response_id: Option<String>,
}

/// Why a prompt wasn't answered.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Feedback {
    #[serde(default)]
    block_reason: Option<String>,
}

/// One choice, or a piece of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate {
    #[serde(default)]
    pub(super) index: u32,
    #[serde(default)]
    pub(super) content: Option<Content>,
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
    #[serde(default)]
    pub(super) logprobs_result: Option<Value>,
}

/// What was said.
#[derive(Deserialize)]
pub(super) struct Content {
    #[serde(default)]
    pub(super) parts: Vec<Part>,
}

/// One part: a text, a thought, or a call.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    thought: bool,
    #[serde(default)]
    function_call: Option<FunctionCall>,
    #[serde(default)]
    thought_signature: Option<String>,
}

#[derive(Deserialize)]
struct FunctionCall {
    #[serde(default)]
    id: Option<String>,
    name: String,
    #[serde(default)]
    args: Option<Value>,
}

/// What the vendor counted; what is absent is zero, but never the prompt.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counts {
    #[serde(default)]
    prompt_token_count: Option<u64>,
    #[serde(default)]
    tool_use_prompt_token_count: Option<u64>,
    #[serde(default)]
    cached_content_token_count: Option<u64>,
    #[serde(default)]
    candidates_token_count: Option<u64>,
    #[serde(default)]
    thoughts_token_count: Option<u64>,
}

/// What a part says, in OpenAI's words.
pub(super) enum Said {
    Text(String),
    Thought(String),
    /// A call without its index.
    Call(Value),
    Nothing,
}

/// Reads a 2xx body.
pub(super) fn answer(body: &[u8]) -> Result<Whole, Problem> {
    let response: Response = serde_json::from_slice(body).map_err(problem::unreadable)?;
    response.check()?;
    if response.candidates.is_empty() || response.candidates.len() > CHOICES_MAX as usize {
        return Err(problem::nonsense());
    }
    let id = response.response_id.unwrap_or_default();
    let choices = response.candidates.into_iter().map(|candidate| choice(candidate, &id));
    let choices = choices.collect::<Result<_, _>>()?;
    Ok(Whole { choices, usage: response.usage_metadata.and_then(Counts::buckets) })
}

impl Response {
    /// An error, or a prompt that was refused.
    pub(super) fn check(&self) -> Result<(), Problem> {
        if let Some(error) = &self.error {
            return Err(error::inside(error));
        }
        let reason = self.prompt_feedback.as_ref().and_then(|told| told.block_reason.as_deref());
        reason.map_or(Ok(()), |reason| Err(error::blocked(reason)))
    }
}

fn choice(candidate: Candidate, id: &str) -> Result<AnswerChoice, Problem> {
    let mut message = AnswerMessage { role: "assistant".into(), ..AnswerMessage::default() };
    let mut calls = Vec::new();
    for part in candidate.content.map(|content| content.parts).unwrap_or_default() {
        match part.said(id, candidate.index, calls.len()) {
            Said::Text(text) => message.content.get_or_insert_default().push_str(&text),
            Said::Thought(text) => {
                message.reasoning_content.get_or_insert_default().push_str(&text);
            }
            Said::Call(call) => calls.push(call),
            Said::Nothing => {}
        }
    }
    if calls.len() > CALLS_MAX {
        return Err(problem::nonsense());
    }
    let reason = candidate.finish_reason.ok_or_else(problem::nonsense)?;
    let finish_reason = finish(&reason, !calls.is_empty())?;
    message.tool_calls = Some(calls).filter(|calls| !calls.is_empty());
    let logprobs = candidate.logprobs_result.as_ref().map(logprobs);
    Ok(AnswerChoice { index: candidate.index, message, logprobs, finish_reason })
}

impl Part {
    /// What it says; `number` counts the calls of its choice, and names one that has no id.
    pub(super) fn said(self, response: &str, choice: u32, number: usize) -> Said {
        if let Some(call) = self.function_call {
            let own = call.id.filter(|id| !id.is_empty());
            let id = own.unwrap_or_else(|| format!("call_{response}_{choice}_{number}"));
            let arguments = call.args.map_or_else(|| "{}".to_owned(), |args| args.to_string());
            let mut told = json!({"id": id, "type": "function",
                "function": {"name": call.name, "arguments": arguments}});
            if let Some(signature) = self.thought_signature {
                told["extra_content"] = json!({"google": {"thought_signature": signature}});
            }
            return Said::Call(told);
        }
        match self.text.filter(|text| !text.is_empty()) {
            Some(text) if self.thought => Said::Thought(text),
            Some(text) => Said::Text(text),
            None => Said::Nothing,
        }
    }
}

/// Why it ended, in OpenAI's words.
pub(super) fn finish(reason: &str, has_called: bool) -> Result<FinishReason, Problem> {
    match reason {
        "MAX_TOKENS" => Ok(FinishReason::Length),
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Ok(FinishReason::ContentFilter),
        // Not ends of the answer but of the vendor's ability to give it.
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE"
        | "MALFORMED_RESPONSE"
        | "NO_IMAGE"
        | "IMAGE_OTHER"
        | "OTHER" => {
            tracing::warn!(reason, "the upstream gave up an answer");
            Err(problem::failed())
        }
        _ if has_called => Ok(FinishReason::ToolCalls),
        "STOP" => Ok(FinishReason::Stop),
        unknown => {
            tracing::debug!(reason = %problem::short(unknown), "new finish reason");
            Ok(FinishReason::Stop)
        }
    }
}

impl Counts {
    /// Disjoint buckets: the cached part is inside the prompt, thoughts are outside the answer.
    pub(super) fn buckets(self) -> Option<Usage> {
        let prompt = self.prompt_token_count?;
        let cache_read = self.cached_content_token_count.map(|tokens| tokens.min(prompt));
        let used_tools = self.tool_use_prompt_token_count.unwrap_or(0);
        Some(Usage {
            input: (prompt - cache_read.unwrap_or(0)).saturating_add(used_tools),
            cache_read,
            cache_write: None,
            cache_write_hour: None,
            output: self.candidates_token_count.unwrap_or(0),
            reasoning: self.thoughts_token_count,
        })
    }
}

/// Log probabilities in OpenAI's form.
pub(super) fn logprobs(result: &Value) -> Value {
    let list = |name| result.get(name).and_then(Value::as_array).into_iter().flatten();
    let mut tops = list("topCandidates");
    let content: Vec<Value> = list("chosenCandidates")
        .map(|chosen| {
            let top = tops.next().and_then(|top| top.get("candidates")).and_then(Value::as_array);
            let mut told = token(chosen);
            told["top_logprobs"] = top.into_iter().flatten().map(token).collect();
            told
        })
        .collect();
    json!({"content": content, "refusal": null})
}

fn token(candidate: &Value) -> Value {
    let text = candidate.get("token").and_then(Value::as_str).unwrap_or_default();
    json!({"token": text, "logprob": candidate.get("logProbability"), "bytes": text.as_bytes()})
}
