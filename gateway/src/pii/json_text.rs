//! JSON inside a string (tool arguments, tool results): cut into its string literals, its numbers
//! and what is between, so that values are masked inside the literals and every other byte stays
//! as the client wrote it. It must never turn valid JSON into invalid JSON.

use std::borrow::Cow;

/// A piece of a JSON text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Punctuation, blanks, `true`, …: context, never changed.
    Between(&'a str),
    /// The decoded inside of a string literal.
    Literal(Cow<'a, str>),
    /// A number: masked as a whole, as a string.
    Number(&'a str),
}

/// Cuts a JSON object or array, and hands on piece by piece: all of them together take many times
/// the text's room. Anything else is not JSON for our purposes, which may show only after some
/// pieces.
pub(super) fn cut<'a>(text: &'a str, mut each: impl FnMut(Piece<'a>)) -> Option<()> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str::<&serde_json::value::RawValue>(text).ok()?;
    let bytes = text.as_bytes();
    let mut start = 0;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let end = match byte {
            b'"' => literal_end(bytes, at),
            b'-' | b'0'..=b'9' => number_end(bytes, at),
            _ => {
                at += 1;
                continue;
            }
        };
        if start < at {
            each(Piece::Between(text.get(start..at)?));
        }
        let token = text.get(at..end)?;
        each(if *byte == b'"' { Piece::Literal(inside(token)?) } else { Piece::Number(token) });
        start = end;
        at = end;
    }
    each(Piece::Between(text.get(start..)?));
    Some(())
}

/// What a literal says.
fn inside(token: &str) -> Option<Cow<'_, str>> {
    match token.contains('\\') {
        true => serde_json::from_str(token).ok().map(Cow::Owned),
        false => token.strip_prefix('"')?.strip_suffix('"').map(Cow::Borrowed),
    }
}

fn literal_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn number_end(bytes: &[u8], start: usize) -> usize {
    let is_part = |b: &u8| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    bytes.iter().skip(start).position(|b| !is_part(b)).map_or(bytes.len(), |count| start + count)
}

/// A literal with its quotes.
pub(super) fn literal(inside: &str) -> String {
    serde_json::Value::from(inside).to_string()
}

#[cfg(test)]
mod tests {
    use super::{Piece, cut};

    #[test]
    fn every_byte_is_in_a_piece() {
        let text = "{ \"a\\u5c71\": [-1.50e3, true], \"b\":\"x\\\"y\" }";
        let mut pieces = Vec::new();
        cut(text, |piece| pieces.push(piece)).unwrap();
        assert!(pieces.contains(&Piece::Literal("a山".into())));
        assert!(pieces.contains(&Piece::Number("-1.50e3")));
        assert!(pieces.contains(&Piece::Literal("x\"y".into())));
        for other in ["{oops", "just text", "[\"\\ud800\"]"] {
            assert_eq!(cut(other, drop), None);
        }
    }
}
