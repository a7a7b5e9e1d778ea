//! A whole OpenAI answer, and the parts of one that a stream shares with it: finish reasons, tool
//! calls, reasoning, usage. A reason or a count that is missing is never made up.

use super::error;
use crate::problem;
use crate::translate::{CALLS_MAX, Whole};
use schemas::error::Problem;
use schemas::openai::{AnswerChoice, AnswerMessage, CHOICES_MAX, FinishReason};
use schemas::usage::Usage;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// What servers call the reasoning where they don't call it `reasoning_content`.
const REASONING_ALIAS: &str = "reasoning";

#[derive(Deserialize)]
struct VendorAnswer {
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    choices: Option<Vec<VendorChoice>>,
    #[serde(default)]
    usage: Option<VendorUsage>,
}

#[derive(Deserialize)]
struct VendorChoice {
    #[serde(default)]
    index: u32,
    message: Option<AnswerMessage>,
    #[serde(default)]
    logprobs: Option<Value>,
    #[serde(default)]
    finish_reason: Option<String>,
}

/// Reads a 2xx body.
pub(super) fn answer(body: &[u8]) -> Result<Whole, Problem> {
    let answer: VendorAnswer = lenient(body)?;
    if let Some(error) = answer.error {
        return Err(error::inside(&error));
    }
    let choices = answer.choices.unwrap_or_default();
    if choices.is_empty() || choices.len() > CHOICES_MAX as usize {
        return Err(problem::nonsense());
    }
    let choices = choices.into_iter().map(choice).collect::<Result<_, _>>()?;
    Ok(Whole { choices, usage: answer.usage.and_then(VendorUsage::buckets) })
}

/// Reads JSON whose contents are texts, or lists of parts where a server sends those.
pub(super) fn lenient<T: DeserializeOwned>(json: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(json).or_else(|unreadable| {
        let mut value: Value =
            serde_json::from_slice(json).map_err(|_| problem::unreadable(unreadable))?;
        let choices = value.get_mut("choices").and_then(Value::as_array_mut);
        for choice in choices.into_iter().flatten() {
            for name in ["message", "delta"] {
                if let Some(message) = choice.get_mut(name).and_then(Value::as_object_mut) {
                    write_content_as_text(message);
                }
            }
        }
        serde_json::from_value(value).map_err(problem::unreadable)
    })
}

/// Some servers send a content as parts, thoughts among them.
fn write_content_as_text(message: &mut Map<String, Value>) {
    let Some(Value::Array(parts)) = message.get_mut("content").map(Value::take) else { return };
    let texts = |parts: &[Value]| -> String {
        parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
    };
    let thoughts = parts.iter().filter_map(|part| part.get("thinking"));
    let thoughts: String = thoughts
        .map(|thought| match thought {
            Value::Array(parts) => texts(parts),
            thought => thought.as_str().unwrap_or_default().to_owned(),
        })
        .collect();
    message.insert("content".into(), texts(&parts).into());
    if !thoughts.is_empty() {
        message.insert("reasoning_content".into(), thoughts.into());
    }
}

fn choice(choice: VendorChoice) -> Result<AnswerChoice, Problem> {
    let mut message = choice.message.ok_or_else(problem::nonsense)?;
    message.role = "assistant".into();
    tidy(&mut message.rest, &mut message.reasoning_content);
    message.tool_calls = message.tool_calls.filter(|calls| !calls.is_empty());
    if message.tool_calls.as_ref().is_some_and(|calls| calls.len() > CALLS_MAX) {
        return Err(problem::nonsense());
    }
    for call in message.tool_calls.iter_mut().flatten().filter_map(Value::as_object_mut) {
        call.shift_remove("index");
        write_arguments_as_text(call);
    }
    Ok(AnswerChoice {
        index: choice.index,
        message,
        logprobs: choice.logprobs,
        finish_reason: finish(choice.finish_reason.as_deref().ok_or_else(problem::nonsense)?)?,
    })
}

/// The names of finish reasons, OpenAI's and those that servers use besides.
pub(super) fn finish(reason: &str) -> Result<FinishReason, Problem> {
    match reason {
        "length" | "max_tokens" | "model_length" => Ok(FinishReason::Length),
        "tool_calls" | "tool_use" => Ok(FinishReason::ToolCalls),
        "content_filter" | "refusal" | "safety" => Ok(FinishReason::ContentFilter),
        "function_call" => Ok(FinishReason::FunctionCall),
        // Not ends of the answer but of the vendor's ability to give it.
        "error" | "abort" | "insufficient_system_resource" => Err(problem::failed()),
        "stop" | "eos" | "end_turn" | "stop_sequence" => Ok(FinishReason::Stop),
        unknown => {
            tracing::debug!(reason = %problem::short(unknown), "new finish reason");
            Ok(FinishReason::Stop)
        }
    }
}

/// Drops empty fields and gives the reasoning its one name.
pub(super) fn tidy(rest: &mut Map<String, Value>, reasoning: &mut Option<String>) {
    rest.retain(|_, value| !value.is_null());
    let has_alias = rest.get(REASONING_ALIAS).is_some_and(Value::is_string);
    if reasoning.is_none()
        && has_alias
        && let Some(Value::String(text)) = rest.shift_remove(REASONING_ALIAS)
    {
        *reasoning = Some(text);
    }
}

/// Some servers send the arguments as an object; clients parse a text.
pub(super) fn write_arguments_as_text(call: &mut Map<String, Value>) {
    let arguments = call.get_mut("function").and_then(|function| function.get_mut("arguments"));
    if let Some(arguments) = arguments.filter(|arguments| arguments.is_object()) {
        *arguments = Value::String(arguments.to_string());
    }
}

/// `usage` as servers send it: every number may be missing or null.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct VendorUsage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
    #[serde(default)]
    total_tokens: Option<u64>,
    /// DeepSeek's name of the cached part.
    #[serde(default)]
    prompt_cache_hit_tokens: Option<u64>,
    #[serde(default)]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(default)]
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Option<u64>,
    #[serde(default)]
    cache_write_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: Option<u64>,
}

impl VendorUsage {
    /// The count of a request that has no output.
    pub(super) fn input_alone(self) -> Option<Usage> {
        let input = self.prompt_tokens.or(self.total_tokens)?;
        Some(Usage { input, ..Usage::default() })
    }

    /// Disjoint buckets; `None` unless both sides were counted. Parts are never larger than their
    /// whole. A total above prompt and completion is output that the vendor counts but doesn't
    /// list as completion (xAI, Gemini): reasoning.
    pub(super) fn buckets(self) -> Option<Usage> {
        let (prompt, completion) = (self.prompt_tokens?, self.completion_tokens?);
        let details = self.prompt_tokens_details;
        let cache_read = details
            .and_then(|details| details.cached_tokens)
            .or(self.prompt_cache_hit_tokens)
            .map(|tokens| tokens.min(prompt));
        let uncached = prompt - cache_read.unwrap_or(0);
        let cache_write = details
            .and_then(|details| details.cache_write_tokens)
            .map(|tokens| tokens.min(uncached));
        let hidden = self
            .total_tokens
            .and_then(|total| total.checked_sub(prompt.checked_add(completion)?))
            .filter(|tokens| *tokens > 0);
        let told = self.completion_tokens_details.and_then(|details| details.reasoning_tokens);
        let (output, reasoning) = match (hidden, told) {
            (Some(hidden), _) => (completion, Some(hidden)),
            (None, Some(told)) => (completion - told.min(completion), Some(told.min(completion))),
            (None, None) => (completion, None),
        };
        let input = uncached - cache_write.unwrap_or(0);
        Some(Usage { input, cache_read, cache_write, cache_write_hour: None, output, reasoning })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn buckets(usage: Value) -> Option<Usage> {
        serde_json::from_value::<VendorUsage>(usage).unwrap().buckets()
    }

    #[test]
    fn buckets_are_disjoint_and_absent_is_not_zero() {
        let plain = buckets(json!({"prompt_tokens": 9, "completion_tokens": 4})).unwrap();
        assert_eq!(plain, Usage { input: 9, output: 4, ..Usage::default() });
        let full = buckets(json!({
            "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
            "completion_tokens_details": {"reasoning_tokens": 20}
        }));
        let expected = Usage {
            input: 10,
            cache_read: Some(60),
            cache_write: Some(30),
            cache_write_hour: None,
            output: 30,
            reasoning: Some(20),
        };
        assert_eq!(full, Some(expected));
        assert_eq!(buckets(json!({"prompt_tokens": 9})), None);
        assert_eq!(buckets(json!({"prompt_tokens": 9, "completion_tokens": null})), None);
    }

    #[test]
    fn parts_that_make_no_sense_never_underflow() {
        let usage = buckets(json!({
            "prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 9, "cache_write_tokens": 9},
            "completion_tokens_details": {"reasoning_tokens": 9}
        }))
        .unwrap();
        assert_eq!((usage.prompt_tokens(), usage.completion_tokens()), (5, 3));
        let huge = buckets(json!({
            "prompt_tokens": u64::MAX, "completion_tokens": 3, "total_tokens": 7
        }));
        assert_eq!(huge.map(|usage| usage.reasoning), Some(None));
    }

    #[test]
    fn reasoning_counted_on_top_is_not_lost() {
        let usage = buckets(json!({
            "prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 44,
            "completion_tokens_details": {"reasoning_tokens": 30}
        }))
        .unwrap();
        assert_eq!((usage.output, usage.reasoning), (4, Some(30)));
    }
}
