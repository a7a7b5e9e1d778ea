//! The shadow text: what detection reads. Full-width and half-width forms, dashes and spaces are
//! folded so that one pattern fits all of them, and every byte remembers where it came from.
//! It must never be sent anywhere: only the original text, with its own offsets, is cut.

/// A folded copy of a text with the way back to the original's byte offsets.
pub(super) struct Shadow {
    text: String,
    origins: Vec<u32>,
}

/// Longer inputs are refused before they get here: offsets are kept in 32 bits.
pub(super) const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

impl Shadow {
    /// Folds a text.
    pub(super) fn new(source: &str) -> Self {
        let mut shadow = Self {
            text: String::with_capacity(source.len()),
            origins: Vec::with_capacity(source.len() + 1),
        };
        let mut at = 0;
        while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
            let ascii = rest.bytes().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
            shadow.push_ascii(rest.get(..ascii).unwrap_or_default(), at);
            at = shadow.push_others(source, at + ascii);
        }
        shadow.origins.push(offset32(source.len()));
        shadow
    }

    fn push_ascii(&mut self, text: &str, origin: usize) {
        self.text.push_str(text);
        self.origins.extend((origin..origin + text.len()).map(offset32));
    }

    /// Folds what is not ASCII from here on; says where that ends.
    fn push_others(&mut self, source: &str, start: usize) -> usize {
        let rest = source.get(start..).unwrap_or_default();
        let mut characters = rest.char_indices().peekable();
        while let Some((offset, character)) = characters.next() {
            let offset = start + offset;
            if character.is_ascii() {
                return offset;
            }
            if is_invisible(character) {
                continue;
            }
            let next = characters.peek().map(|(_, next)| *next);
            let (folded, both) = compose(widen(character), next);
            if both {
                characters.next();
            }
            let folded =
                if is_long_vowel(folded) && self.is_between_digits(next) { '-' } else { folded };
            self.push(folded, offset);
        }
        source.len()
    }

    /// The folded text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Where in the original the byte at this offset of the folded text came from.
    pub(super) fn origin(&self, offset: usize) -> usize {
        self.origins.get(offset).or(self.origins.last()).map_or(0, |origin| *origin as usize)
    }

    fn push(&mut self, character: char, origin: usize) {
        self.text.push(character);
        self.origins.resize(self.text.len(), offset32(origin));
    }

    fn is_between_digits(&self, next: Option<char>) -> bool {
        let before = self.text.chars().next_back().is_some_and(|c| c.is_ascii_digit());
        before && next.is_some_and(|c| widen(c).is_ascii_digit())
    }
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
