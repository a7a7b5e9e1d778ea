//! Bytes of tokens into text: a character is shown when it is whole, never half.
//!
//! Must never emit a partial character, and must never lose a byte order: one Japanese character
//! is often three tokens here.

/// Turns the bytes of successive tokens into valid UTF-8.
#[derive(Debug, Default)]
pub(super) struct Utf8Assembler {
    /// Up to three bytes of a character whose rest has not come yet.
    tail: Vec<u8>,
}

impl Utf8Assembler {
    /// Adds a token's bytes and returns the text that became whole. Bytes that can never become
    /// a character turn into U+FFFD.
    pub(super) fn push(&mut self, bytes: &[u8]) -> String {
        self.tail.extend_from_slice(bytes);
        let mut text = String::with_capacity(self.tail.len());
        let mut kept = 0;
        for chunk in self.tail.utf8_chunks() {
            text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            kept = invalid.len();
            if kept > 0 {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        // Only the very last invalid chunk can be the beginning of a character to come.
        if kept > 0 && is_beginning(&self.tail[self.tail.len() - kept..]) {
            text.pop();
            self.tail.drain(..self.tail.len() - kept);
        } else {
            self.tail.clear();
        }
        text
    }

    /// True when no byte is waiting for the rest of its character.
    pub(super) fn is_whole(&self) -> bool {
        self.tail.is_empty()
    }
}

/// True when more bytes could still make a character of these.
fn is_beginning(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(chunks: &[&[u8]]) -> Vec<String> {
        let mut assembler = Utf8Assembler::default();
        chunks.iter().map(|chunk| assembler.push(chunk)).collect()
    }

    #[test]
    fn every_byte_alone_gives_the_same_text() {
        let text = "楽天市場で買う 🛒👨‍👩‍👧 ok é";
        let mut assembler = Utf8Assembler::default();
        let mut whole = String::new();
        for byte in text.as_bytes() {
            let part = assembler.push(std::slice::from_ref(byte));
            assert!(!part.contains(char::REPLACEMENT_CHARACTER));
            whole.push_str(&part);
        }
        assert_eq!(whole, text);
        assert!(assembler.is_whole());
    }

    #[test]
    fn half_a_character_waits() {
        assert_eq!(feed(&[b"a\xe6", b"\xa5", b"\xbd!"]), ["a", "", "楽!"]);
    }

    #[test]
    fn impossible_bytes_are_replaced_and_do_not_wait() {
        assert_eq!(feed(&[b"\xff", b"a"]), ["\u{fffd}", "a"]);
        assert_eq!(feed(&[b"\xe6", b"a"]), ["", "\u{fffd}a"]);
        assert_eq!(feed(&[b"\xe6\xe6\xa5", b"\xbd"]), ["\u{fffd}", "楽"]);
    }
}
