//! Tokens for the tagger: a kanji or hiragana each by itself, katakana, Latin words and digits as
//! runs. Blanks are no tokens but are remembered. It must never drop a character that could be a
//! part of a name.

/// What a token is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pii) enum Class {
    /// One kanji.
    Kanji,
    /// One hiragana.
    Hiragana,
    /// A run of katakana.
    Katakana,
    /// A run of letters of any alphabet with letters.
    Latin,
    /// A run of digits.
    Digits,
    /// A line's end.
    Line,
    /// One sign.
    Sign,
    /// Letters and digits in a jumble: a hash, a key, an identifier.
    Jumble,
}

/// A stretch of the shadow text.
#[derive(Debug, Clone, Copy)]
pub(in crate::pii) struct Token {
    /// Where it starts, in bytes.
    pub(in crate::pii) start: usize,
    /// Where it ends.
    pub(in crate::pii) end: usize,
    /// What it is made of.
    pub(in crate::pii) class: Class,
    /// Whether a blank stands before it.
    pub(in crate::pii) spaced: bool,
}

/// Cuts a shadow text.
pub(in crate::pii) fn tokenize(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::with_capacity(text.len() / 3 + 1);
    let mut spaced = false;
    for (start, character) in text.char_indices() {
        let end = start + character.len_utf8();
        let Some(class) = class_of(character, tokens.last(), start) else {
            spaced = true;
            continue;
        };
        let runs = matches!(class, Class::Katakana | Class::Latin | Class::Digits);
        match tokens.last_mut() {
            Some(last) if runs && !spaced && last.class == class && last.end == start => {
                last.end = end;
            }
            _ => tokens.push(Token { start, end, class, spaced }),
        }
        spaced = false;
    }
    join_jumbles(tokens)
}

/// So many runs of letters and digits that touch are no words and numbers any more.
const JUMBLE_RUNS_MIN: usize = 3;

fn join_jumbles(tokens: Vec<Token>) -> Vec<Token> {
    let mut joined: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut start = 0;
    while let Some(first) = tokens.get(start) {
        let mut count = 1;
        let mut end = first.end;
        while let Some(next) = tokens.get(start + count) {
            if next.start != end || !is_alphanumeric(next) || !is_alphanumeric(first) {
                break;
            }
            end = next.end;
            count += 1;
        }
        let group = tokens.get(start..start + count).unwrap_or_default();
        match group.last() {
            Some(last) if count >= JUMBLE_RUNS_MIN => {
                joined.push(Token { end: last.end, class: Class::Jumble, ..*first });
            }
            _ => joined.extend_from_slice(group),
        }
        start += count;
    }
    joined
}

fn is_alphanumeric(token: &Token) -> bool {
    matches!(token.class, Class::Latin | Class::Digits)
}

fn class_of(character: char, last: Option<&Token>, start: usize) -> Option<Class> {
    Some(match character {
        '\n' => Class::Line,
        '0'..='9' => Class::Digits,
        'a'..='z' | 'A'..='Z' => Class::Latin,
        // An apostrophe inside of a word is a letter of it.
        '\'' | '\u{2019}' if last.is_some_and(|l| l.class == Class::Latin && l.end == start) => {
            Class::Latin
        }
        'ぁ'..='ゖ' => Class::Hiragana,
        'ァ'..='ヺ' | 'ー' => Class::Katakana,
        '一'..='鿿' | '㐀'..='䶿' | '豈'..='﫿' | '々' | '〆' | '\u{20000}'..='\u{2FFFF}' => {
            Class::Kanji
        }
        c if c.is_whitespace() => return None,
        c if c.is_alphabetic() => Class::Latin,
        _ => Class::Sign,
    })
}
