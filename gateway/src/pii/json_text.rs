//! JSON inside a string (tool arguments, tool results): cut into its string literals, its numbers
//! and what is between, so that values are masked inside the literals and every other byte stays
//! as the client wrote it. It must never turn valid JSON into invalid JSON.

/// A piece of a JSON text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Punctuation, blanks, `true`, …: context, never changed.
    Between(String),
    /// The decoded inside of a string literal.
    Literal(String),
    /// A number: masked as a whole, as a string.
    Number(String),
}

/// Cuts a JSON object or array. Anything else is not JSON for our purposes.
pub(super) fn cut(text: &str) -> Option<Vec<Piece>> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str::<&serde_json::value::RawValue>(text).ok()?;
    let bytes = text.as_bytes();
    let mut pieces = Vec::new();
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
            pieces.push(Piece::Between(text.get(start..at)?.to_owned()));
        }
        let token = text.get(at..end)?;
        pieces.push(if *byte == b'"' {
            Piece::Literal(serde_json::from_str(token).ok()?)
        } else {
            Piece::Number(token.to_owned())
        });
        start = end;
        at = end;
    }
    pieces.push(Piece::Between(text.get(start..)?.to_owned()));
    Some(pieces)
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
        let pieces = cut(text).unwrap();
        assert!(pieces.contains(&Piece::Literal("a山".into())));
        assert!(pieces.contains(&Piece::Number("-1.50e3".into())));
        assert!(pieces.contains(&Piece::Literal("x\"y".into())));
        assert_eq!(cut("{oops"), None);
        assert_eq!(cut("just text"), None);
    }
}
