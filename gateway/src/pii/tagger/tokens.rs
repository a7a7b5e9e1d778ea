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
    let bytes = text.as_bytes();
    let mut tokens: Vec<Token> = Vec::with_capacity(text.len() / 3 + 1);
    let (mut at, mut spaced) = (0, false);
    let (mut touching, mut has_jumble) = (0, false);
    while let Some(byte) = bytes.get(at) {
        let start = at;
        let class = if byte.is_ascii() {
            let class = class_of_ascii(*byte, tokens.last(), start);
            at += 1;
            if class == Some(Class::Latin) {
                let rest = bytes.get(at..).unwrap_or_default();
                at += rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
            }
            class
        } else {
            let character = text.get(start..).and_then(|rest| rest.chars().next());
            let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
            at += character.len_utf8();
            class_of(character, tokens.last(), start)
        };
        let Some(class) = class else {
            spaced = true;
            continue;
        };
        let runs = matches!(class, Class::Katakana | Class::Latin | Class::Digits);
        match tokens.last_mut() {
            Some(last) if runs && !spaced && last.class == class && last.end == start => {
                last.end = at;
            }
            last => {
                let touches = last.is_some_and(|last| last.end == start && is_alphanumeric(last));
                touching = if touches { touching + 1 } else { 1 };
                let token = Token { start, end: at, class, spaced };
                has_jumble |= touching >= JUMBLE_RUNS_MIN && is_alphanumeric(&token);
                tokens.push(token);
            }
        }
        spaced = false;
    }
    if has_jumble { join_jumbles(tokens) } else { tokens }
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

fn class_of_ascii(byte: u8, last: Option<&Token>, start: usize) -> Option<Class> {
    Some(match byte {
        b'a'..=b'z' | b'A'..=b'Z' => Class::Latin,
        b'\n' => Class::Line,
        b' ' | b'\t' | b'\r' | b'\x0B' | b'\x0C' => return None,
        b'0'..=b'9' => Class::Digits,
        b'\'' if goes_on(last, start) => Class::Latin,
        _ => Class::Sign,
    })
}

/// An apostrophe inside of a word is a letter of it.
fn goes_on(last: Option<&Token>, start: usize) -> bool {
    last.is_some_and(|last| last.class == Class::Latin && last.end == start)
}

fn class_of(character: char, last: Option<&Token>, start: usize) -> Option<Class> {
    Some(match character {
        'ぁ'..='ゖ' => Class::Hiragana,
        'ァ'..='ヺ' | 'ー' => Class::Katakana,
        '一'..='鿿' | '㐀'..='䶿' | '豈'..='﫿' | '々' | '〆' | '\u{20000}'..='\u{2FFFF}' => {
            Class::Kanji
        }
        // What these are would take long to look up.
        '、'..='〃' | '〈'..='〠' | '・' => Class::Sign,
        '\u{2019}' if goes_on(last, start) => Class::Latin,
        c if c.is_whitespace() => return None,
        c if c.is_alphabetic() => Class::Latin,
        _ => Class::Sign,
    })
}

#[cfg(test)]
mod tests {
    use super::{Class, class_of, class_of_ascii, tokenize};

    #[test]
    fn every_character_is_of_one_class() {
        for character in '\0'..=char::MAX {
            let class = match u8::try_from(character) {
                Ok(byte) if byte.is_ascii() => class_of_ascii(byte, None, 0),
                _ => class_of(character, None, 0),
            };
            let is_blank = character.is_whitespace() && character != '\n';
            assert_eq!(class.is_none(), is_blank, "{character:?}");
            match class {
                Some(Class::Sign) => assert!(!character.is_alphabetic(), "{character:?}"),
                Some(Class::Latin) => assert!(character.is_alphabetic(), "{character:?}"),
                _ => {}
            }
        }
    }

    #[test]
    fn runs_are_tokens_and_jumbles_are_one() {
        let cut = |text: &str| -> Vec<String> {
            let tokens = tokenize(text);
            tokens.iter().map(|t| format!("{:?} {}", t.class, &text[t.start..t.end])).collect()
        };
        assert_eq!(
            cut("It's é’s 12a3 b7、ミカ'x"),
            [
                "Latin It's",
                "Latin é’s",
                "Jumble 12a3",
                "Latin b",
                "Digits 7",
                "Sign 、",
                "Katakana ミカ",
                "Sign '",
                "Latin x"
            ]
        );
        assert_eq!(
            cut("1あa1 a1\n1a"),
            [
                "Digits 1",
                "Hiragana あ",
                "Latin a",
                "Digits 1",
                "Latin a",
                "Digits 1",
                "Line \n",
                "Digits 1",
                "Latin a"
            ]
        );
    }
}
