//! Who speaks in a chat or a log: the listed name between a line's time and what was said. It must
//! never take what else stands behind a time (a meeting, a level of a log, a station).

use super::lexicon::Lexicon;
use super::table::{
    CITY, GIVEN, LATIN_GIVEN, NOUN, ORGANIZATION, OTHER_PERSON, SURNAME, WHOLE_NAME, WORD, hash,
};
use crate::pii::finding::{Finding, Trust};
use crate::pii::kind::Kind;

/// A line's time has so many signs: `[2024-05-01 22:14:09]`.
const TIME_BYTES_MAX: usize = 22;
/// A speaker's name has so many bytes.
const NAME_BYTES_MAX: usize = 30;

/// Adds the speakers of a text's lines.
pub(super) fn find(text: &str, lexicon: &Lexicon, findings: &mut Vec<Finding>) {
    let mut start = 0;
    while let Some(line) = text.get(start..).filter(|rest| !rest.is_empty()) {
        // Hardly any line begins with a time: only those are looked at.
        if line.starts_with(|c: char| c.is_ascii_digit() || c == '[' || c == '(') {
            findings.extend(speaker(line, lexicon).map(|(from, to)| {
                let (start, end) = (start + from, start + to);
                Finding { start, end, kind: Kind::Person, trust: Trust::Guess }
            }));
        }
        start += line.find('\n').map_or(line.len(), |at| at + 1);
    }
}

/// Where the name of a line's speaker is.
fn speaker(line: &str, lexicon: &Lexicon) -> Option<(usize, usize)> {
    let is_time = |c: char| c.is_ascii_digit() || "[]():-/ .\t".contains(c);
    let time = line.len() - line.trim_start_matches(is_time).len();
    let head = line.get(..time)?;
    let apart = head.ends_with([' ', '\t', ']', ')']);
    if !apart || time > TIME_BYTES_MAX || !head.contains(':') {
        return None;
    }
    let rest = line.get(time..)?;
    let end = rest.find(['\t', ':', '\n'])?;
    let name = rest.get(..end).filter(|name| name.len() <= NAME_BYTES_MAX)?;
    rest.get(end..).filter(|rest| !rest.starts_with('\n'))?;
    is_name(name, lexicon).then_some((time, time + end))
}

fn is_name(name: &str, lexicon: &Lexicon) -> bool {
    if name.is_ascii() {
        let lists = lexicon.lists(hash(&name.to_ascii_lowercase()));
        let capital = name.starts_with(|c: char| c.is_ascii_uppercase());
        return capital && lists & LATIN_GIVEN != 0 && lists & WORD == 0;
    }
    let lists = lexicon.lists(hash(name));
    let is_person = lists & (GIVEN | SURNAME | OTHER_PERSON | WHOLE_NAME) != 0;
    is_person && lists & (NOUN | CITY | ORGANIZATION) == 0
}

#[cfg(test)]
mod tests {
    use super::{Lexicon, find};

    fn names(text: &str) -> Vec<&str> {
        let mut findings = Vec::new();
        find(text, &Lexicon::new(), &mut findings);
        findings.into_iter().map(|found| &text[found.start..found.end]).collect()
    }

    #[test]
    fn who_speaks_stands_behind_the_time() {
        assert_eq!(names("21:40\tゆかり\t着いた？\n21:41\tケンジ\tまだ"), ["ゆかり", "ケンジ"]);
        assert_eq!(names("[18:02] Gemma: on my way\n[18:03] Wade: ok"), ["Gemma", "Wade"]);
    }

    #[test]
    fn what_else_happens_at_a_time_is_left() {
        for text in [
            "10:00 会議: 第一会議室\n12:00\t昼食\t食堂",
            "10:32 ERROR: disk full\n10:33 Info: retry",
            "9:05 東京: 発車\n9:40 横浜: 到着",
            "1) 林檎: 3個\n2) みかん: 5個",
            "[1] Lee: On the theory of machines",
        ] {
            assert!(names(text).is_empty(), "{text}");
        }
    }
}
