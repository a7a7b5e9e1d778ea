//! What is encoded in a text, told again in plain letters, each with the line around it: the words
//! that say what it is stand there. A text without anything encoded costs one look at its bytes.

use super::escape::{self, Escape};
use super::retold::{self, How, Retold};

/// So much of the line before something encoded says what it is.
const BEFORE_BYTES: usize = 160;
/// So far behind it goes what it is a part of, and what says what it was.
const AFTER_BYTES: usize = 128;
/// A longer word is cut.
const WORD_BYTES_MAX: usize = 2048;
/// So far around a plus the field is looked at.
const FIELD_BYTES_MAX: usize = 128;
/// Bytes that are looked at together.
const BLOCK_BYTES: usize = 32;

/// Tells what is encoded; nothing if nothing is.
pub(super) fn retell(text: &str) -> Option<Retold> {
    let mut retold = None;
    let mut at = 0;
    while let Some(found) = next(text.as_bytes(), at) {
        let retold = retold.get_or_insert_with(Retold::default);
        let teller = Teller { text, retold, in_query: false };
        at = teller.tell(begin(text, at, found), found);
    }
    retold
}

/// A value as it is without its escapes.
pub(super) fn plain(value: &str) -> Option<String> {
    let mut plain = String::new();
    let (mut at, mut copied) = (0, 0);
    while let Some(found) = next(value.as_bytes(), at) {
        let escape = value.as_bytes().get(found..).and_then(escape::read)?;
        plain.push_str(value.get(copied..found)?);
        plain.push(escape.says);
        at = found + escape.bytes;
        copied = at;
    }
    plain.push_str(value.get(copied..)?);
    (copied > 0).then_some(plain)
}

/// Where something encoded begins next.
fn next(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    for (block, start) in rest.chunks(BLOCK_BYTES).zip((from..).step_by(BLOCK_BYTES)) {
        if !block.iter().fold(false, |any, byte| any | escape::may_begin(*byte) | (*byte == b'+')) {
            continue;
        }
        let begins = |at: &usize| {
            if bytes.get(*at) == Some(&b'+') {
                return is_of_a_name(bytes, *at);
            }
            let rest =
                bytes.get(*at..).filter(|rest| rest.first().is_some_and(|b| escape::may_begin(*b)));
            rest.is_some_and(|rest| escape::read(rest).is_some_and(|escape| counts(escape, rest)))
        };
        if let Some(found) = (start..start + block.len()).find(begins) {
            return Some(found);
        }
    }
    None
}

/// Whether an escape at the beginning of a text hides something from who reads it as it stands.
fn counts(escape: Escape, text: &[u8]) -> bool {
    match escape.how {
        How::Sign => false,
        // The letter behind the backslash is seen as that of a word which begins there.
        How::Break => match text.get(escape.bytes..) {
            Some([b'+' | b'(', ..] | [0xEF, 0xBC | 0xBD, ..]) => true,
            Some([byte, ..]) => byte.is_ascii_alphanumeric(),
            _ => false,
        },
        How::Alike | How::Aside | How::Otherwise | How::InUrl => true,
    }
}

/// Whether a plus between two letters is the blank in a name or an address, by the key before it.
fn is_of_a_name(bytes: &[u8], at: usize) -> bool {
    let is_letter =
        |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    if !is_letter(at.checked_sub(1)) || !is_letter(at.checked_add(1)) {
        return false;
    }
    let before = bytes.get(at.saturating_sub(FIELD_BYTES_MAX)..at).unwrap_or_default();
    let is_of_value = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.,'_".contains(byte);
    let value = before.iter().rev().take_while(|byte| is_of_value(byte)).count();
    let head = before.get(..before.len() - value).unwrap_or_default();
    head.ends_with(b"=") && retold::calls_somebody(&String::from_utf8_lossy(head))
}

/// Where the telling begins: on the line, at the beginning of a word.
fn begin(text: &str, least: usize, found: usize) -> usize {
    let before = text.get(least..found).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    let mut start = found - line.len().min(BEFORE_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let least = found - line.len().min(WORD_BYTES_MAX);
    while start > least && text.as_bytes().get(start - 1).is_some_and(|byte| is_of_word(*byte)) {
        start -= 1;
    }
    start
}

/// What URLs and the like are made of.
fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_graphic() && !is_quote(byte)
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`')
}

struct Teller<'a, 'b> {
    text: &'a str,
    retold: &'b mut Retold,
    /// Whether fields and their values are said, as in a URL.
    in_query: bool,
}

impl Teller<'_, '_> {
    /// Tells from here on; says up to where.
    fn tell(mut self, start: usize, found: usize) -> usize {
        let (mut at, mut end) = (start, found + AFTER_BYTES);
        let mut before = None;
        while let Some(character) = self.text.get(at..).and_then(|rest| rest.chars().next()) {
            let is_of_word = character.is_ascii() && is_of_word(character as u8);
            let is_over = at >= end && !(is_of_word && at < end + WORD_BYTES_MAX);
            if character == '\n' || is_over {
                break;
            }
            match self.escape_at(at) {
                Some(escape) => {
                    if escape.how != How::Sign {
                        end = at + escape.bytes + AFTER_BYTES;
                    }
                    self.tell_escape(at, escape);
                    before = Some(escape.says);
                    at += escape.bytes;
                }
                None => {
                    self.tell_plain(at, character, before);
                    before = Some(character);
                    at += character.len_utf8();
                }
            }
        }
        self.retold.add("\n");
        at
    }

    fn escape_at(&self, at: usize) -> Option<Escape> {
        let rest = self.text.as_bytes().get(at..)?;
        rest.first().filter(|byte| escape::may_begin(**byte)).and_then(|_| escape::read(rest))
    }

    fn tell_escape(&mut self, at: usize, escape: Escape) {
        self.look(escape.says);
        let says = if escape.says == '&' && self.in_query { '\n' } else { escape.says };
        let mut bytes = [0; 4];
        self.retold.tell(at, escape.bytes, says.encode_utf8(&mut bytes), escape.how);
    }

    fn tell_plain(&mut self, at: usize, character: char, before: Option<char>) {
        self.look(character);
        match character {
            '&' if self.in_query => self.retold.tell(at, 1, "\n", How::Sign),
            '+' if self.in_query && self.is_blank(at, before) => {
                self.retold.tell(at, 1, " ", How::InUrl);
            }
            _ => {
                let end = at + character.len_utf8();
                self.retold.copy(at, self.text.get(at..end).unwrap_or_default());
            }
        }
    }

    /// Whether a plus is the blank between two words of a value. A number's plus stands before it,
    /// and that of a mailbox before its sign.
    fn is_blank(&self, at: usize, before: Option<char>) -> bool {
        let next = self.escape_at(at + 1).map(|escape| escape.says);
        let next = next.or_else(|| self.text.get(at + 1..)?.chars().next());
        let is_inside = before.is_some_and(|c| c != '=' && c != '+' && !c.is_whitespace());
        is_inside && next.is_some_and(|c| !c.is_whitespace()) && !self.is_of_mailbox(at)
    }

    /// Whether the field has a mailbox's sign behind a place.
    fn is_of_mailbox(&self, at: usize) -> bool {
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        let rest = rest.get(..rest.len().min(FIELD_BYTES_MAX)).unwrap_or_default();
        let field = rest.split(|byte| *byte == b'&' || !is_of_word(*byte)).next();
        field.is_some_and(|field| field.contains(&b'@') || field.windows(3).any(|at| at == b"%40"))
    }

    /// Notes whether fields begin or end here.
    fn look(&mut self, character: char) {
        match character {
            '?' | '=' => self.in_query = true,
            c if c.is_whitespace() || (c.is_ascii() && is_quote(c as u8)) => self.in_query = false,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{plain, retell};

    fn told(text: &str) -> Option<String> {
        retell(text).map(|retold| retold.text().to_owned())
    }

    #[test]
    fn only_what_is_encoded_is_told() {
        assert_eq!(told("a text, 100 % plain & \"simple\" \\n &lt;b&gt;\\n"), None);
        assert_eq!(told("a\\nb\\\\r\\\\n1").unwrap(), "a\nb\r\n1\n");
        assert_eq!(told("a\nx taro%40y.example z\nb").unwrap(), "x taro@y.example z\n");
        let far = format!("{} &#64; {}", "a b".repeat(200), "c d".repeat(200));
        assert!(told(&far).unwrap().len() < 400);
    }

    #[test]
    fn fields_stand_on_their_own_lines() {
        let url = "https://x.example/p?a=1&amp;name=%E5%B1%B1+%E7%94%B0&b=x%26c%3D2&tel=+81%2D3";
        let lines = "https://x.example/p?a=1\nname=山 田\nb=x\nc=2\ntel=+81-3\n";
        assert_eq!(told(url).unwrap(), lines);
        let form = "mail=a+b%40c.example&note=x+2+y+%2B";
        assert_eq!(told(form).unwrap(), "mail=a+b@c.example\nnote=x 2 y +\n");
        assert_eq!(told("?name=Margaret+Whitfield").unwrap(), "?name=Margaret Whitfield\n");
        assert_eq!(told("?q=red+shoes, a+b, x=y+z, name = a+b"), None);
    }

    #[test]
    fn a_value_is_read_without_its_escapes() {
        assert_eq!(plain("taro%40example.com").as_deref(), Some("taro@example.com"));
        assert_eq!(plain("taro@example.com"), None);
    }
}
