//! A text as one short question, or not: one line, no quotation, no code, no address, no
//! arithmetic. Width and marks of one kind are made the same; case is left to the languages.

/// Longest question, in characters.
const CHARACTERS_MAX: usize = 240;

/// More sentences than this are a story.
const SENTENCES_MAX: usize = 3;

/// Marks that say that a text is more than a question.
const FOREIGN: &str = "\n\r\t`\"“”„«»「」『』〈〉《》{}()<>|\\/=@#^~*_:;…→←・※";

/// A question, sentence by sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) sentences: Vec<Sentence>,
    pub(super) is_japanese: bool,
}

/// A sentence without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sentence {
    pub(super) text: String,
    /// It ends in a question mark.
    pub(super) asks: bool,
}

impl Question {
    pub(super) fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.chars().count() > CHARACTERS_MAX {
            return None;
        }
        let folded: String = text.chars().map(narrow).collect();
        if !is_one_line_of_words(&folded) {
            return None;
        }
        let is_japanese = folded.chars().any(is_east);
        let sentences = sentences(&folded);
        let fits = (1..=SENTENCES_MAX).contains(&sentences.len());
        fits.then_some(Self { sentences, is_japanese })
    }
}

/// Full-width letters and digits are the same as narrow ones; one apostrophe, one dash.
fn narrow(letter: char) -> char {
    match letter {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(letter) - 0xfee0).unwrap_or(letter),
        '\u{3000}' | '\u{a0}' => ' ',
        '’' | '‘' | '´' => '\'',
        '−' | '‐' | '‑' | '–' => '-',
        '｡' => '。',
        '､' => '、',
        other => other,
    }
}

/// Chinese characters and kana.
pub(super) fn is_east(letter: char) -> bool {
    matches!(letter, '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '々')
}

/// No foreign mark, but those of a placeholder of masked data (`[PERSON_1]`).
fn is_one_line_of_words(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find(['[', ']']) {
        let (before, from) = rest.split_at(at);
        let Some(length) = placeholder(from) else { return false };
        if before.contains(|letter| FOREIGN.contains(letter)) {
            return false;
        }
        rest = from.get(length..).unwrap_or_default();
    }
    !rest.contains(|letter| FOREIGN.contains(letter))
        && !text.contains(char::is_control)
        && !text.split(' ').any(|word| matches!(word, "+" | "-" | "x" | "×" | "÷"))
}

/// The length of the placeholder that a text begins with.
pub(super) fn placeholder(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('[')?.split_once(']')?.0;
    let (kind, number) = inside.rsplit_once('_')?;
    let is_kind = !kind.is_empty() && kind.chars().all(|it| it.is_ascii_uppercase() || it == '_');
    let is_number = !number.is_empty() && number.chars().all(|it| it.is_ascii_digit());
    (is_kind && is_number).then_some(inside.len() + 2)
}

/// A point ends a sentence when a word of some length stands before it and nothing but a blank
/// comes after it: `1.5`, `e.g.` and `U.S.` go on.
fn sentences(text: &str) -> Vec<Sentence> {
    let letters: Vec<char> = text.chars().collect();
    let (mut found, mut now) = (Vec::new(), String::new());
    for (at, letter) in letters.iter().enumerate() {
        let next = letters.get(at + 1);
        let is_end = match letter {
            '?' | '!' | '。' => true,
            '.' => next.is_none_or(|next| *next == ' ') && ends_a_word(&now),
            _ => false,
        };
        if !is_end {
            now.push(*letter);
            continue;
        }
        push(&mut found, &mut now, *letter == '?');
    }
    push(&mut found, &mut now, false);
    found
}

fn ends_a_word(text: &str) -> bool {
    let word = text.rsplit(' ').next().unwrap_or_default();
    !word.contains('.') && word.chars().count() >= 3
}

fn push(found: &mut Vec<Sentence>, now: &mut String, asks: bool) {
    let text = now.trim().to_owned();
    now.clear();
    if text.is_empty() {
        // `?!` and `??` end the same sentence.
        if let Some(last) = found.last_mut() {
            last.asks |= asks;
        }
        return;
    }
    found.push(Sentence { text, asks });
}
