//! What kind of work a prompt asks for. It judges the prompt alone, never the models.

use super::language::Language;
use super::prompt::Prompt;

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

/// The kind of a prompt, and how sure that is, 0 to 1.
pub(super) fn classify(prompt: &Prompt, language: Language) -> (Task, f32) {
    let lower = prompt.text.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let japanese = language == Language::Japanese;
    if any(&["translate", "翻訳", "英訳", "和訳", "日本語に訳", "英語に"]) {
        return (Task::Translation, 0.9);
    }
    if prompt.has_code || any(&["python", "javascript", "sql", "プログラム", "コードを", "関数を"])
    {
        return (Task::Code, 0.8);
    }
    let digits = lower.chars().filter(char::is_ascii_digit).count();
    let math = lower.contains(['=', '√', '∫', '^']) || any(&["\\frac", "prove ", "how many"]);
    if (digits >= 2 && math) || (japanese && digits >= 4 && any(&["いくつ", "何", "求め"])) {
        return (Task::MathReasoning, 0.7);
    }
    if any(&["shopping", "商品", "通販", "楽天", "送料", "お買い得", "在庫", "返品", "ギフト"])
    {
        return (Task::Ecommerce, 0.8);
    }
    if any(&["poem", "story", "haiku", "lyrics", "物語", "小説", "俳句", "詩を", "キャッチコピー"])
    {
        return (Task::Creative, 0.8);
    }
    (Task::Text, 0.5)
}
