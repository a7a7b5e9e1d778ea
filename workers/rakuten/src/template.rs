//! The model's own Jinja chat template: messages in the OpenAI form in, the prompt's text out.
//!
//! Must never trust a client's text: every string of a message goes through `disarm` before the
//! template sees it, so that typed control tokens stay text. Knows nothing of llama.cpp.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, Error, ErrorKind, Value};
use minijinja_contrib::pycompat::unknown_method_callback;
use serde::Serialize;
use serde_json::Value as Json;
use time::OffsetDateTime;
use time::format_description::parse_strftime_owned;

use crate::calls::CallFormat;
use crate::engine::EngineError;

/// The name the template has inside its environment.
const NAME: &str = "chat";
/// Most work one rendering may do, in minijinja's instructions: about a thousand times a normal
/// chat's.
const FUEL_MAX: u64 = 50_000_000;
/// Widest indent a template may ask `tojson` for, spaces.
const INDENT_SPACES_MAX: usize = 16;
/// Roles a message may have; a template may write a role between the halves of a control token.
const ROLES: [&str; 6] = ["system", "developer", "user", "assistant", "tool", "function"];
/// Code points that Unicode reserves for a program's own use: one that no text of the request
/// contains becomes the mark.
const MARKS: std::ops::RangeInclusive<char> = '\u{fdd0}'..='\u{fdef}';

/// A compiled chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos_token: String,
    eos_token: String,
    /// How it writes calls of functions.
    pub(crate) calls: CallFormat,
}

/// What a rendering needs besides the messages.
#[derive(Debug, Clone)]
pub struct PromptOptions {
    /// Ask the template to open the assistant's turn. Default true.
    pub add_generation_prompt: bool,
    /// Further variables for the template, as `enable_thinking`.
    pub variables: serde_json::Map<String, Json>,
    /// What the answer begins with already; control tokens in it count as such.
    pub answer_begins: &'static str,
}

impl Default for PromptOptions {
    fn default() -> Self {
        Self { add_generation_prompt: true, variables: serde_json::Map::new(), answer_begins: "" }
    }
}

/// A rendered prompt in which `mark` breaks what a client typed of control tokens.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) text: String,
    pub(crate) mark: char,
}

impl ChatTemplate {
    /// Compiles a template. `bos_token` and `eos_token` are the texts of the model's tokens.
    ///
    /// # Errors
    /// [`EngineError::Template`] where the source is not Jinja.
    pub fn compile(source: &str, bos_token: &str, eos_token: &str) -> Result<Self, EngineError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| template_error(&error))?);
        environment.set_unknown_method_callback(unknown_method_callback);
        environment.set_fuel(Some(FUEL_MAX));
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.add_filter("tojson", to_json);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|error| template_error(&error))?;
        let (bos_token, eos_token) = (bos_token.to_owned(), eos_token.to_owned());
        Ok(Self { environment, bos_token, eos_token, calls: CallFormat::of(source) })
    }

    /// Renders messages in the OpenAI form. `disarm` receives each text of the client and the
    /// mark to break it with.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`] for messages that are not text,
    /// [`EngineError::Template`] where the template refuses them.
    pub(crate) fn render(
        &self,
        messages: &[Json],
        tools: Option<&Json>,
        options: &PromptOptions,
        disarm: impl Fn(&str, char) -> String,
    ) -> Result<Rendered, EngineError> {
        let mut messages: Vec<Json> =
            messages.iter().map(normalised).collect::<Result<_, EngineError>>()?;
        let mut tools = tools.filter(|tools| !tools.is_null()).cloned();
        let mut variables = Json::Object(options.variables.clone());
        let all = || messages.iter().chain(&tools).chain([&variables]);
        let mark = MARKS
            .into_iter()
            .find(|mark| !all().any(|value| contains(value, *mark)))
            .ok_or_else(|| EngineError::request("messages", "use every reserved code point"))?;
        let disarm = |text: &str| disarm(text, mark);
        for message in &mut messages {
            let role = message.get("role").cloned();
            map_texts(message, &disarm);
            if let (Some(role), Some(object)) = (role, message.as_object_mut()) {
                object.insert("role".into(), role);
            }
        }
        tools.iter_mut().chain([&mut variables]).for_each(|value| map_texts(value, &disarm));
        let mut text = self.evaluate(messages, tools, options, variables)?;
        text.push_str(options.answer_begins);
        Ok(Rendered { text, mark })
    }

    fn evaluate(
        &self,
        messages: Vec<Json>,
        tools: Option<Json>,
        options: &PromptOptions,
        variables: Json,
    ) -> Result<String, EngineError> {
        let mut context = serde_json::Map::new();
        if let Json::Object(variables) = variables {
            context.extend(variables);
        }
        context.insert("messages".into(), Json::Array(messages));
        if let Some(tools) = tools {
            context.insert("tools".into(), tools);
        }
        context.insert("add_generation_prompt".into(), options.add_generation_prompt.into());
        context.insert("bos_token".into(), self.bos_token.clone().into());
        context.insert("eos_token".into(), self.eos_token.clone().into());
        self.environment
            .get_template(NAME)
            .and_then(|template| template.render(Value::from(Serde(Json::Object(context)))))
            .map_err(|error| template_error(&error))
    }
}

/// Keeps the reason of a template's error and leaves out its source lines: they may quote a
/// message.
fn template_error(error: &Error) -> EngineError {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let place = error.line().map(|line| format!(" (line {line})")).unwrap_or_default();
    EngineError::Template(format!("{detail}{place}"))
}

/// One message as templates expect it: content as one text, arguments of tool calls as JSON.
fn normalised(message: &Json) -> Result<Json, EngineError> {
    let mut message = message
        .as_object()
        .cloned()
        .ok_or_else(|| EngineError::request("messages", "must be a list of objects"))?;
    let role = match message.get("role").and_then(Json::as_str) {
        Some(role) if !ROLES.contains(&role) => {
            return Err(EngineError::request("messages", format!("have an unknown role {role:?}")));
        }
        Some("developer") => "system",
        Some("function") => "tool",
        Some(role) => role,
        None => return Err(EngineError::request("messages", "must each have a role")),
    };
    let role = Json::from(role);
    let content = text_of(message.get("content").unwrap_or(&Json::Null))?;
    message.insert("role".into(), role);
    message.insert("content".into(), content.into());
    if let Some(Json::Array(calls)) = message.get_mut("tool_calls") {
        calls.iter_mut().for_each(parse_arguments);
    }
    if message.get("tool_calls").is_some_and(Json::is_null) {
        message.remove("tool_calls");
    }
    Ok(Json::Object(message))
}

/// The text of a message's content: a string, a list of text parts, or nothing.
fn text_of(content: &Json) -> Result<String, EngineError> {
    match content {
        Json::Null => Ok(String::new()),
        Json::String(text) => Ok(text.clone()),
        Json::Array(parts) => {
            let texts: Result<Vec<&str>, EngineError> = parts.iter().map(text_of_part).collect();
            Ok(texts?.join("\n"))
        }
        _ => Err(EngineError::request("messages", "have content that is neither text nor a list")),
    }
}

fn text_of_part(part: &Json) -> Result<&str, EngineError> {
    let kind = part.get("type").and_then(Json::as_str).unwrap_or("text");
    match part.get("text").and_then(Json::as_str) {
        Some(text) if matches!(kind, "text" | "input_text" | "output_text") => Ok(text),
        _ => {
            let reason = format!("have a part of type {kind:?}, and this model reads text only");
            Err(EngineError::request("messages", reason))
        }
    }
}

/// The API carries a call's arguments as JSON in a string; templates print them as JSON.
fn parse_arguments(call: &mut Json) {
    if let Some(arguments) = call.pointer_mut("/function/arguments")
        && let Some(parsed) = arguments.as_str().and_then(|text| serde_json::from_str(text).ok())
    {
        *arguments = parsed;
    }
}

fn contains(value: &Json, mark: char) -> bool {
    match value {
        Json::String(text) => text.contains(mark),
        Json::Array(values) => values.iter().any(|value| contains(value, mark)),
        Json::Object(entries) => {
            entries.iter().any(|(key, value)| key.contains(mark) || contains(value, mark))
        }
        _ => false,
    }
}

/// Replaces every text inside `value`, keys included.
fn map_texts(value: &mut Json, map: &impl Fn(&str) -> String) {
    match value {
        Json::String(text) => *text = map(text),
        Json::Array(values) => values.iter_mut().for_each(|value| map_texts(value, map)),
        Json::Object(entries) => {
            let old = std::mem::take(entries);
            for (key, mut value) in old {
                map_texts(&mut value, map);
                entries.insert(map(&key), value);
            }
        }
        _ => {}
    }
}

/// What a template calls when it does not accept the messages.
fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// Today's date in the template's own format, UTC.
fn strftime_now(format: &str) -> Result<String, Error> {
    let invalid = |reason: String| Error::new(ErrorKind::InvalidOperation, reason);
    let description = parse_strftime_owned(format).map_err(|error| invalid(error.to_string()))?;
    OffsetDateTime::now_utc().format(&description).map_err(|error| invalid(error.to_string()))
}

/// `json.dumps(value, ensure_ascii=False)` as Python prints it: models were trained on that, so
/// there is a space behind every comma and nothing is escaped for HTML.
fn to_json(value: &Value, indent: Option<Value>, options: Kwargs) -> Result<String, Error> {
    let invalid = |reason: String| Error::new(ErrorKind::InvalidOperation, reason);
    let named: Option<Value> = options.get("indent")?;
    // Python's other options do not change what the templates of models print.
    let _: (Option<Value>, Option<Value>, Option<Value>) =
        (options.get("ensure_ascii")?, options.get("separators")?, options.get("sort_keys")?);
    options.assert_all_used()?;
    let indent = indent.or(named).filter(|indent| !indent.is_none() && !indent.is_undefined());
    let mut bytes = Vec::new();
    let written = match indent.map(usize::try_from).transpose()? {
        Some(spaces) => {
            let spaces = vec![b' '; spaces.min(INDENT_SPACES_MAX)];
            let style = serde_json::ser::PrettyFormatter::with_indent(&spaces);
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, style))
        }
        None => value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Spaced)),
    };
    written.map_err(|error| invalid(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| invalid(error.to_string()))
}

/// JSON with a space behind every comma and colon.
struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
    ) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests;
