//! Which language a text is in: by its script first, by words for the scripts that languages
//! share. It knows nothing of models.

use super::grams::{self, Script};
use super::prompt::Prompt;
use super::quotation::{self, Kind, Split};

/// The languages told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is named by the tag that as_str gives")]
pub enum Language {
    Arabic,
    Bulgarian,
    Chinese,
    Czech,
    Danish,
    Dutch,
    English,
    Finnish,
    French,
    German,
    Greek,
    Hebrew,
    Hindi,
    Hungarian,
    Indonesian,
    Italian,
    Japanese,
    Korean,
    Persian,
    Polish,
    Portuguese,
    Romanian,
    Russian,
    Spanish,
    Swedish,
    Tagalog,
    Thai,
    Turkish,
    Ukrainian,
    Vietnamese,
    Undetermined,
}

impl Language {
    /// The BCP-47 tag.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Arabic => "ar",
            Self::Bulgarian => "bg",
            Self::Chinese => "zh",
            Self::Czech => "cs",
            Self::Danish => "da",
            Self::Dutch => "nl",
            Self::English => "en",
            Self::Finnish => "fi",
            Self::French => "fr",
            Self::German => "de",
            Self::Greek => "el",
            Self::Hebrew => "he",
            Self::Hindi => "hi",
            Self::Hungarian => "hu",
            Self::Indonesian => "id",
            Self::Italian => "it",
            Self::Japanese => "ja",
            Self::Korean => "ko",
            Self::Persian => "fa",
            Self::Polish => "pl",
            Self::Portuguese => "pt",
            Self::Romanian => "ro",
            Self::Russian => "ru",
            Self::Spanish => "es",
            Self::Swedish => "sv",
            Self::Tagalog => "tl",
            Self::Thai => "th",
            Self::Turkish => "tr",
            Self::Ukrainian => "uk",
            Self::Vietnamese => "vi",
            Self::Undetermined => "und",
        }
    }
}

/// How many letters of each script a text has.
#[derive(Default)]
struct Scripts {
    latin: u32,
    kana: u32,
    han: u32,
    hangul: u32,
    cyrillic: u32,
    arabic: u32,
    hebrew: u32,
    devanagari: u32,
    thai: u32,
    greek: u32,
}

impl Scripts {
    fn of(text: &str) -> Self {
        let mut scripts = Self::default();
        for letter in text.chars() {
            scripts.count(letter);
        }
        scripts
    }

    fn count(&mut self, letter: char) {
        let counter = match u32::from(letter) {
            0x41..=0x5A | 0x61..=0x7A | 0xC0..=0x24F | 0x1E00..=0x1EFF => &mut self.latin,
            0xFF21..=0xFF3A | 0xFF41..=0xFF5A => &mut self.latin,
            0x3041..=0x30FF | 0xFF66..=0xFF9D => &mut self.kana,
            0x3005 | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF => &mut self.han,
            0x20000..=0x3FFFF => &mut self.han,
            0x1100..=0x11FF | 0x3130..=0x318F | 0xAC00..=0xD7AF => &mut self.hangul,
            0x0400..=0x052F => &mut self.cyrillic,
            0x0620..=0x06FF | 0x0750..=0x077F | 0xFB50..=0xFEFC => &mut self.arabic,
            0x0590..=0x05FF => &mut self.hebrew,
            0x0900..=0x097F => &mut self.devanagari,
            0x0E00..=0x0E7F => &mut self.thai,
            0x0370..=0x03FF | 0x1F00..=0x1FFF => &mut self.greek,
            _ => return,
        };
        *counter += 1;
    }
}

/// A Japanese or Chinese character says as much as a word of this many letters.
const LETTERS_PER_WORD: u32 = 5;
/// The same for the other alphabets, whose letters are rarely there by accident.
const RARE_LETTERS_PER_WORD: u32 = 3;
/// Evidence against the account's locale that outweighs it.
const LOCALE_WEIGHT: f32 = 10.0;
/// Beyond this many Chinese characters, Japanese would have shown kana.
const HAN_WITHOUT_KANA_MAX: u32 = 10;

/// A question counts as one in another language than the text that it shows when it is as sure.
const ASKED_SURE: f32 = 0.98;
/// And when it is so long, in words, where marks tell it from what it shows, and where none do.
const ASKED_WORDS_MIN: u32 = 3;
const ASKED_WORDS_OF_LINE_MIN: u32 = 4;
/// Few Japanese or Chinese characters already say what is asked: "訳して".
const ASKED_EAST_MIN: u32 = 4;
/// Without marks, the question is so much shorter than what it shows.
const SHOWN_TIMES_MIN: u32 = 2;
/// Names and titles are in Latin letters in every language; words that are so frequent, in steps of
/// a known word's level, are in sentences.
const FREQUENT_LEVEL_MIN: u8 = 4;
/// So many of them make a question, where marks tell it from what it shows, and where none do.
const FREQUENT_WORDS_MARKED_MIN: usize = 1;
const FREQUENT_WORDS_MIN: usize = 2;

/// The language of a prompt and how sure that is, 0 to 1: of what is asked, where a text in another
/// language is shown.
pub(super) fn detect(prompt: &Prompt, locale: Option<&str>) -> (Language, f32) {
    let whole = by_script(&prompt.prose, locale);
    if whole.0 == Language::Undetermined {
        let (language, confidence) = by_script(&prompt.text, locale);
        return (language, confidence * 0.8);
    }
    let asked = |split: &Split| asked(split, whole.0, locale);
    let beside_code = prompt.beside_code.as_ref().and_then(asked);
    let found = beside_code.or_else(|| quotation::splits(&prompt.prose).find_map(|s| asked(&s)));
    found.unwrap_or(whole)
}

/// The language of what is asked, where what is shown alone made the whole another one.
fn asked(split: &Split, whole: Language, locale: Option<&str>) -> Option<(Language, f32)> {
    let scripts = Scripts::of(&split.asked);
    let words = scripts.words();
    let (says_enough, frequent_min) = match split.kind {
        Kind::Marks => (words >= ASKED_WORDS_MIN, FREQUENT_WORDS_MARKED_MIN),
        Kind::Sentence => (words >= ASKED_WORDS_MIN, FREQUENT_WORDS_MIN),
        Kind::Lines => {
            (words >= ASKED_WORDS_OF_LINE_MIN && is_shorter(words, split), FREQUENT_WORDS_MIN)
        }
    };
    if !says_enough {
        return None;
    }
    let (language, confidence) = by_script(&split.asked, locale);
    let is_sure = confidence >= ASKED_SURE && language != whole;
    let is_sentence = || match grams::latin_column(language) {
        _ if scripts.kana + scripts.han >= ASKED_EAST_MIN => true,
        Some(column) => grams::words_at_level(&split.asked, (column, FREQUENT_LEVEL_MIN))
            .nth(frequent_min - 1)
            .is_some(),
        None => true,
    };
    let shows = || by_script(&split.shown, locale).0 == whole;
    (is_sure && is_sentence() && shows()).then_some((language, confidence))
}

/// Whether the question is much shorter than what it shows, and that asks nothing itself.
fn is_shorter(words: u32, split: &Split) -> bool {
    let shown = Scripts::of(&split.shown).words();
    words * SHOWN_TIMES_MIN <= shown && !asks_in_japanese(&split.shown)
}

/// Endings of a Japanese sentence that asks for something.
const ASKING: [&str; 9] =
    ["て", "ください", "下さい", "か", "は", "ほしい", "たい", "願い", "頼む"];

fn asks_in_japanese(text: &str) -> bool {
    let text = text.trim_end_matches(|letter: char| !letter.is_alphanumeric());
    ASKING.iter().any(|ending| text.ends_with(ending))
}

impl Scripts {
    /// How much is said, in words.
    fn words(&self) -> u32 {
        let others = self.cyrillic + self.arabic + self.hebrew + self.devanagari + self.greek;
        self.latin.div_ceil(LETTERS_PER_WORD)
            + self.kana
            + self.han
            + self.hangul
            + self.thai
            + others.div_ceil(LETTERS_PER_WORD)
    }
}

fn by_script(text: &str, locale: Option<&str>) -> (Language, f32) {
    use Language as L;
    let scripts = Scripts::of(text);
    let latin_words = scripts.latin.div_ceil(LETTERS_PER_WORD);
    if scripts.kana > 0 && scripts.kana + scripts.han >= latin_words / 2 {
        return (L::Japanese, 0.99);
    }
    let words = |letters: u32| letters.div_ceil(RARE_LETTERS_PER_WORD);
    let others = [
        (latin_words, None, Script::Latin),
        (scripts.hangul, Some(L::Korean), Script::Latin),
        (scripts.han, None, Script::Han),
        (words(scripts.cyrillic), None, Script::Cyrillic),
        (words(scripts.arabic), None, Script::Arabic),
        (words(scripts.hebrew), Some(L::Hebrew), Script::Latin),
        (words(scripts.devanagari), Some(L::Hindi), Script::Latin),
        (words(scripts.thai), Some(L::Thai), Script::Latin),
        (words(scripts.greek), Some(L::Greek), Script::Latin),
    ];
    match others.into_iter().max_by_key(|(count, ..)| *count) {
        None | Some((0, ..)) => (L::Undetermined, 0.0),
        Some((_, Some(language), _)) => (language, 0.99),
        Some((_, None, Script::Han)) => han(text, scripts.han, locale),
        Some((_, None, script)) => most_likely(&grams::evidence(text, script)),
    }
}

/// Chinese characters alone: the learned pieces, moved by the account's locale.
fn han(text: &str, count: u32, locale: Option<&str>) -> (Language, f32) {
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    let mut evidence = grams::evidence(text, Script::Han);
    for (language, weight) in &mut evidence {
        if locale.starts_with(language.as_str()) {
            *weight += LOCALE_WEIGHT;
        }
        if *language == Language::Chinese && count > HAN_WITHOUT_KANA_MAX {
            *weight += (count - HAN_WITHOUT_KANA_MAX) as f32 / 4.0;
        }
    }
    most_likely(&evidence)
}

fn most_likely(evidence: &[(Language, f32)]) -> (Language, f32) {
    let best = evidence.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let Some((language, top)) = best else { return (Language::Undetermined, 0.0) };
    let sum: f32 = evidence.iter().map(|(_, weight)| (weight - top).exp()).sum();
    (*language, 1.0 / sum)
}
