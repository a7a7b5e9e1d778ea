//! The shadow text: what detection reads. Full-width and half-width forms, dashes and spaces are
//! folded so that one pattern fits all of them, and every byte remembers where it came from.
//! It must never be sent anywhere: only the original text, with its own offsets, is cut.

/// A folded copy of a text with the way back to the original's byte offsets. A text in which
/// nothing is to be folded is not copied.
pub(super) struct Shadow<'a> {
    source: &'a str,
    folded: String,
    turns: Vec<Turn>,
    /// What of the original is copied, or left out.
    copied: usize,
}

/// From here on so many bytes of the original are so many of the folded text.
struct Turn {
    at: u32,
    origin: u32,
    bytes: u8,
    folded_bytes: u8,
}

impl Turn {
    fn origin(&self, offset: usize) -> usize {
        let characters = (offset - self.at as usize) / usize::from(self.folded_bytes);
        self.origin as usize + characters * usize::from(self.bytes)
    }
}

/// Longer inputs are refused before they get here: offsets are kept in 32 bits.
pub(super) const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

impl<'a> Shadow<'a> {
    /// Folds a text.
    pub(super) fn new(source: &'a str) -> Self {
        let mut shadow = Self { source, folded: String::new(), turns: Vec::new(), copied: 0 };
        let mut at = 0;
        while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
            let ascii = rest.bytes().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
            at = shadow.fold_others(at + ascii);
        }
        if shadow.copied > 0 {
            shadow.copy(source.len());
        }
        shadow
    }

    /// Folds what is not ASCII from here on; says where that ends.
    fn fold_others(&mut self, start: usize) -> usize {
        let rest = self.source.get(start..).unwrap_or_default();
        let mut characters = rest.char_indices().peekable();
        while let Some((offset, character)) = characters.next() {
            let offset = start + offset;
            if character.is_ascii() {
                return offset;
            }
            let next = characters.peek().map(|(_, next)| *next);
            if is_common(character) && !next.is_some_and(is_voicing) {
                continue;
            }
            let mut end = offset + character.len_utf8();
            if is_invisible(character) {
                self.copy(offset);
                self.copied = end;
                continue;
            }
            let (folded, both) = compose(widen(character), next);
            if both {
                end += next.map_or(0, char::len_utf8);
                characters.next();
            }
            let joins = is_long_vowel(folded) && self.is_between_digits(offset, next);
            let folded = if joins { '-' } else { folded };
            if both || folded != character {
                self.copy(offset);
                self.turn(offset, end - offset, folded.len_utf8());
                self.folded.push(folded);
                self.copied = end;
            }
        }
        self.source.len()
    }

    /// Copies the original up to here.
    fn copy(&mut self, end: usize) {
        if self.folded.capacity() == 0 {
            self.folded.reserve(self.source.len());
        }
        if self.copied < end {
            self.turn(self.copied, 1, 1);
            self.folded.push_str(self.source.get(self.copied..end).unwrap_or_default());
        }
    }

    /// What comes next in the folded text stands at a place of the original.
    fn turn(&mut self, origin: usize, bytes: usize, folded_bytes: usize) {
        let is_same = bytes == folded_bytes;
        let (bytes, folded_bytes) =
            if is_same { (1, 1) } else { (bytes as u8, folded_bytes as u8) };
        let goes_on = self.turns.last().is_some_and(|turn| {
            let is_alike = turn.bytes == bytes && turn.folded_bytes == folded_bytes;
            is_alike && turn.origin(self.folded.len()) == origin
        });
        if !goes_on {
            let (at, origin) = (offset32(self.folded.len()), offset32(origin));
            self.turns.push(Turn { at, origin, bytes, folded_bytes });
        }
    }

    /// The folded text.
    pub(super) fn text(&self) -> &str {
        if self.copied == 0 { self.source } else { &self.folded }
    }

    /// Where in the original the character at this offset of the folded text came from.
    pub(super) fn origin(&self, offset: usize) -> usize {
        if offset >= self.text().len() {
            return self.source.len();
        }
        let turn = self.turns.partition_point(|turn| turn.at as usize <= offset).checked_sub(1);
        turn.and_then(|turn| self.turns.get(turn)).map_or(offset, |turn| turn.origin(offset))
    }

    fn is_between_digits(&self, at: usize, next: Option<char>) -> bool {
        let is_digit = |character: char| widen(character).is_ascii_digit();
        next.is_some_and(is_digit) && {
            let copied = self.source.get(self.copied..at).unwrap_or_default();
            let before = copied.chars().next_back().or(self.folded.chars().next_back());
            before.is_some_and(|before| before.is_ascii_digit())
        }
    }
}

/// What most of a Japanese text is made of, and stays as it is.
fn is_common(character: char) -> bool {
    matches!(character, 'ぁ'..='ゖ' | 'ァ'..='ヺ' | '一'..='鿿' | '、' | '。' | '「' | '」' | '・')
}

/// A mark that voices the kana before it.
fn is_voicing(character: char) -> bool {
    matches!(character, '\u{3099}' | '\u{309A}' | '\u{FF9E}' | '\u{FF9F}')
}

fn offset32(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' | '\u{00AD}')
}

fn is_long_vowel(character: char) -> bool {
    matches!(character, 'ー' | '─' | '━')
}

/// Full-width to ASCII, half-width kana to kana, every dash to `-`, every blank to a space.
pub(super) fn widen(character: char) -> char {
    match character {
        '\u{FF01}'..='\u{FF5E}' => {
            char::from_u32(u32::from(character) - 0xFEE0).unwrap_or(character)
        }
        '\u{3000}' | '\u{00A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' => ' ',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE63}' | '\u{FE58}' => '-',
        '\u{FF61}'..='\u{FF9F}' => {
            HALF_WIDTH.chars().nth((u32::from(character) - 0xFF61) as usize).unwrap_or(character)
        }
        // The two letters that are the same as an ASCII letter but for the case.
        'ſ' => 's',
        '\u{212A}' => 'K',
        '\u{1D7CE}'..='\u{1D7FF}' => {
            char::from_digit((u32::from(character) - 0x1D7CE) % 10, 10).unwrap_or(character)
        }
        other => other,
    }
}

/// U+FF61 to U+FF9F in their order.
const HALF_WIDTH: &str = "。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテト\
                          ナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン\u{3099}\u{309A}";

/// Joins a kana and the voicing mark after it; says whether the mark was used.
fn compose(base: char, next: Option<char>) -> (char, bool) {
    let voiced = match next {
        Some('\u{3099}' | '\u{FF9E}') => true,
        Some('\u{309A}' | '\u{FF9F}') => false,
        _ => return (base, false),
    };
    let joined = match (base, voiced) {
        ('ウ', true) => Some('ヴ'),
        ('か'..='と' | 'カ'..='ト' | 'は'..='ほ' | 'ハ'..='ホ', true) => {
            char::from_u32(u32::from(base) + 1)
        }
        ('は'..='ほ' | 'ハ'..='ホ', false) => char::from_u32(u32::from(base) + 2),
        _ => None,
    };
    joined.map_or((base, false), |joined| (joined, true))
}

#[cfg(test)]
mod tests {
    use super::Shadow;

    #[test]
    fn widths_dashes_and_voicing_are_folded() {
        let shadow = Shadow::new("０９０－１２３４ー5678　ﾎｯﾀ ﾏｻﾉﾌﾞ ｶﾞ ﾊﾟ x\u{200B}y サーバー");
        assert_eq!(shadow.text(), "090-1234-5678 ホッタ マサノブ ガ パ xy サーバー");
    }

    #[test]
    fn offsets_lead_back() {
        let source = "あﾌﾞx";
        let shadow = Shadow::new(source);
        let start = shadow.text().find('ブ').map(|at| shadow.origin(at));
        let end = shadow.text().find('x').map(|at| shadow.origin(at));
        assert_eq!(&source[start.unwrap()..end.unwrap()], "ﾌﾞ");
        assert_eq!(shadow.origin(shadow.text().len()), source.len());
    }
}
