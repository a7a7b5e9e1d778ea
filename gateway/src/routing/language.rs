//! Which language a text is in: by its script first, by words for the scripts that languages
//! share. It knows nothing of models.

use super::prompt::Prompt;

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
    ukrainian: u32,
    bulgarian: u32,
    arabic: u32,
    persian: u32,
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
            0x3041..=0x30FF | 0xFF66..=0xFF9D => &mut self.kana,
            0x3005 | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF => &mut self.han,
            0x20000..=0x3FFFF => &mut self.han,
            0x1100..=0x11FF | 0x3130..=0x318F | 0xAC00..=0xD7AF => &mut self.hangul,
            0x0400..=0x052F => {
                self.ukrainian += u32::from("іїєґІЇЄҐ".contains(letter));
                self.bulgarian += u32::from("ъЪ".contains(letter));
                &mut self.cyrillic
            }
            0x0600..=0x06FF | 0x0750..=0x077F | 0xFB50..=0xFEFC => {
                self.persian += u32::from("پچژگکی".contains(letter));
                &mut self.arabic
            }
            0x0590..=0x05FF => &mut self.hebrew,
            0x0900..=0x097F => &mut self.devanagari,
            0x0E00..=0x0E7F => &mut self.thai,
            0x0370..=0x03FF | 0x1F00..=0x1FFF => &mut self.greek,
            _ => return,
        };
        *counter += 1;
    }
}

/// The language of a prompt and how sure that is, 0 to 1.
pub(super) fn detect(prompt: &Prompt, locale: Option<&str>) -> (Language, f32) {
    let prose = Scripts::of(&prompt.prose);
    let found = by_script(&prose, locale);
    if found.0 == Language::Undetermined {
        let all = Scripts::of(&prompt.text);
        return match by_script(&all, locale).0 {
            Language::Undetermined if all.latin > 0 => latin(&prompt.text),
            found => (found, if found == Language::Undetermined { 0.0 } else { 0.8 }),
        };
    }
    if found.0 == Language::English { latin(&prompt.prose) } else { found }
}

/// What the script alone says; `English` stands for every language written in Latin letters.
fn by_script(scripts: &Scripts, locale: Option<&str>) -> (Language, f32) {
    use Language as L;
    // A Japanese or Chinese character says as much as a word of letters does.
    let latin_words = scripts.latin / 5;
    if scripts.kana > 0 && scripts.kana + scripts.han > latin_words / 2 {
        return (L::Japanese, 0.99);
    }
    let others = [
        (scripts.hangul, L::Korean),
        (scripts.han, if is_japanese(locale) { L::Japanese } else { L::Chinese }),
        (scripts.cyrillic / 3, cyrillic(scripts)),
        (scripts.arabic / 3, if scripts.persian > 0 { L::Persian } else { L::Arabic }),
        (scripts.hebrew / 3, L::Hebrew),
        (scripts.devanagari / 3, L::Hindi),
        (scripts.thai / 3, L::Thai),
        (scripts.greek / 3, L::Greek),
        (latin_words, L::English),
    ];
    match others.iter().max_by_key(|(count, _)| *count) {
        Some((count, language)) if *count > 0 => (*language, 0.9),
        _ if scripts.latin > 0 => (L::English, 0.5),
        _ => (L::Undetermined, 0.0),
    }
}

fn cyrillic(scripts: &Scripts) -> Language {
    if scripts.ukrainian > 0 {
        Language::Ukrainian
    } else if scripts.bulgarian * 60 > scripts.cyrillic {
        Language::Bulgarian
    } else {
        Language::Russian
    }
}

fn is_japanese(locale: Option<&str>) -> bool {
    locale.is_some_and(|locale| locale.to_ascii_lowercase().starts_with("ja"))
}

/// Words that are common in one language and rare in the others.
const WORDS: [(Language, &str); 13] = [
    (Language::English, " the of and to is that what how you for with are this "),
    (Language::Japanese, " wa wo ga desu masu no ni kudasai desuka kono watashi ka mo "),
    (Language::French, " le les des est et une du pour dans que qui vous je "),
    (Language::German, " der die das und ist nicht ein eine zu mit ich wie "),
    (Language::Spanish, " el los las de es una por para como qué del y "),
    (Language::Portuguese, " o os um uma não do da para como em você é "),
    (Language::Italian, " il di che è un per della sono come gli non "),
    (Language::Dutch, " de het een en van is niet dat voor met ik "),
    (Language::Swedish, " och att det är som en på för inte jag hur "),
    (Language::Polish, " w i nie jest się na z do jak co że "),
    (Language::Turkish, " ve bir bu için ne nasıl mi ile çok da "),
    (Language::Indonesian, " yang dan di apa untuk dengan ini adalah tidak bagaimana "),
    (Language::Vietnamese, " là và của có cho không một các như thế "),
];

fn latin(text: &str) -> (Language, f32) {
    let mut counts = [0_u32; WORDS.len()];
    let mut total = 0_u32;
    for word in text.to_lowercase().split(|c: char| !c.is_alphabetic()).filter(|w| !w.is_empty()) {
        total += 1;
        for (count, (_, words)) in counts.iter_mut().zip(WORDS) {
            *count += u32::from(words.split(' ').any(|known| known == word));
        }
    }
    let best = (0..WORDS.len()).rev().max_by_key(|at| counts[*at]).unwrap_or(0);
    if counts[best] == 0 {
        return (Language::English, 0.4);
    }
    let share = f64::from(counts[best]) / f64::from(total.max(1));
    (WORDS[best].0, if share > 0.1 { 0.9 } else { 0.6 })
}
