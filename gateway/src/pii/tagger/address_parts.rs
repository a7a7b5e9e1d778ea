//! Where an address that the model found ends too late or too early: the next sentence, the next
//! address or a person within it, and the numbers and houses behind it. It must never cut an
//! abbreviation of a street (St., Apt.), nor let the person go who was masked with an address.

use super::is_numeral;
use crate::pii::finding::{Finding, Trust};
use crate::pii::kind::Kind;

/// A house's name behind コーポ has so many letters.
const HOUSE_LETTERS_MAX: usize = 10;
/// What houses are called, where the model ends before their own name.
const HOUSES: [&str; 10] = [
    "コーポ",
    "ハイツ",
    "メゾン",
    "レジデンス",
    "ハイム",
    "ヴィラ",
    "パレス",
    "グラン",
    "サンハイツ",
    "ルミナス",
];

/// What is within an address and is none of it.
pub(super) enum Part {
    /// It ends here, and what follows is nothing.
    End(usize),
    /// It ends here, and another begins there.
    Next(usize, usize),
    /// It ends here, and a person is between these.
    Person(usize, usize, usize),
}

/// The first part that is no more of an address.
pub(super) fn cut(value: &str) -> Option<Part> {
    // All of them need a blank or a line's end.
    let may_be = value.bytes().any(|byte| byte == b' ' || byte == b'\n');
    if !may_be {
        return None;
    }
    let latin = || joined(value).or_else(|| greeting(value)).or_else(|| sentence(value));
    host(value).or_else(|| label(value)).or_else(latin)
}

/// 412番地 工藤方: with whom somebody lives.
fn host(value: &str) -> Option<Part> {
    let rest = value.strip_suffix('方')?;
    let rest = rest.strip_suffix('様').unwrap_or(rest);
    let is_end = |c: char| c.is_ascii_digit() || is_numeral(c) || "地号目室".contains(c);
    let (at, last) = rest.char_indices().rev().find(|(_, c)| is_end(*c))?;
    let end = at + last.len_utf8();
    let name = rest.get(end..)?.trim_start_matches(' ');
    let start = rest.len() - name.len();
    let letters = name.chars().filter(|c| *c != ' ').count();
    (start > end && (1..=8).contains(&letters)).then_some(Part::Person(end, start, rest.len()))
}

/// …Lower Hutt 5012: Tāne Rewiti: who lives there, behind a colon.
fn label(value: &str) -> Option<Part> {
    let at = value.find(": ")?;
    let is_numbered = value.get(..at)?.ends_with(|c: char| c.is_ascii_digit());
    let rest = value.get(at + 2..)?;
    let is_name = |word: &str| {
        word.starts_with(char::is_uppercase) && word.chars().all(|c| c.is_alphabetic() || c == '-')
    };
    let words = rest.split(' ').count();
    let named = (2..=3).contains(&words) && rest.split(' ').all(is_name);
    (is_numbered && named).then_some(Part::Person(at, at + 2, value.len()))
}

/// …Hong Kong and invoice 12 Elm Street: two, with what is done between.
fn joined(value: &str) -> Option<Part> {
    let at = value.find(" and ")?;
    let mut start = at + " and ".len();
    let mut words = 0;
    for word in value.get(start..)?.split_inclusive(' ') {
        let small = word.starts_with(|c: char| c.is_ascii_lowercase());
        if !small || word.trim_end() == "the" {
            break;
        }
        start += word.len();
        words += 1;
    }
    let rest = value.get(start..)?;
    let numbered = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
    let both = numbered(rest) && numbered(value.get(..at)?);
    (words > 0 && both).then_some(Part::Next(at, start))
}

/// The line under it speaks to somebody.
fn greeting(value: &str) -> Option<Part> {
    const GREETINGS: [&str; 8] =
        ["Hi ", "Hello ", "Dear ", "G'day ", "Hey ", "Good morning", "Thanks", "Thank you"];
    const OTHERS: [&str; 7] = ["Sir", "Madam", "Team", "All", "Customer", "Everyone", "There"];
    let mut lines = value.match_indices('\n').map(|(at, _)| at);
    lines.find_map(|at| {
        let rest = value.get(at + 1..)?;
        let behind = GREETINGS.iter().find_map(|greeting| rest.strip_prefix(greeting))?;
        let name = behind.len() - behind.trim_start_matches(char::is_alphabetic).len();
        let (start, word) = (value.len() - behind.len(), behind.get(..name)?);
        let is_name = word.starts_with(char::is_uppercase) && !OTHERS.contains(&word);
        Some(if is_name { Part::Person(at, start, start + name) } else { Part::End(at) })
    })
}

/// The next sentence, behind a word that is no abbreviation.
fn sentence(value: &str) -> Option<Part> {
    /// Shorter words before a full stop are abbreviations: St., Apt., Blvd.
    const WORD_LETTERS_MIN: usize = 5;
    let ends = value.match_indices(". ").map(|(at, _)| at);
    let mut ends = ends.filter(|at| {
        let (before, rest) = value.split_at_checked(*at).unwrap_or_default();
        let rest = rest.get(2..).unwrap_or_default();
        let word = before.rsplit([' ', ',']).next().unwrap_or_default();
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit()) && word.len() > 3;
        let is_word = word.chars().count() >= WORD_LETTERS_MIN
            && word.chars().all(char::is_alphabetic)
            && !word.ends_with("str");
        let begins = rest.starts_with(|c: char| c.is_ascii_uppercase());
        // A second capital may be somebody's, who is masked with the address.
        let capitals = rest.split(' ').filter(|word| word.starts_with(char::is_uppercase));
        begins && capitals.count() == 1 && (is_word || is_number)
    });
    ends.next().map(Part::End)
}

/// Bytes behind an address that are of it.
pub(super) fn missing(value: &str, after: &str) -> usize {
    let numbers = numbers(value, after);
    let more = after.get(numbers..).unwrap_or_default();
    if numbers > 0 {
        return numbers;
    }
    house(value, more).or_else(|| ward(more)).or_else(|| canadian(value, more)).unwrap_or_default()
}

/// What is counted, which is no number of a house: の3つ, の2か所.
const COUNTED: [char; 14] =
    ['つ', '人', '枚', '個', '年', '月', 'か', 'カ', 'ヶ', '箇', '点', '件', '本', '台'];

/// 北4の29の7 behind 高円寺北 or 高円寺, の三の五 behind 本町二.
fn numbers(value: &str, after: &str) -> usize {
    let is_number = |c: char| c.is_ascii_digit() || is_numeral(c);
    let mut rest = after.trim_start_matches(is_number);
    let begun = rest.len() < after.len();
    let mut groups = usize::from(begun);
    if !value.ends_with(|c: char| is_number(c) || matches!(c, '一'..='龥')) {
        return 0;
    }
    while let Some(next) = rest.strip_prefix('の') {
        let behind = next.trim_start_matches(is_number);
        if behind.len() == next.len() || behind.starts_with(COUNTED) {
            break;
        }
        rest = behind;
        groups += 1;
    }
    let is_house = groups > usize::from(!value.ends_with(is_number));
    if is_house { after.len() - rest.len() } else { 0 }
}

/// さざんか202 behind コーポ.
fn house(value: &str, after: &str) -> Option<usize> {
    HOUSES.iter().find(|house| value.ends_with(**house))?;
    let is_letter = |c: &char| matches!(c, 'ぁ'..='ゖ' | 'ァ'..='ヺ' | 'ー' | '一'..='龥' | '々');
    let name = after.chars().take(HOUSE_LETTERS_MAX).take_while(is_letter).map(char::len_utf8);
    let name: usize = name.sum();
    let rest = after.get(name..)?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let room = rest.get(digits..)?.strip_prefix("号室").map_or(0, |_| "号室".len());
    (name > 0 && (1..=4).contains(&digits)).then_some(name + digits + room)
}

/// -ku, Nagoya behind Chikusa.
fn ward(after: &str) -> Option<usize> {
    const ENDS: [&str; 8] = ["-ku", "-shi", "-cho", "-machi", "-gun", "-ken", "-fu", "-mura"];
    let end = ENDS.iter().find(|end| after.starts_with(**end))?;
    let rest = after.get(end.len()..)?;
    let is_letter = |c: char| c.is_ascii_alphabetic();
    if rest.starts_with(is_letter) {
        return None;
    }
    let city = rest.strip_prefix(", ").filter(|city| city.starts_with(|c: char| c.is_uppercase()));
    let city = city.map_or(0, |city| 2 + city.len() - city.trim_start_matches(is_letter).len());
    Some(end.len() + city)
}

/// M6J 3T2 behind ON.
fn canadian(value: &str, after: &str) -> Option<usize> {
    let is_province = value
        .rsplit(' ')
        .next()
        .is_some_and(|word| word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_uppercase()));
    let code = after.strip_prefix(' ').and_then(|rest| rest.as_bytes().first_chunk::<7>())?;
    let [a, b, c, blank, d, e, f] = code;
    let letters = [a, c, e].iter().all(|byte| byte.is_ascii_uppercase());
    let digits = [b, d, f].iter().all(|byte| byte.is_ascii_digit());
    (is_province && letters && digits && *blank == b' ').then_some(1 + code.len())
}

/// A person within an address.
pub(super) fn person(start: usize, end: usize) -> Finding {
    Finding { start, end, kind: Kind::Person, trust: Trust::Guess }
}

/// What a form asks for, a public office, an age with a dose, numbers of a catalogue.
pub(super) fn is_none(value: &str) -> bool {
    let numbered = value.bytes().any(|byte| byte.is_ascii_digit());
    let is_label = value.chars().all(|c| "市区町村都道府県番地丁目号".contains(c));
    let is_office = !numbered
        && ["役所", "役場", "警察署", "税務署"].iter().any(|office| value.contains(office))
        && value.ends_with(['課', '係', '署', '局', '所', '場', '部']);
    let mut words = value.split([' ', ',']).filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default();
    let age = first.strip_suffix(['M', 'F']).unwrap_or_default();
    let is_age = (1..=3).contains(&age.len()) && age.bytes().all(|byte| byte.is_ascii_digit());
    let is_code = |word: &str| word.len() <= 4 && word.bytes().all(|b| b.is_ascii_uppercase());
    let hyphens = |word: &str| word.matches('-').count() == 2;
    let is_catalogue = is_code(first) && words.next().is_some_and(hyphens);
    is_label || is_office || (is_age && value.contains(' ')) || is_catalogue
}

#[cfg(test)]
mod tests {
    use super::{Part, cut, is_none, missing};

    fn first(value: &str) -> &str {
        match cut(value) {
            Some(Part::End(end) | Part::Next(end, _) | Part::Person(end, _, _)) => &value[..end],
            None => value,
        }
    }

    #[test]
    fn an_address_ends_before_what_is_none() {
        assert_eq!(first("4 Mill Lane, Exeter. Bring snacks"), "4 Mill Lane, Exeter");
        assert_eq!(first("4 Mill St. Exeter"), "4 Mill St. Exeter");
        assert_eq!(first("4 Mill Lane, Apt. Blue"), "4 Mill Lane, Apt. Blue");
        assert_eq!(first("4 Mill Lane and bill 9 Elm Row"), "4 Mill Lane");
        assert_eq!(first("9 Oak and Elm Road 4"), "9 Oak and Elm Road 4");
        assert_eq!(first("4 Mill Lane, Exeter 5012: Odalys Quill"), "4 Mill Lane, Exeter 5012");
        assert_eq!(first("4 Mill Lane\nHi Gemma"), "4 Mill Lane");
        assert_eq!(first("柏市柏4番地 御厨様方"), "柏市柏4番地");
    }

    #[test]
    fn what_is_missing_of_an_address_is_taken() {
        let whole = |value: &str, after: &'static str| &after[..missing(value, after)];
        assert_eq!(whole("杉並区高円寺北", "3の12の5です"), "3の12の5");
        assert_eq!(whole("柏市本町二", "の三の五に住む"), "の三の五");
        assert_eq!(whole("柏市本町", "2の3つの店"), "");
        assert_eq!(whole("柏市", "の中心"), "");
        assert_eq!(whole("柏市柏4-5 コーポ", "ひまわり101、"), "ひまわり101");
        assert_eq!(whole("2-7-19 Imaike, Chikusa", "-ku, Nagoya."), "-ku, Nagoya");
        assert_eq!(whole("9 King St, Toronto, ON", " M5V 2T6"), " M5V 2T6");
        assert_eq!(whole("9 King St", " M5V 2T6"), "");
    }

    #[test]
    fn offices_ages_and_catalogues_are_no_addresses() {
        for value in ["市区町村番地", "柏市役所市民課", "78M admitted, EF 40", "CAS 50-78-2, EC"]
        {
            assert!(is_none(value), "{value}");
        }
        for value in ["柏市柏4-5", "NY 10001", "78 Mill Lane", "2-7-19 Imaike", "M6 Road 4"] {
            assert!(!is_none(value), "{value}");
        }
    }
}
