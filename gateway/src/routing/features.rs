//! What is known of a request before a model is chosen. Everything here is cheap and says nothing
//! of any model.

use super::language::{self, Language};
use super::model;
use super::prompt::Prompt;
use super::quality::TierQuality;
use super::repair;
use super::task::{self, Task};
use super::tokens;
use schemas::openai::{ChatRequest, Content, Message};

/// Below this the prompt says too little to judge it.
const SIGNAL_LETTERS_MIN: usize = 2;

/// Japanese shopping is what the local model is for, and it falls far behind in everything else: a
/// guess that is less sure than this is not sent to it. A chance, 0 to 1.
const SHOPPING_CHANCE_MIN: f32 = 0.4;

/// Signs, kana and kanji begin here: Japanese without them is written in Latin letters.
const FIRST_IN_EAST_ASIA: char = '\u{2E80}';

/// What the request needs a model to be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// It brings functions to call.
    pub tools: bool,
    /// It shows images.
    pub vision: bool,
    /// It wants the answer to follow a JSON schema.
    pub json_schema: bool,
}

/// What is known of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// The language of what the user wrote.
    pub language: Language,
    /// How sure that is, 0 to 1.
    pub language_confidence: f32,
    /// The kind of work.
    pub task: Task,
    /// How sure that is, 0 to 1.
    pub task_confidence: f32,
    /// How much a stronger model would help, 0 to 1: the router's score.
    pub difficulty: f32,
    /// What each tier is expected to deliver.
    pub quality: TierQuality,
    /// Tokens of messages and tools, estimated from their letters.
    pub prompt_tokens_estimate: u64,
    /// The client's own limit of the answer.
    pub answer_tokens_max: Option<u64>,
    /// What a model must be able to do.
    pub needs: Needs,
    /// The text says too little to judge: the default model is taken.
    pub unsure: bool,
}

impl Features {
    /// Whether it is surely enough a request of the kind that the local model is for.
    pub(super) fn is_japanese_shopping(&self) -> bool {
        is_japanese_shopping(self.language, (self.task, self.task_confidence))
    }
}

fn is_japanese_shopping(language: Language, (task, chance): (Task, f32)) -> bool {
    language == Language::Japanese && task == Task::Ecommerce && chance >= SHOPPING_CHANCE_MIN
}

/// Reads a request. `account_locale` (such as `ja-JP`) decides what letters alone cannot.
pub fn features(request: &ChatRequest, account_locale: Option<&str>) -> Features {
    let mut prompt = Prompt::of(request);
    let (language, language_confidence) = language::detect(&prompt, account_locale);
    if let Some(repaired) = repair::repaired(&prompt.folded, language) {
        prompt.folded = repaired;
    }
    let reading = model::read(&prompt);
    let is_latin = prompt.text.chars().all(|letter| letter < FIRST_IN_EAST_ASIA);
    let (task, task_confidence) =
        task::most_likely(&reading.chances, (language, is_latin), language_confidence);
    let difficulty = reading.difficulty;
    let at_home = is_japanese_shopping(language, (task, task_confidence));
    let letters = prompt.text.chars().filter(|letter| letter.is_alphanumeric());
    Features {
        language,
        language_confidence,
        task,
        task_confidence,
        difficulty,
        quality: TierQuality::from_difficulty(difficulty, at_home),
        prompt_tokens_estimate: tokens::estimate(request),
        answer_tokens_max: request.answer_tokens_max(),
        needs: needs(request),
        unsure: letters.take(SIGNAL_LETTERS_MIN).count() < SIGNAL_LETTERS_MIN,
    }
}

fn needs(request: &ChatRequest) -> Needs {
    let format = request.response_format.as_ref().and_then(|format| format.get("type"));
    Needs {
        tools: request.tools.as_ref().is_some_and(|tools| !tools.is_empty()),
        vision: request.messages.iter().any(|message| images(message) > 0),
        json_schema: format.and_then(|kind| kind.as_str()) == Some("json_schema"),
    }
}

/// How many images a message shows.
pub(super) fn images(message: &Message) -> usize {
    match &message.content {
        Some(Content::Parts(parts)) => parts.iter().filter(|p| p.kind == "image_url").count(),
        _ => 0,
    }
}
