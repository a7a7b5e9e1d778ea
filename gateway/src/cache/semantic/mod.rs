//! When another wording is the same question. A question is read into its facts (every word that
//! could change the answer, in order) and a small vector of everything else. Only questions whose
//! facts are equal are ever compared: numbers, names, dates, negations and all content words are
//! facts, so no similarity speaks for what differs there. A false hit is worse than a miss: what
//! isn't plainly one short question is not read at all.

/// How English asks.
mod english;

/// How Japanese asks.
mod japanese;

/// Requests whose text is worked on instead of answered.
mod material;

/// A text as one short question, or not.
mod text;

/// What of a question is no fact, as numbers.
mod vector;

/// Words that mean the same, and words that mean nothing.
mod words;

/// Pairs that must never be one question, and pairs that should be.
#[cfg(test)]
mod tests;

pub use vector::Vector;

use schemas::openai::{ChatRequest, Content, Message, Role};
use serde_json::json;

/// Changes whenever questions are read otherwise: what was kept by another reading is not found.
const READING: u32 = 1;

/// Texts of a conversation beyond this are not looked through for what is to be done with them.
const CONVERSATION_BYTES_MAX: usize = 32_768;

/// One piece of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// How it asks; a fact, too.
    Frame(&'static str),
    /// A word that may change the answer.
    Fact(String),
    /// A word that hardly does.
    Filler(String),
}

/// A question as it is compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    facts: Vec<String>,
    vector: Vector,
}

impl Reading {
    /// Reads a text; nothing when it isn't plainly one short question.
    pub fn of(text: &str) -> Option<Self> {
        if material::is_worked_on(text) {
            return None;
        }
        let question = text::Question::of(text)?;
        let tokens = if question.is_japanese {
            japanese::tokens(&question)
        } else {
            english::tokens(&question)
        }?;
        let fact = |token: &Token| match token {
            Token::Frame(frame) => Some((*frame).to_owned()),
            Token::Fact(word) => Some(word.clone()),
            Token::Filler(_) => None,
        };
        let facts: Vec<String> = tokens.iter().filter_map(fact).collect();
        let says_something = tokens.iter().any(|token| matches!(token, Token::Fact(_)));
        says_something.then(|| Self { facts, vector: Vector::of(&tokens) })
    }

    /// A SHA-256 of the facts: equal for questions that may be compared.
    pub fn digest(&self) -> String {
        crate::auth::sha256_hex(json!([READING, self.facts]).to_string().as_bytes())
    }

    /// Everything else.
    pub fn vector(&self) -> &Vector {
        &self.vector
    }

    /// How alike two questions are, up to 1; nothing when a fact differs.
    pub fn similarity(&self, other: &Self) -> Option<f64> {
        (self.facts == other.facts).then(|| self.vector.similarity(&other.vector))
    }
}

/// The last word of a conversation as a question, if its answer may serve another wording: it is
/// the user's, a text, and nothing in the conversation asks to work on texts, calls tools or shows
/// pictures.
pub(crate) fn last_question(chat: &ChatRequest) -> Option<Reading> {
    let (last, before) = chat.messages.split_last()?;
    if last.role != Role::User || asks_for_more(chat) || !before.iter().all(is_plain) {
        return None;
    }
    let texts = || before.iter().filter(|message| message.role != Role::Assistant).flat_map(texts);
    let is_long = texts().map(str::len).sum::<usize>() > CONVERSATION_BYTES_MAX;
    if is_long || !is_plain(last) || texts().any(material::is_worked_on) {
        return None;
    }
    match last.content.as_ref()? {
        Content::Text(text) => Reading::of(text),
        Content::Parts(parts) => match parts.as_slice() {
            [part] => Reading::of(part.text.as_deref()?),
            _ => None,
        },
    }
}

/// The same conversation without its last word: what other wordings have to have in common.
pub(crate) fn without_last_word(chat: &ChatRequest) -> ChatRequest {
    let mut chat = chat.clone();
    if let Some(last) = chat.messages.last_mut() {
        last.content = None;
    }
    chat
}

/// Tools, a search in the web, several choices or the odds of words belong to one wording.
fn asks_for_more(chat: &ChatRequest) -> bool {
    let fields = ["functions", "web_search_options", "prediction", "audio", "modalities"];
    chat.tools.as_ref().is_some_and(|tools| !tools.is_empty())
        || chat.tool_choice.is_some()
        || chat.n.is_some_and(|choices| choices != 1)
        || chat.logprobs == Some(true)
        || fields.iter().any(|field| chat.rest.get(*field).is_some_and(|value| !value.is_null()))
}

/// Whether a message is words alone.
fn is_plain(message: &Message) -> bool {
    let parts = message.content.as_ref().map(Content::parts).unwrap_or_default();
    let calls = message.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty());
    !calls
        && !matches!(message.role, Role::Tool | Role::Function)
        && parts.iter().all(|part| part.kind == "text")
}

fn texts(message: &Message) -> impl Iterator<Item = &str> {
    message.content.iter().flat_map(Content::texts)
}
