//! What of a text is asked, and what is only shown: who asks in one language about a text in
//! another one asks in the first. It splits a text where quotations stand, and never says which
//! language a part is in.

/// Quotation marks that are not the same at both ends. Where Germans end, others begin.
const PAIRS: [(char, char); 8] = [
    ('「', '」'),
    ('『', '』'),
    ('“', '”'),
    ('„', '“'),
    ('«', '»'),
    ('»', '«'),
    ('‹', '›'),
    ('《', '》'),
];
const STRAIGHT: char = '"';
/// A quotation that is longer is none: a mark was forgotten.
const QUOTATION_CHARS_MAX: usize = 1_000;
/// Runs of another script within a sentence; a text with more of them is written in both.
const RUNS_MAX: usize = 4;

/// Greek begins here.
const FIRST_NOT_LATIN: char = '\u{370}';
/// Latin letters with several marks, as in Vietnamese.
const LATIN_ADDED: std::ops::RangeInclusive<char> = '\u{1E00}'..='\u{1EFF}';

/// What tells the parts of a text from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Quotation marks, a colon, the border of code.
    Marks,
    /// Nothing but the break of a line.
    Lines,
    /// The scripts: a sentence in Latin letters holds words of another script.
    Sentence,
}

/// One way to read a text: what is asked, and what is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) asked: String,
    pub(super) shown: String,
    pub(super) kind: Kind,
}

impl Split {
    pub(super) fn new(asked: &str, shown: &str, kind: Kind) -> Self {
        Self { asked: asked.to_owned(), shown: shown.to_owned(), kind }
    }
}

/// The ways to read a text, the surest first.
pub(super) fn splits(text: &str) -> impl Iterator<Item = Split> {
    let ways: [fn(&str) -> Option<Split>; 5] =
        [at_quotation_marks, at_colon, after_first_line, before_last_line, within_sentence];
    ways.into_iter().filter_map(|way| way(text))
}

/// What stands in quotation marks is shown.
fn at_quotation_marks(text: &str) -> Option<Split> {
    let mut split = Split::new("", "", Kind::Marks);
    let mut rest = text;
    while let Some((before, quoted, after)) = next_quotation(rest) {
        split.asked.push_str(before);
        split.asked.push(' ');
        split.shown.push_str(quoted);
        split.shown.push(' ');
        rest = after;
    }
    split.asked.push_str(rest);
    (!split.shown.is_empty()).then_some(split)
}

/// What stands before, within and behind the next quotation.
fn next_quotation(text: &str) -> Option<(&str, &str, &str)> {
    let closing = |open: char| {
        let pair = PAIRS.iter().find(|(first, _)| *first == open).map(|(_, last)| *last);
        pair.or((open == STRAIGHT).then_some(STRAIGHT))
    };
    for (at, open) in text.char_indices() {
        let Some(close) = closing(open) else { continue };
        let within = &text[at + open.len_utf8()..];
        let end = within.char_indices().take(QUOTATION_CHARS_MAX).find(|(_, c)| *c == close);
        if let Some((end, _)) = end {
            return Some((&text[..at], &within[..end], &within[end + close.len_utf8()..]));
        }
    }
    None
}

/// What follows the first colon is shown; a colon within a time or an address is none.
fn at_colon(text: &str) -> Option<Split> {
    let (at, colon) = text.char_indices().find(|(at, letter)| match letter {
        '：' => true,
        ':' => text[at + 1..].starts_with(|next: char| next.is_whitespace() || !next.is_ascii()),
        _ => false,
    })?;
    Some(Split::new(&text[..at], &text[at + colon.len_utf8()..], Kind::Marks))
}

fn after_first_line(text: &str) -> Option<Split> {
    let (first, rest) = text.trim().split_once('\n')?;
    Some(Split::new(first, rest, Kind::Lines))
}

fn before_last_line(text: &str) -> Option<Split> {
    let (rest, last) = text.trim().rsplit_once('\n')?;
    Some(Split::new(last, rest, Kind::Lines))
}

/// A sentence in Latin letters from its first word to its last, with words of another script in it.
fn within_sentence(text: &str) -> Option<Split> {
    let mut split = Split::new("", "", Kind::Sentence);
    let (mut runs, mut was_latin) = (0, None);
    for letter in text.chars() {
        let is_latin = letter < FIRST_NOT_LATIN || LATIN_ADDED.contains(&letter);
        if letter.is_alphabetic() {
            runs += usize::from(was_latin != Some(is_latin) && !is_latin);
            was_latin.get_or_insert(is_latin);
            if split.asked.is_empty() && !is_latin {
                return None;
            }
            was_latin = Some(is_latin);
        }
        let part = if was_latin == Some(false) { &mut split.shown } else { &mut split.asked };
        part.push(letter);
    }
    let is_frame = was_latin == Some(true) && (1..=RUNS_MAX).contains(&runs);
    is_frame.then_some(split)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(way: fn(&str) -> Option<Split>, text: &str) -> Option<String> {
        way(text).map(|split| split.asked.trim().to_owned())
    }

    #[test]
    fn quotation_marks_are_found_in_pairs() {
        let split = at_quotation_marks("「猫」と『犬』の違いは？").unwrap();
        assert_eq!((split.asked.as_str(), split.shown.trim()), (" と の違いは？", "猫 犬"));
        let german = at_quotation_marks("Was heißt „guten Abend“ auf Polnisch?").unwrap();
        assert_eq!(german.shown.trim(), "guten Abend");
        assert_eq!(at_quotation_marks("a screen of 27\" is wide"), None, "no pair");
        assert_eq!(at_quotation_marks("don't"), None);
    }

    #[test]
    fn a_colon_of_a_time_is_none() {
        assert_eq!(asked(at_colon, "Meet me at 10:30"), None);
        assert_eq!(asked(at_colon, "see https://example.com"), None);
        assert_eq!(asked(at_colon, "Put into Thai: hello").as_deref(), Some("Put into Thai"));
        assert_eq!(asked(at_colon, "英訳：おはよう").as_deref(), Some("英訳"));
    }

    #[test]
    fn a_sentence_holds_words_of_another_script() {
        let way = within_sentence;
        assert_eq!(asked(way, "Is 猫 a noun?").as_deref(), Some("Is a noun?"));
        assert_eq!(asked(way, "Zoom の使い方"), None, "it ends in the other script");
        assert_eq!(asked(way, "猫 is a noun"), None);
        assert_eq!(asked(way, "only Latin"), None);
    }
}
