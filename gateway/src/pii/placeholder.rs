//! The placeholder's spelling: how one is written, and how one is read back after a model has
//! changed its case, width, spaces, brackets or escapes. Reading must never wait for more text
//! than the longest placeholder, and must never accept what this request did not issue: that is
//! checked by the caller, with the kind and number found here.

use super::kind::Kind;
use super::shadow::widen;
use std::sync::LazyLock;

/// Blanks and invisible characters accepted at one place inside a placeholder.
const GAP_CHARACTERS_MAX: usize = 3;
/// Digits of a placeholder's number.
const DIGITS_MAX: usize = 6;
/// The numbers that can be issued for one kind.
pub(super) const NUMBER_MAX: u32 = 999_999;

/// Writes a placeholder: brackets close it, and OpenAI's `name` fields accept them.
pub(super) fn write(kind: Kind, number: u64) -> String {
    format!("[{}_{number}]", kind.tag())
}

/// What stands at the beginning of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No placeholder.
    Nothing,
    /// The text ends where a placeholder could still go on.
    Unfinished,
    /// A placeholder of so many bytes.
    Placeholder {
        /// Its length in bytes.
        length: usize,
        /// Its kind.
        kind: Kind,
        /// Its number.
        number: u32,
    },
}

/// The surroundings of a text that is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    /// The character before it.
    pub(super) before: Option<char>,
    /// Whether nothing follows it.
    pub(super) complete: bool,
    /// Whether it is raw JSON, where a backslash belongs to the character after it.
    pub(super) json: bool,
}

/// Bytes that are looked at together for the beginning of a placeholder.
const LOOKED_AT_TOGETHER: usize = 64;

/// Where in a text a placeholder could begin first; its length where none could. The quick test of
/// every place: what many places next to each other have is asked without a turn for each.
pub(super) fn may_begin_at(text: &str) -> usize {
    let (bytes, mut at) = (text.as_bytes(), 0);
    let block = |from: usize| bytes.get(from..from + LOOKED_AT_TOGETHER);
    while let (Some(first), Some(second), Some(third)) = (block(at), block(at + 1), block(at + 2)) {
        let places = first.iter().zip(second).zip(third);
        if places.fold(false, |any, ((first, second), third)| any | begins(*first, *second, *third))
        {
            break;
        }
        at += LOOKED_AT_TOGETHER;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let byte = |at: usize| rest.get(at).copied().unwrap_or_default();
    let first =
        (0..rest.len()).find(|place| begins(byte(*place), byte(place + 1), byte(place + 2)));
    first.map_or(bytes.len(), |place| at + place)
}

/// Whether a placeholder could begin with these bytes. Without a turn, so that the processor asks
/// this of many places at once.
fn begins(first: u8, second: u8, third: u8) -> bool {
    let is_bracket = (first == b'[') | (first == b'<') | (first == b'{');
    let is_escape = (first == b'\\') | (first == b'&') | (first == b'%');
    // A letter of a bare one, and what wide signs and letters begin with.
    let is_letter = first.is_ascii_uppercase() | (first == 0xEF);
    // 〈《【〔, which begin as kana do.
    let is_mark = (third == 0x88) | (third == 0x8A) | (third == 0x90) | (third == 0x94);
    is_bracket | is_escape | is_letter | ((first == 0xE3) & (second == 0x80) & is_mark)
}

/// Whether a placeholder is written in the letters of a URL.
pub(super) fn is_in_url(placeholder: &str) -> bool {
    placeholder.starts_with('%')
}

/// Reads a placeholder at the beginning of a text.
pub(super) fn read(text: &str, setting: Setting) -> Found {
    match read_bracketed(text, setting) {
        Ok((length, kind, number)) => Found::Placeholder { length, kind, number },
        Err(Stop::Ended) if !setting.complete => Found::Unfinished,
        Err(_) => match read_bare(text, setting) {
            Ok((length, kind, number)) => Found::Placeholder { length, kind, number },
            Err(Stop::Ended) if !setting.complete => Found::Unfinished,
            Err(_) => Found::Nothing,
        },
    }
}

/// Letters of the longest word of a placeholder.
const TAG_LETTERS_MAX: usize = 9;
/// Bytes of the longest character that reads as a letter, or is passed over.
const LETTER_BYTES_MAX: usize = 3;
/// So many bytes before the first digit of its number a placeholder begins at the earliest.
const LEAD_BYTES_MAX: usize = (TAG_LETTERS_MAX + 2 * GAP_CHARACTERS_MAX) * LETTER_BYTES_MAX;
/// Bytes that are looked at together.
const BLOCK_BYTES: usize = 32;

/// Every number that could be read anywhere in a text, or in a part of it that something else may
/// cut off: what the input spells must never be issued. Only what stands before digits is read.
pub(super) fn spelled(text: &str, mut report: impl FnMut(Kind, u32)) {
    let bytes = text.as_bytes();
    let mut read = 0;
    for (block, start) in bytes.chunks(BLOCK_BYTES).zip((0..).step_by(BLOCK_BYTES)) {
        let may_hold_digit = block.iter().fold(false, |any, byte| any | may_begin_digit(*byte));
        if !may_hold_digit {
            continue;
        }
        for at in start..start + block.len() {
            if begins_digit(bytes.get(at..).unwrap_or_default()) {
                for begin in read.max(at.saturating_sub(LEAD_BYTES_MAX))..at {
                    if may_spell(bytes, begin) {
                        spelled_here(text.get(begin..).unwrap_or_default(), &mut report);
                    }
                }
                read = at;
            }
        }
    }
}

/// Whether a byte is a digit, or the first of a wide or mathematical one.
fn may_begin_digit(byte: u8) -> bool {
    byte.is_ascii_digit() | (byte >= 0xEF)
}

fn begins_digit(bytes: &[u8]) -> bool {
    match bytes {
        [0xEF, second, ..] => *second == 0xBC,
        [byte, ..] => may_begin_digit(*byte),
        [] => false,
    }
}

/// Hardly any prose begins like a placeholder's word.
fn may_spell(bytes: &[u8], at: usize) -> bool {
    match bytes.get(at..) {
        Some([first, second, ..]) if first.is_ascii() && second.is_ascii() => {
            begins_tag(*first, *second)
        }
        // Full-width letters, and what is invisible between letters, are looked at one by one.
        Some([first, ..]) => *first == 0xEF || letter(*first).is_some(),
        _ => false,
    }
}

/// Whether a kind's word begins with these letters, in any case.
fn begins_tag(first: u8, second: u8) -> bool {
    let seconds = letter(first).and_then(|first| SECONDS.get(first));
    seconds.zip(letter(second)).is_some_and(|(seconds, second)| seconds >> second & 1 == 1)
}

fn spelled_here(text: &str, report: &mut impl FnMut(Kind, u32)) {
    let mut cursor = Cursor { text, at: 0 };
    let Ok(kind) = cursor.tag(false) else { return };
    cursor.skip_gap(true);
    let mut number = 0;
    for _ in 0..DIGITS_MAX {
        let digit = cursor.next().ok().and_then(|character| character.to_digit(10));
        match digit {
            Some(digit) if digit > 0 || number > 0 => number = number * 10 + digit,
            _ => return,
        }
        report(kind, number);
    }
}

/// For each letter that begins a kind's word a bit for each letter that may be its second.
static SECONDS: LazyLock<[u32; 26]> = LazyLock::new(|| {
    let mut seconds = [0; 26];
    for kind in Kind::ALL {
        if let [first, second, ..] = kind.tag().as_bytes()
            && let (Some(first), Some(second)) = (letter(*first), letter(*second))
            && let Some(bits) = seconds.get_mut(first)
        {
            *bits |= 1 << second;
        }
    }
    seconds
});

/// A letter's number, whatever its case.
fn letter(byte: u8) -> Option<usize> {
    let upper = byte.to_ascii_uppercase();
    upper.is_ascii_uppercase().then(|| usize::from(upper - b'A'))
}

enum Stop {
    Ended,
    Other,
}

type Read = Result<(usize, Kind, u32), Stop>;

fn read_bracketed(text: &str, setting: Setting) -> Read {
    let mut cursor = Cursor { text, at: 0 };
    if cursor.peek()? == '\\' {
        // A backslash in a path (`C:\Users\[PERSON_1]`) is the path's, not Markdown's.
        let path = setting.before.is_some_and(|c| c.is_alphanumeric() || "\\:.~$%".contains(c));
        if setting.json || path {
            return Err(Stop::Other);
        }
        cursor.next()?;
    }
    let opening = cursor.peek()?;
    cursor.bracket("[<{【〈《〔", "&lt;", "5B")?;
    cursor.skip_gap(false);
    let begin = cursor.at;
    let kind = cursor.tag(false)?;
    let is_small = text.get(begin..cursor.at).unwrap_or_default().contains(char::is_lowercase);
    let end = cursor.at;
    cursor.skip_gap(true);
    if is_small {
        // `{person1}`, `<email_1>`, `scores[person1]`, `${phone_1}`: names of the model's own.
        let is_code = setting.before.is_some_and(|c| is_word(c) || matches!(c, '$' | '{' | '<'));
        if matches!(opening, '{' | '<' | '&') || is_code {
            return Err(Stop::Other);
        }
        if cursor.at == end {
            // Where the text ends something may follow yet.
            cursor.peek()?;
            return Err(Stop::Other);
        }
    }
    let number = cursor.number(false)?;
    cursor.skip_gap(false);
    if !setting.json && cursor.peek()? == '\\' {
        cursor.next()?;
    }
    cursor.bracket("]>}】〉》〕", "&gt;", "5D")?;
    Ok((cursor.at, kind, number))
}

/// Without brackets only the exact spelling counts: `person 1` is ordinary prose.
fn read_bare(text: &str, setting: Setting) -> Read {
    if setting.before.is_some_and(is_word) {
        return Err(Stop::Other);
    }
    let mut cursor = Cursor { text, at: 0 };
    let kind = cursor.tag(true)?;
    if !setting.json && cursor.peek()? == '\\' {
        cursor.next()?;
    }
    if !matches!(cursor.next()?, '_' | '-') {
        return Err(Stop::Other);
    }
    let number = cursor.number(setting.complete)?;
    match cursor.peek() {
        Ok(after) if is_word(after) => return Err(Stop::Other),
        Err(Stop::Ended) if !setting.complete => return Err(Stop::Ended),
        _ => {}
    }
    Ok((cursor.at, kind, number))
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl Cursor<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Result<char, Stop> {
        self.rest().chars().next().map(widen).ok_or(Stop::Ended)
    }

    fn next(&mut self) -> Result<char, Stop> {
        let character = self.rest().chars().next().ok_or(Stop::Ended)?;
        self.at += character.len_utf8();
        Ok(widen(character))
    }

    fn bracket(&mut self, single: &str, entity: &str, percent: &str) -> Result<(), Stop> {
        let rest = match self.next()? {
            found if single.contains(found) => return Ok(()),
            '&' => entity.get(1..).unwrap_or_default(),
            '%' => percent,
            _ => return Err(Stop::Other),
        };
        for expected in rest.chars() {
            if !self.next()?.eq_ignore_ascii_case(&expected) {
                return Err(Stop::Other);
            }
        }
        Ok(())
    }

    /// Skips blanks and invisible characters, between word and number separators as well.
    fn skip_gap(&mut self, separators: bool) {
        for _ in 0..GAP_CHARACTERS_MAX {
            match self.peek() {
                Ok(' ') => {}
                Ok('_' | '-' | '\\') if separators => {}
                Ok(c) if is_invisible(c) => {}
                _ => return,
            }
            if self.next().is_err() {
                return;
            }
        }
    }

    fn tag(&mut self, exact: bool) -> Result<Kind, Stop> {
        if let [first, second, ..] = self.rest().as_bytes()
            && first.is_ascii()
            && second.is_ascii()
            && !begins_tag(*first, *second)
        {
            return Err(Stop::Other);
        }
        let mut candidates = [true; Kind::ALL.len()];
        let mut invisible = 0;
        let mut index = 0;
        loop {
            let character = self.next()?;
            if is_invisible(character) && invisible < GAP_CHARACTERS_MAX {
                invisible += 1;
                continue;
            }
            let upper = if exact { character } else { character.to_ascii_uppercase() };
            let mut alive = false;
            for (kind, candidate) in Kind::ALL.iter().zip(candidates.iter_mut()) {
                if !*candidate {
                    continue;
                }
                let tag = kind.tag().as_bytes();
                *candidate = tag.get(index).is_some_and(|byte| char::from(*byte) == upper);
                alive |= *candidate;
                // No tag begins another: the first that is complete is the one.
                if *candidate && tag.len() == index + 1 {
                    return Ok(*kind);
                }
            }
            if !alive {
                return Err(Stop::Other);
            }
            index += 1;
        }
    }

    fn number(&mut self, may_end: bool) -> Result<u32, Stop> {
        let mut value = 0_u32;
        for count in 0..=DIGITS_MAX {
            let digit = match self.peek() {
                Ok(character) => character.to_digit(10),
                Err(_) if may_end => None,
                Err(stop) => return Err(stop),
            };
            match digit {
                Some(0) if count == 0 => return Err(Stop::Other),
                Some(digit) if count < DIGITS_MAX => value = value * 10 + digit,
                None if count > 0 => return Ok(value),
                _ => return Err(Stop::Other),
            }
            self.next()?;
        }
        Err(Stop::Other)
    }
}

fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_digits_all_that_is_spelled_is_read() {
        const PIECES: [&str; 22] = [
            "PERSON",
            "insurance",
            "ＩＮＳＵＲＡＮＣＥ",
            "e\u{200b}MAIL",
            "Ip",
            "S",
            "ſSN",
            "\u{FEFF}",
            "ＳＳＮ",
            "_",
            "-",
            "　",
            "\u{2060}\u{200d}",
            " ",
            "1",
            "２",
            "０",
            "𝟛",
            "、",
            "a",
            "[",
            "ＩＮＳ",
        ];
        assert_eq!(Kind::ALL.map(|kind| kind.tag().len()).into_iter().max(), Some(TAG_LETTERS_MAX));
        let (mut dice, mut count) = (7_u64, 0);
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..12 {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_041);
                text.push_str(PIECES[usize::try_from(dice >> 33).unwrap() % PIECES.len()]);
            }
            let (mut all, mut read) = (Vec::new(), Vec::new());
            for at in (0..text.len()).filter(|at| may_spell(text.as_bytes(), *at)) {
                spelled_here(&text[at..], &mut |kind, number| all.push((kind, number)));
            }
            spelled(&text, |kind, number| read.push((kind, number)));
            assert_eq!(read, all, "{text:?}");
            count += read.len();
        }
        assert!(count > 1_000, "{count}");
    }

    #[test]
    fn names_of_the_models_own_are_no_placeholders() {
        let is_read = |before: Option<char>, text: &str| {
            let setting = Setting { before, complete: true, json: false };
            matches!(read(text, setting), Found::Placeholder { .. })
        };
        for text in ["{person1}", "{person_1}", "<email_1>x", "&lt;email_1&gt;", "[person1]"] {
            assert!(!is_read(None, text), "{text}");
        }
        for before in ['s', '$', '{', '_', '9'] {
            assert!(!is_read(Some(before), "[person_1]"), "{before}");
        }
        for text in
            ["[person_1]", "[Person 1]", "【email-1】", "[PERSON1]", "{PERSON_1}", "<EMAIL_1>"]
        {
            assert!(is_read(Some('は'), text) && is_read(None, text), "{text}");
        }
        assert!(is_read(Some('s'), "[PERSON_1]"));
        let setting = Setting { before: None, complete: false, json: false };
        for (at, _) in "[person_1]".char_indices().skip(1) {
            assert_eq!(read(&"[person_1]"[..at], setting), Found::Unfinished, "{at}");
        }
    }

    #[test]
    fn kana_begin_no_placeholder() {
        let setting = Setting { before: None, complete: false, json: false };
        for character in '\u{3000}'..='\u{3FFF}' {
            let text = format!("{character}EMAIL_1] ");
            if may_begin_at(&text) > 0 {
                assert_eq!(read(&text, setting), Found::Nothing, "{text:?}");
            }
        }
        assert_eq!(may_begin_at("にa。【"), "にa。".len());
        assert_eq!(may_begin_at("に。、〇"), "に。、〇".len());
    }
}
