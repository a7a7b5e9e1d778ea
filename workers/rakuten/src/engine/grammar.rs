//! Answers that follow a form: after each token it is known which may come next.
//!
//! Must never let a token through that the form forbids, whatever else a request asks for, and
//! must refuse a form it can't hold to before any work is done.

use std::sync::{Arc, OnceLock};

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, SimpleVob, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value, json};

use super::error::EngineError;

/// Largest schema or grammar, bytes of its text.
pub const FORM_BYTES_MAX: usize = 256 * 1024;
/// Deepest nesting of a schema's own JSON. Everything that reads a schema calls itself once for
/// each level, and a stack that overflows ends the process.
pub const FORM_DEPTH_MAX: usize = 64;
/// Stack of the thread that understands a form, bytes.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// Work on one mask, in llguidance's items: about 2 ms.
const MASK_ITEMS_MAX: usize = 40_000;
/// Work on a mask's words, in llguidance's fuel: about 10 ms.
const MASK_FUEL_MAX: u64 = 140_000;
/// States of a form's words, each 1 to 2 KiB: a stranger's schema may not fill the memory.
const WORD_STATES_MAX: usize = 50_000;
/// The byte that llguidance puts in front of a token that is no text.
const CONTROL_MARK: u8 = 0xff;

/// What an answer has to look like.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// Any JSON object.
    JsonObject,
    /// JSON that is valid against this schema.
    Schema(Value),
    /// A grammar in llguidance's dialect of Lark.
    Lark(String),
}

/// A form that was understood, at its beginning. Made by [`super::Engine::constrain`].
#[derive(Clone)]
pub struct Grammar(Arc<Matcher>);

impl std::fmt::Debug for Grammar {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Grammar")
    }
}

/// Makes grammars for one vocabulary.
#[derive(Default)]
pub(super) struct Grammars(OnceLock<Result<ParserFactory, String>>);

impl std::fmt::Debug for Grammars {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Grammars")
    }
}

impl Grammars {
    /// Understands a form. The first call walks the vocabulary, which takes a tenth of a second.
    pub(super) fn compile(&self, model: &LlamaModel, form: Form) -> Result<Grammar, EngineError> {
        let factory = self.0.get_or_init(|| factory(model));
        let factory = factory.as_ref().map_err(|reason| EngineError::Llama {
            step: "read the vocabulary for forms",
            reason: reason.clone(),
        })?;
        let grammar = grammar(form).map_err(|reason| lost(&reason))?;
        let understand = || understood(factory, grammar);
        let matcher = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("form".into()).stack_size(STACK_BYTES);
            let running = thread.spawn_scoped(scope, understand).map_err(|error| error.to_string());
            running.and_then(|thread| thread.join().unwrap_or_else(|_| Err("is too much".into())))
        });
        matcher.map(|matcher| Grammar(Arc::new(matcher))).map_err(|reason| lost(&reason))
    }
}

fn understood(factory: &ParserFactory, grammar: TopLevelGrammar) -> Result<Matcher, String> {
    let mut matcher = Matcher::new(factory.create_parser(grammar));
    // The first mask shows what only comes to light in use.
    let mask = matcher.compute_mask_or_eos();
    match (matcher.get_error(), mask) {
        (None, Ok(_)) => Ok(matcher),
        (Some(reason), _) => Err(reason),
        (None, Err(error)) => Err(error.to_string()),
    }
}

/// A form that can't be followed, or turned out to be too much on the way. llguidance adds a trace
/// to what it says; a client needs the reason.
fn lost(reason: &str) -> EngineError {
    let reason = match reason.lines().next().unwrap_or("unknown reason") {
        // llguidance's name for a form that no text has.
        "NoExtensionBias" => "nothing is valid against it",
        reason => reason,
    };
    EngineError::request("response_format", format!("can't be followed: {reason}"))
}

/// Levels of a value's nesting, as far as they matter.
fn depth(value: &Value, most: usize) -> usize {
    let inner = |values: &mut dyn Iterator<Item = &Value>| {
        values.map(|value| depth(value, most.saturating_sub(1))).max().unwrap_or(0) + 1
    };
    match value {
        _ if most == 0 => 0,
        Value::Array(list) => inner(&mut list.iter()),
        Value::Object(map) => inner(&mut map.values()),
        _ => 0,
    }
}

fn grammar(form: Form) -> Result<TopLevelGrammar, String> {
    let too_long = || format!("it may have at most {FORM_BYTES_MAX} bytes");
    match form {
        Form::JsonObject => Ok(schema(json!({"type": "object"}))),
        Form::Schema(value) if depth(&value, FORM_DEPTH_MAX + 1) > FORM_DEPTH_MAX => {
            Err(format!("it may be nested at most {FORM_DEPTH_MAX} deep"))
        }
        Form::Schema(value) if value.to_string().len() <= FORM_BYTES_MAX => Ok(schema(value)),
        Form::Lark(text) if text.len() <= FORM_BYTES_MAX => Ok(TopLevelGrammar::from_lark(text)),
        Form::Schema(_) | Form::Lark(_) => Err(too_long()),
    }
}

fn schema(mut schema: Value) -> TopLevelGrammar {
    put_style(&mut schema);
    TopLevelGrammar::from_json_schema(schema)
}

/// Fixes how JSON is written: on one line, with at most one space behind a comma or a colon. Small
/// models that may write any white space write nothing else for ever. A client's own wishes for
/// llguidance are replaced: they could weaken the schema.
pub(crate) fn put_style(schema: &mut Value) {
    if let Some(schema) = schema.as_object_mut() {
        let style = json!({
            "whitespace_flexible": false, "item_separator": ", ?", "key_separator": ": ?",
        });
        schema.insert("x-guidance".into(), style);
    }
}

fn factory(model: &LlamaModel) -> Result<ParserFactory, String> {
    let vocab = model.vocab();
    let number = |token: LlamaToken| u32::try_from(token.0).unwrap_or(u32::MAX);
    let (mut words, mut ends) = (Vec::new(), Vec::new());
    for token in vocab.tokens() {
        if vocab.is_eog(token) {
            ends.push(number(token));
        }
        let bytes = vocab.token_to_piece(token, false, None);
        words.push(if bytes.is_empty() || vocab.is_eog(token) {
            [&[CONTROL_MARK], vocab.token_to_piece(token, true, None).as_slice()].concat()
        } else {
            bytes
        });
    }
    let end = ends.first().copied().unwrap_or_default();
    let info = TokRxInfo::new(u32::try_from(words.len()).unwrap_or(u32::MAX), end);
    let trie = TokTrie::from(&info, &words).with_eos_tokens(&ends);
    let environment: llguidance::toktrie::TokEnv = Arc::new(ApproximateTokEnv::new(trie));
    let mut factory = ParserFactory::new_simple(&environment).map_err(|error| error.to_string())?;
    factory.quiet();
    let limits = factory.limits_mut();
    limits.step_max_items = MASK_ITEMS_MAX;
    limits.step_lexer_fuel = MASK_FUEL_MAX;
    limits.max_lexer_states = WORD_STATES_MAX;
    limits.verbose_errors = false;
    Ok(factory)
}

/// One answer's way through its grammar.
pub(super) struct Guide {
    matcher: Matcher,
    /// The tokens that may come next.
    allowed: SimpleVob,
}

impl std::fmt::Debug for Guide {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Guide")
    }
}

impl Guide {
    pub(super) fn new(grammar: &Grammar) -> Self {
        Self { matcher: grammar.0.deep_clone(), allowed: SimpleVob::new() }
    }

    /// Looks which tokens may come next.
    pub(super) fn look(&mut self) -> Result<&SimpleVob, EngineError> {
        self.allowed =
            self.matcher.compute_mask_or_eos().map_err(|error| lost(&error.to_string()))?;
        Ok(&self.allowed)
    }

    /// Goes on by a token; true when the form is complete and nothing may follow.
    pub(super) fn accept(&mut self, token: i32) -> Result<bool, EngineError> {
        self.matcher
            .consume_token(u32::try_from(token).unwrap_or(u32::MAX))
            .map_err(|error| lost(&error.to_string()))?;
        Ok(self.matcher.is_stopped())
    }
}
