//! Towns that the model takes for persons, where no word of the line speaks of towns: in a list of
//! towns, on a way, behind `visit` or `closer to`. It must never drop somebody who has a surname
//! behind, nor one among persons.

use super::called::{OTHERS, Words};
use super::lexicon::Lexicon;
use super::table::{CITY, GIVEN, PLACE, SURNAME, hash};
use std::sync::LazyLock;

/// A list of towns has so many more.
const OTHERS_MIN: usize = 2;
/// What a list of towns has between them.
const JOINTS: [char; 3] = ['、', '・', 'と'];
/// Who does something in this line is somebody.
const PERSONS: [&str; 14] = [
    "さん",
    "様",
    "氏",
    "出席",
    "欠席",
    "参加",
    "担当",
    "社員",
    "部長",
    "課長",
    "先生",
    "選手",
    "当番",
    "メンバー",
];
/// What towns stand behind, in English.
const BEFORE: [&str; 24] = [
    "visit ",
    "visiting ",
    "closer to ",
    "near ",
    "trip to ",
    "flight to ",
    "flights to ",
    "train to ",
    "trains to ",
    "bus to ",
    "drive to ",
    "driving to ",
    "travel to ",
    "move to ",
    "moving to ",
    "or to ",
    "live in ",
    "living in ",
    "weather in ",
    "hotels in ",
    "hotel in ",
    "rent in ",
    "restaurants in ",
    "downtown ",
];
/// And before.
const AFTER: [&str; 6] =
    [" closer to ", " nearer to ", " or to ", " airport", " city centre", " downtown"];
/// Towns of which many are called as well, beside those that are given names.
static TOWNS: LazyLock<Words> = LazyLock::new(|| {
    Words::of(
        "\
            barnsley blackburn bradford burnley buxton camden carlisle clifton crawley darlington \
            derby durham halifax hamilton harrow hastings kendal lancaster leicester lexington \
            marlow middleton milton newton norfolk norwich oakland preston raleigh richmond \
            salisbury shelby sheffield shelton stafford stanley stratford sutton wakefield walton \
            warren warwick wellington whitby winchester",
    )
});

/// Whether a name in its line is a town.
pub(super) fn is_town((before, value, after): (&str, &str, &str), lexicon: &Lexicon) -> bool {
    if value.is_ascii() {
        return is_english(before, value, after);
    }
    let on_way = before.ends_with('→') || after.starts_with('→');
    let is_place = || lexicon.lists(hash(value)) & (CITY | PLACE) != 0;
    if on_way && is_place() && is_on_way(before, after, lexicon) {
        return true;
    }
    let speaks = |text: &str| PERSONS.iter().any(|word| text.contains(word));
    (before.ends_with(JOINTS) || after.starts_with(JOINTS))
        && is_city(value, lexicon)
        && neighbours(before, after, lexicon) >= OTHERS_MIN
        && !speaks(before)
        && !speaks(after)
}

/// Beside an arrow, on whose other side is a place that is nobody's name: people call each other
/// along arrows, too.
fn is_on_way(before: &str, after: &str, lexicon: &Lexicon) -> bool {
    let is_wide = |c: char| c.is_alphanumeric() || c == '々';
    let is_place = |word: &str| {
        let lists = lexicon.lists(hash(word));
        let named = lists & (SURNAME | GIVEN) != 0;
        word.chars().count() > 1 && lists & (CITY | PLACE) != 0 && !named
    };
    let from = before.strip_suffix('→').map(|head| head.rsplit(|c| !is_wide(c)).next());
    let to = after.strip_prefix('→').map(|tail| tail.split(|c| !is_wide(c)).next());
    [from, to].into_iter().flatten().flatten().any(is_place)
}

/// How many cities stand in the list around a place.
fn neighbours(before: &str, after: &str, lexicon: &Lexicon) -> usize {
    let back = before.strip_suffix(JOINTS).map_or(0, |rest| {
        let words = rest.rsplit(JOINTS).map(|word| word.rsplit('の').next().unwrap_or_default());
        words.take_while(|word| is_city(word, lexicon)).count()
    });
    let on = after.strip_prefix(JOINTS).map_or(0, |rest| {
        let is_kanji = |c: char| matches!(c, '一'..='龥' | '々' | 'ヶ');
        let words = rest.split(JOINTS);
        let words = words.map(|word| word.split(|c| !is_kanji(c)).next().unwrap_or_default());
        words.take_while(|word| is_city(word, lexicon)).count()
    });
    back + on
}

fn is_city(word: &str, lexicon: &Lexicon) -> bool {
    let is_listed = |name: &str| lexicon.lists(hash(name)) & CITY != 0;
    !word.is_empty()
        && (is_listed(word) || ["市", "区"].iter().any(|end| is_listed(&format!("{word}{end}"))))
}

/// Towns of English, alone or one after the other.
fn is_english(before: &str, value: &str, after: &str) -> bool {
    let mut words = value.split([' ', ',']).filter(|word| !word.is_empty());
    let told = || {
        BEFORE.iter().any(|head| before.ends_with(head))
            || AFTER.iter().any(|tail| after.starts_with(tail))
    };
    let goes_on = after
        .strip_prefix(' ')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
    !goes_on
        && !after.starts_with("'s")
        && told()
        && (value.contains(',') || !value.contains(' '))
        && words.all(|word| TOWNS.has(word) || OTHERS.has(word))
}

#[cfg(test)]
mod tests {
    use super::{Lexicon, is_town};

    #[test]
    fn towns_among_towns_and_on_a_way_are_none() {
        let lexicon = Lexicon::new();
        let is = |before, value, after| is_town((before, value, after), &lexicon);
        assert!(is("愛知県の豊橋、豊川、", "岡崎", "のうち"));
        assert!(!is("豊橋、豊川、", "岡崎", "が欠席です"));
        assert!(!is("佐藤、", "岡崎", "、鈴木"));
        assert!(is("新宿→高円寺→", "登戸", "→町田"));
        assert!(!is("連絡網: 御厨→", "登戸", "→西村"));
        assert!(is("hotels in ", "Charlotte", "?"));
        assert!(is("best month to visit ", "Savannah, Madison", ", and Austin"));
        assert!(is("Is ", "Preston", " closer to Leeds?"));
        assert!(!is("I talked to ", "Charlotte", " yesterday"));
        assert!(!is("I visit ", "Charlotte", " Quill"));
        assert!(!is("I live near ", "Charlotte", "'s school"));
    }
}
