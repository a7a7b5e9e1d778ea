//! The response object: what the client asked comes back in it beside the answer. Keys that typed
//! clients require are always there, null where nothing is known.

use super::background::Background;
use super::items::Items;
use super::kept::Keeping;
use super::namespaces::Namespaces;
use super::request::ResponsesRequest;
use crate::api::stream::pieces_of;
use crate::chat::Receipt;
use schemars::JsonSchema;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::RequestId;
use schemas::openai::{AnswerChoice, FinishReason};
use schemas::usage::Usage;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Where an answer stands.
pub(super) enum State<'a> {
    /// It waits to be made, in the background.
    Queued,
    /// It grows.
    InProgress,
    /// Everything was said, and why it ended.
    Ended(FinishReason, &'a Receipt),
    /// It went wrong.
    Failed(&'a Problem),
    /// Nobody wanted it any more.
    Cancelled,
}

/// `response`: the answer, and what was asked.
#[derive(Serialize, JsonSchema)]
pub(in crate::api) struct ResponseObject {
    id: String,
    /// Always `response`.
    object: &'static str,
    created_at: u64,
    /// queued, in_progress, completed, incomplete, failed or cancelled.
    status: &'static str,
    error: Option<Failure>,
    incomplete_details: Option<Incomplete>,
    model: String,
    /// Thoughts, messages and calls, in their order.
    output: Vec<Value>,
    usage: Option<ResponseUsage>,
    /// What was asked comes back.
    #[serde(flatten)]
    asked: Map<String, Value>,
}

/// What went wrong, as a response tells it.
#[derive(Serialize, JsonSchema)]
pub(super) struct Failure {
    code: &'static str,
    message: String,
}

/// Why an answer isn't whole.
#[derive(Serialize, JsonSchema)]
struct Incomplete {
    reason: &'static str,
}

/// What was consumed; what nobody counted apart is nothing, as typed clients want a number.
#[derive(Serialize, JsonSchema)]
struct ResponseUsage {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

#[derive(Serialize, JsonSchema)]
struct InputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Serialize, JsonSchema)]
struct OutputDetails {
    reasoning_tokens: u64,
}

/// What all forms of one response share.
pub(super) struct Head {
    bare: String,
    created_at: u64,
    /// What was asked, as it is told back.
    asked: Map<String, Value>,
    /// Whether thoughts were asked for in a form that can be brought back unread.
    pub(super) seals_thoughts: bool,
    /// Where the response is kept, if it is.
    pub(super) keeping: Option<Keeping>,
    /// Its place in the background, if it runs there.
    pub(super) background: Option<Background>,
}

impl Head {
    /// A response that begins now (`created_at`: seconds since 1970).
    pub(super) fn new(request: &RequestId, created_at: u64, asked: Map<String, Value>) -> Self {
        let bare = bare(request).to_owned();
        let (keeping, background) = (None, None);
        Self { bare, created_at, asked, seals_thoughts: false, keeping, background }
    }

    /// The same response, which is kept when it is whole.
    pub(super) fn kept(mut self, keeping: Option<Keeping>) -> Self {
        self.asked.insert("store".to_owned(), keeping.is_some().into());
        self.keeping = keeping;
        self
    }

    /// Tells that it runs in the background.
    pub(super) fn runs_in_background(&mut self) {
        self.asked.insert("background".to_owned(), true.into());
    }

    /// Keeps the whole response, if it is to be kept.
    pub(super) async fn keep(&mut self, response: Value) {
        if let Some(keeping) = self.keeping.take() {
            keeping.keep(response).await;
        }
    }

    /// The items of an answer to it.
    pub(super) fn items(&self) -> Items {
        let namespaces = Namespaces::of(self.asked.get("tools"));
        Items::new(&self.bare, self.seals_thoughts, namespaces)
    }

    /// The response as it stands.
    pub(super) fn response(&self, model: &str, state: &State<'_>, output: Vec<Value>) -> Value {
        let (mut error, mut incomplete, mut used) = (None, None, None);
        let status = match state {
            State::Queued => "queued",
            State::InProgress => "in_progress",
            State::Cancelled => "cancelled",
            State::Ended(reason, receipt) => {
                used = Some(usage(&receipt.usage));
                match cut(*reason) {
                    Some(reason) => {
                        incomplete = Some(Incomplete { reason });
                        "incomplete"
                    }
                    None => "completed",
                }
            }
            State::Failed(problem) => {
                error = Some(failure(problem));
                "failed"
            }
        };
        let response = ResponseObject {
            id: format!("resp_{}", self.bare),
            object: "response",
            created_at: self.created_at,
            status,
            error,
            incomplete_details: incomplete,
            model: model.to_owned(),
            output,
            usage: used,
            asked: self.asked.clone(),
        };
        serde_json::to_value(response).unwrap_or_default()
    }

    /// The whole answer: the first choice, as this surface never asks for more.
    pub(super) fn whole(
        &self,
        model: &str,
        choices: Vec<AnswerChoice>,
        receipt: &Receipt,
    ) -> Option<Value> {
        let choice = choices.into_iter().next()?;
        let reason = choice.finish_reason;
        let mut items = self.items();
        let mut events = Vec::new();
        for piece in pieces_of(choice) {
            items.add(&piece, &mut events);
        }
        items.end(cut(reason).is_some(), &mut events);
        Some(self.response(model, &State::Ended(reason, receipt), items.output()))
    }
}

/// The response's name.
pub(super) fn id(request: &RequestId) -> String {
    format!("resp_{}", bare(request))
}

/// A request's name without its prefix, from which all names of its response are made.
pub(super) fn bare(request: &RequestId) -> &str {
    request.as_str().trim_start_matches("req_")
}

/// What was asked, as the answer tells it back. Nothing is cut off, whatever was asked: that is
/// told as it is. Whether it is kept is said by whoever keeps it.
pub(super) fn asked(request: &ResponsesRequest) -> Map<String, Value> {
    let text = request.text.clone().unwrap_or_default();
    let format = text.format.filter(|format| !format.is_null());
    let mut told_text = json!({"format": format.unwrap_or_else(|| json!({"type": "text"}))});
    if let Some(verbosity) = text.verbosity {
        told_text["verbosity"] = verbosity.into();
    }
    let choice = request.tool_choice.clone().filter(|choice| !choice.is_null());
    let told = json!({
        "background": false,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "metadata": request.metadata.clone().unwrap_or_default(),
        "parallel_tool_calls": request.parallel_tool_calls.unwrap_or(true),
        "previous_response_id": request.previous_response_id,
        "reasoning": request.reasoning.clone().unwrap_or_default(),
        "store": false,
        "temperature": request.temperature,
        "text": told_text,
        "tool_choice": choice.unwrap_or_else(|| "auto".into()),
        "tools": request.tools.clone().unwrap_or_default(),
        "top_p": request.top_p,
        "truncation": "disabled",
        "user": request.rest.get("user"),
    });
    let Value::Object(mut told) = told else { return Map::new() };
    if let Some(alternatives) = request.top_logprobs.filter(|alternatives| *alternatives > 0) {
        told.insert("top_logprobs".to_owned(), alternatives.into());
    }
    told
}

/// Why an answer is incomplete, if it is.
pub(super) fn cut(reason: FinishReason) -> Option<&'static str> {
    match reason {
        FinishReason::Length => Some("max_output_tokens"),
        FinishReason::ContentFilter => Some("content_filter"),
        FinishReason::Stop | FinishReason::ToolCalls | FinishReason::FunctionCall => None,
    }
}

/// What went wrong.
pub(super) fn failure(problem: &Problem) -> Failure {
    Failure { code: code(problem.code), message: problem.message.clone() }
}

/// The error's name. This API's own list is short, and what isn't in it are names by which agents
/// know what to do: to shorten the conversation, to wait, or to give up. The message says the rest.
fn code(code: ErrorCode) -> &'static str {
    use ErrorCode::{
        ContextLengthExceeded, InsufficientQuota, NoWorker, QueueFull, UpstreamOverloaded,
    };
    match code {
        ContextLengthExceeded | InsufficientQuota => code.as_str(),
        UpstreamOverloaded | QueueFull | NoWorker => "server_is_overloaded",
        code => match code.status() {
            429 => "rate_limit_exceeded",
            400..=499 => "invalid_prompt",
            _ => "server_error",
        },
    }
}

fn usage(usage: &Usage) -> ResponseUsage {
    let (input, output) = (usage.prompt_tokens(), usage.completion_tokens());
    ResponseUsage {
        input_tokens: input,
        input_tokens_details: InputDetails {
            cached_tokens: usage.cache_read.unwrap_or(0),
            cache_write_tokens: usage.cache_writes().unwrap_or(0),
        },
        output_tokens: output,
        output_tokens_details: OutputDetails { reasoning_tokens: usage.reasoning.unwrap_or(0) },
        total_tokens: input + output,
    }
}
