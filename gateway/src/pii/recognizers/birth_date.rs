//! Dates of birth: dates that the text calls so. Must never take any other date.

use super::rule::{Hit, Pattern, small};
use super::{Digits, Need, Recognizer, Recognizers};
use crate::pii::finding::{Finding, Trust};
use crate::pii::kind::Kind;
use std::sync::Arc;

/// Month names of other languages: German, French, Spanish, Italian, Portuguese, Dutch, Polish.
const MONTH_ABROAD: &str = "(?:j[aä]nner|januar[iy]?|febr?uar[iy]?|m[aä]rz|maart|mai|mei|juni?|\
    juli?|augustus|okt(?:ober)?|dez(?:ember)?|janvier|f[ée]vrier|mars|avril|juin|juillet|ao[uû]t|\
    septembre|octobre|novembre|d[ée]cembre|enero|febrero|marzo|abril|mayo|junio|julio|agosto|\
    sep?tiembre|octubre|\
    noviembre|diciembre|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre|\
    janeiro|fevereiro|março|maio|junho|julho|setembro|outubro|novembro|dezembro|stycznia|lutego|\
    marca|kwietnia|maja|czerwca|lipca|sierpnia|września|października|listopada|grudnia)";
/// Month names, any usual cut.
const MONTH: &str = "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|\
    aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)";
const JAPANESE: &str = concat!(
    r"(?:(?:明治|大正|昭和|平成|令和) ?(?:[0-9]{1,2}|元|[一二三四五六七八九十]{1,3})",
    r"|[0-9]{4}|[一二三四五六七八九〇]{4}) ?年 ?(?:\([^()\n]{2,12}\) ?)?",
    r"(?:[0-9]{1,2}|[一二三四五六七八九十]{1,3}) ?月 ?(?:[0-9]{1,2}|[一二三四五六七八九十]{1,3}) ?日"
);

fn pattern() -> String {
    let year = "(?:1[89]|20)[0-9]{2}";
    [
        JAPANESE.to_owned(),
        r"[0-9]{1,2}月[0-9]{1,2}日".to_owned(),
        r"\b[MTSHR][0-9]{1,2} ?[./\-] ?[0-9]{1,2} ?[./\-] ?[0-9]{1,2}\b".to_owned(),
        format!(r"\b{year} ?[./\-] ?[0-9]{{1,2}} ?[./\-] ?[0-9]{{1,2}}\b"),
        format!(r"\b[0-9]{{1,2}} ?[./\-] ?[0-9]{{1,2}} ?[./\-] ?(?:{year}|[0-9]{{2}})\b"),
        format!(r"\b{year}(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])\b"),
        format!(r"\b{MONTH}\.? [0-9]{{1,2}}(?:st|nd|rd|th)?,? {year}\b"),
        format!(r"\b[0-9]{{1,2}}(?:st|nd|rd|th)?[ \-](?:of )?{MONTH}\.?,?[ \-]{year}\b"),
        format!(r"\b[0-9]{{1,2}}\.? (?:de )?{MONTH_ABROAD}(?: de)? {year}\b"),
    ]
    .join("|")
}

const BEFORE_BYTES: usize = 76;
const AFTER_BYTES: usize = 24;
/// Between the label and the date.
const GAP_BYTES_MAX: usize = 60;
/// What calls the date after it a birth.
const BEFORE: [&str; 36] = [
    "生まれは",
    "生まれ:",
    "生年月日",
    "誕生日",
    "出生",
    "date of birth",
    "birth date",
    "birthdate",
    "birthday",
    "dob",
    "d.o.b",
    "born",
    "birth_date",
    "birth",
    // German, Dutch, French, Spanish, Portuguese, Italian, Polish, Swedish.
    "geboren am",
    "geb. am",
    "geburtsdatum",
    "geboren op",
    "geboortedatum",
    "né le",
    "née le",
    "date de naissance",
    "nacido el",
    "nacida el",
    "fecha de nacimiento",
    "nascido em",
    "nascida em",
    "data de nascimento",
    "nato il",
    "nata il",
    "data di nascita",
    "data urodzenia",
    "födelsedatum",
    "дата рождения",
    // Korean, Chinese.
    "생년월일",
    "出生日期",
];
/// What stands between the cells of a table.
const SIGNS: [u8; 4] = *b",\t|;";
/// Before a date in its line of a table.
const LEAD_BYTES_MAX: usize = 240;

/// One of these is in every text that calls a date a birth.
/// The gate looks for them, so each begins with a few letters that are written in one way.
const CALLS: &str = concat!(
    "(?i)生|うまれ|birth|born|dob|o[.]b|geb[o.u]|(?-i:née? le|Née? le|NÉE? LE)|naissance|nac[i]|nasci",
    "|nato il|nata il|nascita|urodz|(?-i:föd|Föd|FÖD)el|(?-i:рожд|Рожд|РОЖД)|생년",
);
/// What a social security number beside a date looks like.
const BESIDE: &str = "[0-9]{3}-[0-9]{2}-[0-9]{4}";

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    let date = Arc::new(Pattern::own(&format!("(?i){}", pattern()))?);
    for tells in [CALLS, BESIDE] {
        all.push(Box::new(Birth { date: Arc::clone(&date), tells: Pattern::new(tells)? }));
    }
    Ok(())
}

/// Dates are looked for only where something may tell that one is a birth: most texts with a date
/// in them have no such word.
struct Birth {
    date: Arc<Pattern>,
    tells: Pattern,
}

impl Recognizer for Birth {
    fn need(&self) -> Need {
        self.date.need().and(self.tells.need())
    }

    fn find(&self, text: &str, digits: &Digits, findings: &mut Vec<Finding>) {
        if !self.tells.fits(text, digits) {
            return;
        }
        let mut above: Option<Hit> = None;
        self.date.find(text, digits, |start, end| {
            let hit = Hit::new(text, start, end);
            let below = above.is_some_and(|above| is_below(text, &above, &hit));
            if below || is_birth(&hit) {
                above = Some(hit);
                let (kind, trust) = (Kind::DateOfBirth, Trust::Context);
                findings.push(Finding { start, end, kind, trust });
            }
        });
    }
}

/// Whether a date stands in the next line of a table, in the column of one that is a birth.
fn is_below(text: &str, above: &Hit, hit: &Hit) -> bool {
    let between = text.get(above.end..hit.start).unwrap_or_default();
    if between.len() > 2 * LEAD_BYTES_MAX || between.matches('\n').count() != 1 {
        return false;
    }
    let lead = |hit: &Hit| hit.text_before(LEAD_BYTES_MAX).rsplit('\n').next().map(cells);
    lead(above) == lead(hit) && lead(hit).is_some_and(|cells| cells != [0; SIGNS.len()])
}

/// Whether the line above is a table's head that calls the column so.
fn is_under_head(hit: &Hit) -> bool {
    let before = small(hit.text_before(2 * LEAD_BYTES_MAX));
    let mut lines = before.rsplit('\n');
    let lead = cells(lines.next().unwrap_or_default());
    let is_rule = |line: &&str| line.bytes().all(|byte| b"|-: ".contains(&byte));
    let head = lines.find(|line| !is_rule(line)).unwrap_or_default();
    let label = BEFORE.iter().filter_map(|word| head.find(word)).min();
    let column = label.and_then(|at| head.get(..at)).map(cells);
    lead != [0; SIGNS.len()] && column == Some(lead)
}

/// How many cells of a table end in a text, by the sign between them.
fn cells(text: &str) -> [usize; SIGNS.len()] {
    SIGNS.map(|sign| text.bytes().filter(|byte| *byte == sign).count())
}

fn is_birth(hit: &Hit) -> bool {
    const AFTER: [&str; 5] = ["生まれ", "に生まれ", "うまれ", "誕生", "出生"];
    let before = small(hit.text_before(BEFORE_BYTES));
    // Another date in between takes the label for itself.
    let label = BEFORE.iter().filter_map(|word| before.rfind(word).map(|at| at + word.len())).max();
    let gap = label.and_then(|at| before.get(at..));
    let called = gap.is_some_and(|gap| {
        // A question ends with its line; the answer is in the next one.
        let asked = gap.strip_suffix("。\n").unwrap_or(gap);
        let ends = asked.contains("。") || asked.contains("\n\n");
        !ends && gap.len() <= GAP_BYTES_MAX && !has_number(gap)
    });
    let after = hit.text_after(AFTER_BYTES).trim_start_matches([' ', ')', '(', '、', ',']);
    let bare = hit.value().len() == 8 && hit.value().bytes().all(|byte| byte.is_ascii_digit());
    let ends = AFTER.iter().any(|word| after.starts_with(word))
        || (after.starts_with('生') && !after.starts_with("生ま") && !bare)
        || is_beside_ssn(hit)
        || is_under_head(hit);
    called || ends
}

/// A number that isn't how many digits are asked for: 生年月日を8桁で.
fn has_number(gap: &str) -> bool {
    let is_digit = |c: char| c.is_ascii_digit();
    let mut rest = gap;
    while let Some(at) = rest.find(is_digit) {
        rest = rest.get(at..).unwrap_or_default().trim_start_matches(is_digit);
        if !rest.starts_with(['桁', '文']) {
            return true;
        }
    }
    false
}

/// A row of a table: the date beside a social security number.
fn is_beside_ssn(hit: &Hit) -> bool {
    let rest = hit.text_after(20).trim_start_matches(['\'', '"', ',', ' ', ';', '\t', '|']);
    let shape: String =
        rest.chars().take(11).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "000-00-0000"
}

#[cfg(test)]
mod tests {
    use super::{Digits, add};

    #[test]
    fn a_date_is_a_birth_where_something_calls_it_so() {
        let mut all = Vec::new();
        add(&mut all).unwrap();
        let count = |text: &str| {
            let mut findings = Vec::new();
            let digits = Digits::of(text);
            all.iter().for_each(|birth| birth.find(text, &digits, &mut findings));
            findings.len()
        };
        assert_eq!(count("1990年4月1日生"), 1);
        assert_eq!(count("1990年4月1日うまれ"), 1);
        assert_eq!(count("Date of BIRTH: 1990-04-01, DOB 04/02/1991, Born 1992-03-04"), 3);
        assert_eq!(count("'1990-04-01', '078-05-1120'"), 1);
        assert_eq!(count("生年月日を西暦8桁でご入力ください\n19900401"), 1);
        assert_eq!(count("生年月日を数字で教えてください。\n19900401"), 1);
        assert_eq!(count("生年月日と会員番号8から始まる番号\n19900401"), 0);
        assert_eq!(count("生年月日 1990 / 4 / 1、DOB: 04 / 01 / 1990"), 2);
        assert_eq!(count("1990年4月1日に納品"), 0);
        assert_eq!(count("released on 1990-04-01"), 0);
    }
}
