//! What kind of work a prompt asks for. It judges the prompt alone, never the models.

use super::language::Language;

/// The kinds of work told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Task {
    /// Write, explain or mend programs.
    Code,
    /// Calculate, prove, deduce.
    MathReasoning,
    /// Stories, poems, roles, advertisements.
    Creative,
    /// From one language into another.
    Translation,
    /// Products, shops, orders.
    Ecommerce,
    /// Everything else.
    Text,
}

impl Task {
    /// All kinds, in the order of the weights.
    pub const ALL: [Self; 6] = [
        Self::Code,
        Self::MathReasoning,
        Self::Creative,
        Self::Translation,
        Self::Ecommerce,
        Self::Text,
    ];

    /// The name in reasons, metrics and the command's output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::MathReasoning => "math_reasoning",
            Self::Creative => "creative",
            Self::Translation => "translation",
            Self::Ecommerce => "ecommerce",
            Self::Text => "text",
        }
    }
}

/// A kind that is hardly likelier than the others is a guess, and most of what people ask is text:
/// in languages of which few prompts were learned from, less than this is taken for text.
const CHANCE_MIN: f32 = 0.3;
/// The language must be surely such a one: names of products look like words of any language.
const SURE_LANGUAGE: f32 = 0.98;

/// The most likely kind, and how sure that is, 0 to 1, for a text in a language that is so sure.
/// Japanese in Latin letters is one of those of which few prompts were learned from.
pub(super) fn most_likely(
    chances: &[f32; Task::ALL.len()],
    (language, is_latin): (Language, bool),
    language_confidence: f32,
) -> (Task, f32) {
    let pairs = Task::ALL.into_iter().zip(chances.iter().copied());
    let (task, chance) = pairs.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((Task::Text, 0.0));
    let learned = match language {
        Language::English => true,
        // The words of programs are Latin anyway: what looks like code there is some.
        Language::Japanese => !is_latin || task == Task::Code,
        _ => false,
    };
    if learned || language_confidence < SURE_LANGUAGE || chance >= CHANCE_MIN {
        return (task, chance);
    }
    (Task::Text, chance)
}
