//! Signs that a text writes in a roundabout way: `%40` in URLs, `&#64;` in HTML, `\u0040` in JSON
//! and in source code. Reads one at a time. It must never read what is no sign of a text, such as
//! a colour of a terminal.

use super::retold::How;

/// A sign and how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Escape {
    /// What is said.
    pub(super) says: char,
    /// Bytes that say it.
    pub(super) bytes: usize,
    /// How they say it.
    pub(super) how: How,
}

/// Bytes of the longest character in UTF-8.
const CHARACTER_BYTES_MAX: usize = 4;
/// Encoded again and again: so often at most.
const TIMES_MAX: usize = 4;
/// Backslashes that one sign has at most: each string of JSON in another doubles them.
const BACKSLASHES_MAX: usize = 16;
/// Digits of the longest number of a character.
const DIGITS_MAX: usize = 7;
/// Bytes of the longest name of a character that is known here.
const NAME_BYTES_MAX: usize = 8;

/// Whether a byte may begin one.
pub(super) fn may_begin(byte: u8) -> bool {
    (byte == b'%') | (byte == b'&') | (byte == b'\\')
}

/// Reads one at the beginning of a text.
pub(super) fn read(text: &[u8]) -> Option<Escape> {
    let (says, bytes, how) = match text {
        [b'%', ..] => {
            let (says, bytes) = in_bytes(text, percent)?;
            (says, bytes, How::InUrl)
        }
        [b'\\', ..] => backslashed(text)?,
        [b'&', ..] => {
            let (says, bytes) = entity(text)?;
            let is_sign = matches!(says, '<' | '>' | '&' | '"');
            (says, bytes, if is_sign { How::Sign } else { How::Otherwise })
        }
        _ => return None,
    };
    let is_text = !says.is_control() || matches!(says, '\n' | '\r' | '\t');
    is_text.then_some(Escape { says, bytes, how })
}

/// A value in the letters of a URL; what is written in them already stays.
pub(super) fn in_url(value: &str) -> String {
    let mut written = String::with_capacity(value.len());
    for (at, byte) in value.bytes().enumerate() {
        let is_written = || value.as_bytes().get(at..).and_then(percent).is_some();
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                written.push(char::from(byte));
            }
            b'%' if is_written() => written.push('%'),
            _ => written.push_str(&format!("%{byte:02X}")),
        }
    }
    written
}

/// A character whose bytes in UTF-8 are written one by one.
fn in_bytes(text: &[u8], byte: fn(&[u8]) -> Option<(u8, usize)>) -> Option<(char, usize)> {
    let (first, mut end) = byte(text)?;
    let mut bytes = [0; CHARACTER_BYTES_MAX];
    bytes[0] = first;
    let count = match first {
        0..=0x7F => 1,
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    for slot in bytes.iter_mut().take(count).skip(1) {
        let (next, length) = byte(text.get(end..)?)?;
        *slot = next;
        end += length;
    }
    let says = std::str::from_utf8(bytes.get(..count)?).ok()?.chars().next()?;
    Some((says, end))
}

/// `%40`, and `%2540`, in which the sign itself is encoded.
fn percent(text: &[u8]) -> Option<(u8, usize)> {
    let mut rest = text.strip_prefix(b"%")?;
    for _ in 1..TIMES_MAX {
        match rest.strip_prefix(b"25") {
            Some(inner) if two_digits(inner).is_some() => rest = inner,
            _ => break,
        }
    }
    Some((two_digits(rest)?, text.len() - rest.len() + 2))
}

/// What backslashes say with what is behind them.
fn backslashed(text: &[u8]) -> Option<(char, usize, How)> {
    let rest = behind_backslashes(text)?;
    let before = text.len() - rest.len();
    match *rest.first()? {
        b'x' => in_bytes(text, hexadecimal).map(|(says, bytes)| (says, bytes, How::Otherwise)),
        b'u' => {
            let (says, bytes) = unicode(rest.get(1..)?)?;
            Some((says, before + 1 + bytes, How::Otherwise))
        }
        b'"' => Some(('"', before + 1, How::Sign)),
        b'/' => Some(('/', before + 1, How::Sign)),
        b'n' => Some(('\n', before + 1, How::Break)),
        b'r' => Some(('\r', before + 1, How::Break)),
        b't' => Some(('\t', before + 1, How::Break)),
        _ => None,
    }
}

/// What is behind one backslash or more.
fn behind_backslashes(text: &[u8]) -> Option<&[u8]> {
    let count = text.iter().take(BACKSLASHES_MAX).take_while(|byte| **byte == b'\\').count();
    text.get(count..).filter(|_| count > 0)
}

/// `\x40`.
fn hexadecimal(text: &[u8]) -> Option<(u8, usize)> {
    let digits = behind_backslashes(text)?.strip_prefix(b"x")?;
    Some((two_digits(digits)?, text.len() - digits.len() + 2))
}

fn two_digits(text: &[u8]) -> Option<u8> {
    u8::try_from(number(text.get(..2)?, 16)?).ok()
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let digits = std::str::from_utf8(digits).ok()?;
    let is_plain = digits.bytes().all(|byte| char::from(byte).is_digit(radix));
    is_plain.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
}

/// `5c71`, `{5c71}`, or two halves of one; without what is before.
fn unicode(text: &[u8]) -> Option<(char, usize)> {
    if let Some(rest) = text.strip_prefix(b"{") {
        let end = rest.iter().take(DIGITS_MAX).position(|byte| *byte == b'}')?;
        return Some((char::from_u32(number(rest.get(..end)?, 16)?)?, end + 2));
    }
    let unit = |text: &[u8]| u16::try_from(number(text.get(..4)?, 16)?).ok();
    let first = unit(text)?;
    if let Some(says) = char::from_u32(first.into()) {
        return Some((says, 4));
    }
    let other = behind_backslashes(text.get(4..)?)?.strip_prefix(b"u")?;
    let says = char::decode_utf16([first, unit(other)?]).next()?.ok()?;
    Some((says, text.len() - other.len() + 4))
}

/// `&#64;`, `&#x40;`, `&commat;`, and `&amp;#64;`, in which the sign itself is encoded.
fn entity(text: &[u8]) -> Option<(char, usize)> {
    let rest = text.strip_prefix(b"&")?;
    let mut inner = rest;
    for _ in 1..TIMES_MAX {
        inner = inner.strip_prefix(b"amp;").unwrap_or(inner);
    }
    let read = |rest: &[u8]| {
        let (says, bytes) = reference(rest)?;
        Some((says, text.len() - rest.len() + bytes))
    };
    read(inner).or_else(|| read(rest))
}

fn reference(text: &[u8]) -> Option<(char, usize)> {
    let end = text.iter().take(NAME_BYTES_MAX + 1).position(|byte| *byte == b';');
    let name = text.get(..end?)?;
    let says = match name {
        [b'#', b'x' | b'X', digits @ ..] => char::from_u32(number(digits, 16)?)?,
        [b'#', digits @ ..] => char::from_u32(number(digits, 10)?)?,
        name => named(std::str::from_utf8(name).ok()?)?,
    };
    Some((says, name.len() + 1))
}

/// Names of signs, and of what letters bear.
const SIGNS: [(&str, char); 24] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("rsquo", '\''),
    ("commat", '@'),
    ("period", '.'),
    ("lowbar", '_'),
    ("hyphen", '-'),
    ("dash", '-'),
    ("plus", '+'),
    ("nbsp", ' '),
    ("sol", '/'),
    ("colon", ':'),
    ("equals", '='),
    ("lpar", '('),
    ("rpar", ')'),
    ("comma", ','),
    ("num", '#'),
    ("szlig", 'ß'),
    ("aelig", 'æ'),
    ("oslash", 'ø'),
    ("Oslash", 'Ø'),
];
const BEARING: [(&str, &str); 7] = [
    ("acute", "aáeéiíoóuúyýAÁEÉIÍOÓUÚ"),
    ("grave", "aàeèiìoòuùAÀEÈ"),
    ("circ", "aâeêiîoôuûAÂEÊIÎOÔ"),
    ("uml", "aäeëiïoöuüyÿAÄOÖUÜ"),
    ("tilde", "aãnñoõAÃNÑ"),
    ("cedil", "cçCÇ"),
    ("ring", "aåAÅ"),
];

fn named(name: &str) -> Option<char> {
    if let Some((_, says)) = SIGNS.iter().find(|(known, _)| *known == name) {
        return Some(*says);
    }
    let letter = name.chars().next()?;
    let rest = name.get(letter.len_utf8()..)?;
    let (_, pairs) = BEARING.iter().find(|(bears, _)| *bears == rest)?;
    let mut letters = pairs.chars();
    while let (Some(plain), Some(bearing)) = (letters.next(), letters.next()) {
        if plain == letter {
            return Some(bearing);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn every_way_is_read() {
        for (text, says) in [
            ("%40", '@'),
            ("%2540", '@'),
            ("%E5%B1%B1", '山'),
            ("%25E5%25b1%25b1", '山'),
            ("%F0%9F%99%82", '🙂'),
            ("\\u5c71", '山'),
            ("\\u{5c71}", '山'),
            ("\\ud83d\\ude42", '🙂'),
            ("\\\\u5c71", '山'),
            ("\\\\ud83d\\\\ude42", '🙂'),
            ("\\x40", '@'),
            ("\\n", '\n'),
            ("\\\\\\\\t", '\t'),
            ("\\xe5\\xb1\\xb1", '山'),
            ("&#64;", '@'),
            ("&#x40;", '@'),
            ("&commat;", '@'),
            ("&amp;#64;", '@'),
            ("&amp;", '&'),
            ("&eacute;", 'é'),
            ("&#23665;", '山'),
        ] {
            let escape = read(format!("{text}40").as_bytes());
            assert_eq!(escape.map(|e| (e.says, e.bytes)), Some((says, text.len())), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_left() {
        for text in [
            "%",
            "%4",
            "%4g",
            "%+1",
            "%E5",
            "%E5%B1",
            "%FF",
            "%00",
            "%d",
            "100% of",
            "\\u5c7",
            "\\ud83d",
            "\\x1b",
            "\\w",
            "&",
            "&&",
            "&copy;",
            "& co;",
            "&#;",
            "&#xD800;",
            "&#9999999;",
            "&q=1;",
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
    }
}
