//! Answers that follow a form: after each token it is known which may come next.
//!
//! Must never let a token through that the form forbids, whatever else a request asks for, and
//! must refuse a form it can't hold to before any work is done.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, SimpleVob, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::error::EngineError;
use super::pattern_product::too_many_meet;

/// Largest schema or grammar, bytes of its text.
pub(crate) const FORM_BYTES_MAX: usize = 256 * 1024;
/// Deepest nesting of a schema's own JSON. Everything that reads a schema calls itself once for
/// each level, and a stack that overflows ends the process.
pub(crate) const FORM_DEPTH_MAX: usize = 64;
/// Longest work on understanding a form. A thread can't be ended, so that one that is at it for
/// longer goes on for nobody.
pub const FORM_TIME_MAX: Duration = Duration::from_secs(4);
/// Forms that are worked on at a time, those that nobody waits for any more included: further ones
/// wait for as long as they may be worked on.
const FORMS_AT_ONCE_MAX: usize = 4;
/// Between two looks whether a form is still wanted.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
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
pub(super) struct Grammars {
    factory: OnceLock<Result<Arc<ParserFactory>, String>>,
    running: Arc<Running>,
}

impl std::fmt::Debug for Grammars {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Grammars")
    }
}

impl Grammars {
    /// Understands a form, if it can be done in time and is wanted for so long. The first call
    /// walks the vocabulary, which takes a tenth of a second.
    pub(super) fn compile(
        &self,
        model: &LlamaModel,
        form: Form,
        cancel: &CancellationToken,
    ) -> Result<Grammar, EngineError> {
        let factory = self.factory.get_or_init(|| factory(model).map(Arc::new));
        let factory = factory.as_ref().map_err(|reason| EngineError::Llama {
            step: "read the vocabulary for forms",
            reason: reason.clone(),
        })?;
        let grammar = grammar(form).map_err(|reason| lost(&reason))?;
        let factory = Arc::clone(factory);
        let understand = move || understood(&factory, grammar);
        let matcher = bounded(&self.running, FORM_TIME_MAX, cancel, understand)?;
        Ok(Grammar(Arc::new(matcher)))
    }
}

/// How many forms are worked on.
#[derive(Default)]
struct Running {
    count: Mutex<usize>,
    ended: Condvar,
}

impl Running {
    fn count(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the forms that are worked on.
struct Place(Arc<Running>);

impl Place {
    /// Waits for one, in time and while it is wanted.
    fn take(
        running: &Arc<Running>,
        most: Duration,
        cancel: &CancellationToken,
    ) -> Result<Self, EngineError> {
        let begun = Instant::now();
        let mut count = running.count();
        while *count >= FORMS_AT_ONCE_MAX {
            if cancel.is_cancelled() {
                return Err(EngineError::Cancelled);
            }
            if begun.elapsed() > most {
                return Err(EngineError::Busy { waiting: FORMS_AT_ONCE_MAX });
            }
            let waited = running.ended.wait_timeout(count, LOOK_INTERVAL);
            count = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *count += 1;
        Ok(Self(Arc::clone(running)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.count() -= 1;
        self.0.ended.notify_one();
    }
}

/// Does the work on a thread of its own, and waits for it only while it is wanted and in time.
fn bounded<T: Send + 'static>(
    running: &Arc<Running>,
    most: Duration,
    cancel: &CancellationToken,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, EngineError> {
    let place = Place::take(running, most, cancel)?;
    let (done, result) = sync_channel(1);
    let thread = std::thread::Builder::new().name("form".into()).stack_size(STACK_BYTES);
    let at_it = move || {
        let result = work();
        drop(place);
        // Nobody may be waiting any more.
        let _ = done.send(result);
    };
    thread.spawn(at_it).map_err(|error| lost(&error.to_string()))?;
    let begun = Instant::now();
    loop {
        match result.recv_timeout(LOOK_INTERVAL) {
            Ok(result) => return result.map_err(|reason| lost(&reason)),
            Err(RecvTimeoutError::Disconnected) => return Err(lost("is too much")),
            Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => {
                return Err(EngineError::Cancelled);
            }
            Err(RecvTimeoutError::Timeout) if begun.elapsed() > most => {
                tracing::warn!(seconds = most.as_secs(), "a form took too long");
                let reason = format!("it takes more than {} s to understand", most.as_secs());
                return Err(lost(&reason));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
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
    match form {
        Form::JsonObject => Ok(schema(json!({"type": "object"}))),
        Form::Schema(value) => check_schema(&value).map(|()| schema(value)),
        Form::Lark(text) if text.len() <= FORM_BYTES_MAX => Ok(TopLevelGrammar::from_lark(text)),
        Form::Lark(_) => Err(too_long()),
    }
}

/// Refuses a schema that is too much to be looked at.
pub(crate) fn check_schema(schema: &Value) -> Result<(), String> {
    if depth(schema, FORM_DEPTH_MAX + 1) > FORM_DEPTH_MAX {
        return Err(format!("it may be nested at most {FORM_DEPTH_MAX} deep"));
    }
    if schema.to_string().len() > FORM_BYTES_MAX {
        return Err(too_long());
    }
    if too_many_meet(schema) {
        return Err("one text has to match too many patterns at once (allOf, $ref)".into());
    }
    Ok(())
}

fn too_long() -> String {
    format!("it may have at most {FORM_BYTES_MAX} bytes")
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
    ParserFactory::new_simple(&environment).map(limited).map_err(|error| error.to_string())
}

fn limited(mut factory: ParserFactory) -> ParserFactory {
    factory.quiet();
    let limits = factory.limits_mut();
    limits.step_max_items = MASK_ITEMS_MAX;
    limits.step_lexer_fuel = MASK_FUEL_MAX;
    limits.max_lexer_states = WORD_STATES_MAX;
    limits.verbose_errors = false;
    factory
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Work that lasts until it is let go.
    fn endless() -> (std::sync::mpsc::SyncSender<()>, impl FnOnce() -> Result<(), String> + Send) {
        let (go, wait) = sync_channel::<()>(1);
        (go, move || {
            let _ = wait.recv();
            Ok(())
        })
    }

    #[test]
    fn what_takes_too_long_is_the_clients_error_and_keeps_its_place() {
        let (running, wanted) = (Arc::<Running>::default(), CancellationToken::new());
        let time = Duration::from_millis(30);
        let mut gone = Vec::new();
        for _ in 0..FORMS_AT_ONCE_MAX {
            let (go, work) = endless();
            let error = bounded(&running, time, &wanted, work).unwrap_err();
            assert!(error.is_client_error(), "{error}");
            gone.push(go);
        }
        assert_eq!(*running.count(), FORMS_AT_ONCE_MAX);
        let error = bounded(&running, time, &wanted, || Ok(())).unwrap_err();
        assert!(matches!(error, EngineError::Busy { .. }), "{error}");
        gone.clear();
        assert_eq!(bounded(&running, Duration::from_secs(20), &wanted, || Ok(7)).unwrap(), 7);
    }

    #[test]
    fn who_has_left_waits_for_no_form() {
        let (running, left) = (Arc::default(), CancellationToken::new());
        let (_go, work) = endless();
        left.cancel();
        let error = bounded(&running, Duration::from_secs(60), &left, work).unwrap_err();
        assert_eq!(error, EngineError::Cancelled);
    }

    #[test]
    fn a_panic_ends_only_its_own_form() {
        let (running, wanted) = (Arc::<Running>::default(), CancellationToken::new());
        let work = || -> Result<(), String> { panic!("a test's") };
        let error = bounded(&running, Duration::from_secs(60), &wanted, work).unwrap_err();
        assert!(error.is_client_error(), "{error}");
        assert_eq!(*running.count(), 0);
    }

    /// What llguidance takes for the worst that is let through, by itself.
    #[test]
    fn what_is_let_through_is_understood_in_time() {
        let environment = ApproximateTokEnv::single_byte_env();
        let factory = limited(ParserFactory::new_simple(&environment).unwrap());
        let searching = |letter| json!({"type": "string", "pattern": format!(".*{letter}.*")});
        let two = |letter| json!({"pattern": format!("{letter}.{{400}}$")});
        let letters = || "abcdefghijklmnopqrst".chars();
        let named = |pattern: fn(char) -> String| -> Value {
            letters().map(|letter| (pattern(letter), json!({"type": "integer"}))).collect()
        };
        let either = |at: usize| json!({"anyOf": [{"minLength": at}, {"maxLength": 90 - at}]});
        for (name, schema) in [
            ("searching", json!({"allOf": "abcdefg".chars().map(searching).collect::<Vec<_>>()})),
            ("counted", json!({"allOf": "ab".chars().map(two).collect::<Vec<_>>()})),
            ("counted thrice", json!({"allOf": "abc".chars().map(two).collect::<Vec<_>>()})),
            (
                "formats",
                json!({"allOf": [{"format": "email"}, {"format": "uri"},
                {"format": "hostname"}]}),
            ),
            (
                "names",
                json!({"type": "object", "additionalProperties": {"type": "null"},
                "patternProperties": named(|letter| format!("{letter}$"))}),
            ),
            (
                "closed names",
                json!({"type": "object", "additionalProperties": false,
                "patternProperties": named(|letter| format!("{letter}$"))}),
            ),
            ("either", json!({"allOf": (0..20).map(either).collect::<Vec<_>>()})),
        ] {
            let begun = Instant::now();
            let Ok(grammar) = grammar(Form::Schema(schema)) else { panic!("{name} is refused") };
            let result = understood(&factory, grammar).map(|_| ());
            assert!(begun.elapsed() < FORM_TIME_MAX, "{name}: {:?} {result:?}", begun.elapsed());
        }
    }
}
