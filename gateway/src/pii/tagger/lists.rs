//! The word lists as they stand in the repository. Lines that begin with `#` name the source and
//! the licence. Tables are made of them when the program is built; it must never hold them itself.

use super::table::{
    CITY, GIVEN, LATIN_GIVEN, LATIN_SURNAME, Lists, NOUN, ORGANIZATION, OTHER_PERSON, PLACE,
    ROMAJI, SURNAME, WHOLE_NAME, WORD,
};

const FILES: [(&str, Lists); 15] = [
    (include_str!("../data/surnames.txt"), SURNAME),
    (include_str!("../data/given_names.txt"), GIVEN),
    (include_str!("../data/given_names_more.txt"), GIVEN),
    (include_str!("../data/cities.txt"), CITY),
    (include_str!("../data/latin_given_names.txt"), LATIN_GIVEN),
    (include_str!("../data/latin_given_names_more.txt"), LATIN_GIVEN),
    (include_str!("../data/latin_surnames.txt"), LATIN_SURNAME),
    (include_str!("../data/romaji.txt"), ROMAJI),
    (include_str!("../data/words.txt"), WORD),
    (include_str!("../data/other_persons.txt"), OTHER_PERSON),
    (include_str!("../data/places.txt"), PLACE),
    (include_str!("../data/organizations.txt"), ORGANIZATION),
    (include_str!("../data/nouns.txt"), NOUN),
    (include_str!("../data/nouns_in_katakana.txt"), NOUN),
    (include_str!("../data/whole_names.txt"), WHOLE_NAME),
];

/// Words that are used alike, a group a line.
const GROUPS: [&str; 2] =
    [include_str!("../data/word_groups_1.txt"), include_str!("../data/word_groups_2.txt")];

/// Every listed word, and the list that it is on there.
pub(super) fn listed() -> impl Iterator<Item = (&'static str, Lists)> {
    FILES.iter().flat_map(|(file, list)| lines(file).map(|word| (word, *list)))
}

/// Every word of a group, and the group's number, from 1. The model has learned the numbers, and an
/// empty line has one, too.
pub(super) fn grouped() -> impl Iterator<Item = (&'static str, u16)> {
    let lines = GROUPS.iter().flat_map(|file| file.lines());
    let groups = (1..).zip(lines.filter(|line| !line.starts_with('#')));
    groups.flat_map(|(group, line)| line.split_ascii_whitespace().map(move |word| (word, group)))
}

fn lines(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}
