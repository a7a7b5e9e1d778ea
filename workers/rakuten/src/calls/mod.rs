//! Calls of functions: what a request offers, how the model is told and held to it, and how what
//! it writes becomes calls again.
//!
//! Must never give a client a call of a function that it didn't offer, nor arguments that are no
//! JSON, except an answer that is cut by length.

/// How models write calls.
mod format;
/// What a model that must call may write.
mod grammar;
/// What a model wrote, as calls.
mod read;
/// Turns with calls, for every template.
mod turns;

pub use format::CallFormat;
pub(crate) use read::{CallReader, Piece};

use schemas::openai::ChatRequest;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// Most functions of one request.
pub(crate) const FUNCTIONS_MAX: usize = 128;
/// Most calls of one answer.
pub(crate) const CALLS_MAX: usize = 8;
/// Longest name of a function, bytes.
pub(crate) const NAME_BYTES_MAX: usize = 128;

/// A field of the request, and what is wrong with it.
pub(crate) type Refused = (&'static str, String);

/// Whether the model has to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// As it likes.
    Auto,
    /// At least once.
    Required,
}

/// A function that may be called.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Function {
    name: String,
    parameters: Value,
}

/// What a request says of calls, where the model may call at all.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Calls {
    format: CallFormat,
    choice: Choice,
    parallel: bool,
    functions: Arc<[Function]>,
    tools: Value,
}

impl Calls {
    /// Reads `tools`, `tool_choice` and `parallel_tool_calls`.
    pub(crate) fn of(chat: &ChatRequest, format: CallFormat) -> Result<Option<Self>, Refused> {
        let tools = chat.tools.as_deref().unwrap_or_default();
        let (choice, named) = choice(chat.tool_choice.as_ref(), !tools.is_empty())?;
        let Some(choice) = choice.filter(|_| !tools.is_empty()) else { return Ok(None) };
        if tools.len() > FUNCTIONS_MAX {
            return Err(("tools", format!("may be at most {FUNCTIONS_MAX}")));
        }
        if tools.iter().any(|tool| tool["type"] != "function") {
            return Err(("tools", "must all be of type function for this model".into()));
        }
        let mut functions = Vec::with_capacity(tools.len());
        for tool in tools {
            functions.push(Function::read(tool).map_err(|reason| ("tools", reason))?);
        }
        let names: HashSet<&str> = functions.iter().map(|one| one.name.as_str()).collect();
        if names.len() < functions.len() {
            return Err(("tools", "have the same name twice".into()));
        }
        if let Some(unknown) = named.iter().flatten().find(|name| !names.contains(name.as_str())) {
            return Err(("tool_choice", format!("names {unknown}, which is not among the tools")));
        }
        if let Some(named) = &named {
            functions.retain(|function| named.contains(&function.name));
        }
        let parallel = chat.rest.get("parallel_tool_calls") != Some(&Value::Bool(false));
        // Who names one function means one call of it.
        let is_one = chat.tool_choice.as_ref().is_some_and(|choice| choice["type"] == "function");
        Ok(Some(Self {
            format,
            choice,
            parallel: parallel && !is_one,
            functions: functions.into(),
            tools: Value::Array(tools.to_vec()),
        }))
    }

    /// The tools for the template, where it knows any.
    pub(crate) fn for_template(&self) -> Option<&Value> {
        (self.format != CallFormat::Instructed).then_some(&self.tools)
    }

    /// What the answer begins with before the model has written anything.
    pub(crate) fn opening(&self) -> &'static str {
        if self.choice == Choice::Required { self.format.forced_opening() } else { "" }
    }

    /// The grammar of the answer in Lark, where it has to have one; `answer` is the schema of an
    /// answer without calls.
    pub(crate) fn grammar(&self, answer: Option<&Value>) -> Option<String> {
        grammar::of(self, answer)
    }

    /// Whether an answer may have a form of its own beside calls.
    pub(crate) fn allows_form(&self) -> bool {
        // Its calls begin with a token that is no text.
        self.choice == Choice::Required || self.format != CallFormat::Mistral
    }

    /// Reads one choice of the answer. `id` begins the names of its calls; where a grammar holds
    /// the answer, whatever begins like a call is one.
    pub(crate) fn reader(&self, id: String, is_held: bool) -> CallReader {
        CallReader::new(self, id, is_held)
    }
}

/// The messages of a chat as the template can print them, whether functions are offered or only
/// stand in its history.
pub(crate) fn turns(messages: Vec<Value>, calls: Option<&Calls>, of: CallFormat) -> Vec<Value> {
    turns::fitting(messages, calls.map(|calls| &calls.tools), of)
}

/// Whether there may be a call, and of which functions.
fn choice(
    told: Option<&Value>,
    offered: bool,
) -> Result<(Option<Choice>, Option<HashSet<String>>), Refused> {
    let wrong = || ("tool_choice", "is none, auto, required or the name of a function".to_owned());
    let forced = |names| match offered {
        true => Ok((Some(Choice::Required), names)),
        false => Err(("tool_choice", "needs tools".to_owned())),
    };
    let name = |tool: &Value| tool["function"]["name"].as_str().map(str::to_owned);
    match told {
        None | Some(Value::Null) => Ok((Some(Choice::Auto), None)),
        Some(Value::String(told)) => match told.as_str() {
            "none" => Ok((None, None)),
            "auto" => Ok((Some(Choice::Auto), None)),
            "required" => forced(None),
            _ => Err(wrong()),
        },
        Some(told) if told["type"] == "function" => {
            forced(Some(HashSet::from([name(told).ok_or_else(wrong)?])))
        }
        Some(told) if told["type"] == "allowed_tools" => {
            let allowed = &told["allowed_tools"];
            let tools = allowed["tools"].as_array().filter(|tools| !tools.is_empty());
            let names: Option<HashSet<String>> =
                tools.ok_or_else(wrong)?.iter().map(name).collect();
            let names = Some(names.ok_or_else(wrong)?);
            match allowed["mode"].as_str() {
                Some("required") => forced(names),
                Some("auto") => Ok((Some(Choice::Auto), names)),
                _ => Err(wrong()),
            }
        }
        Some(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests;
