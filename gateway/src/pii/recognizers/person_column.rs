//! Names in a table: where the head of a column says that names stand in it, each of its cells is
//! one, however rare. It must never take a cell with digits in it, nor look at a line twice.

use super::labels::is_head;
use super::rule::small;
use super::{Digits, Need, Recognizer, Recognizers};
use crate::pii::finding::{Finding, Trust};
use crate::pii::kind::Kind;

/// What stands between the cells of a table; the first that a head has counts.
const SIGNS: [char; 4] = ['\t', '|', ';', ','];
/// Longer lines are no heads.
const HEAD_BYTES_MAX: usize = 400;
/// A name has not so many characters.
const NAME_CHARACTERS_MAX: usize = 40;
/// Who is a customer or a holder is a firm as well.
const FIRMS: [&str; 9] =
    ["株式会社", "有限会社", "合同会社", "法人", "銀行", " Inc", " LLC", " Ltd", " Corp"];
/// Beside one of these a column `name` holds names of persons.
const PERSONAL: [&str; 12] = [
    "email",
    "mail",
    "phone",
    "tel",
    "mobile",
    "dob",
    "birthday",
    "birthdate",
    "dateofbirth",
    "age",
    "gender",
    "ssn",
];
/// One of these is in every head, and in hardly any other line.
const HINTS: [&str; 10] =
    ["名", "姓", "カナ", "ガナ", "がな", "担当者", "受取人", "ame", "AME", "ana"];
/// What is needed of a text: every head has one of these.
const NEED: &str = "名|姓|人|カナ|ガナ|担当者|ふりがな|(?i:name|kana)";

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    all.push(Box::new(Column));
    Ok(())
}

struct Column;

impl Recognizer for Column {
    fn need(&self) -> Need {
        Need::of(NEED)
    }

    fn find(&self, text: &str, _: &Digits, findings: &mut Vec<Finding>) {
        let mut head: Option<Head> = None;
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let row = line.trim_end_matches(['\n', '\r']);
            match head.as_ref().filter(|head| head.count == count(row, head.sign)) {
                Some(head) => head.visit(row, |at, name| {
                    let (start, end) = (start + at, start + at + name.len());
                    findings.push(Finding {
                        start,
                        end,
                        kind: Kind::Person,
                        trust: Trust::Pattern,
                    });
                }),
                None => head = Head::of(row),
            }
            start += line.len();
        }
    }
}

/// A table's head.
struct Head {
    sign: char,
    count: usize,
    columns: Vec<usize>,
}

impl Head {
    fn of(line: &str) -> Option<Self> {
        let may_be = || HINTS.iter().any(|hint| line.contains(hint));
        if line.len() > HEAD_BYTES_MAX || !may_be() {
            return None;
        }
        let sign = SIGNS.into_iter().find(|sign| line.contains(*sign))?;
        let cells =
            line.split(sign).map(|cell| small(cell).replace([' ', '_', '-', '"', '\''], ""));
        let (mut columns, mut count) = (Vec::new(), 0);
        let (mut plain, mut is_of_persons) = (None, false);
        for (index, cell) in cells.enumerate() {
            count = index + 1;
            if is_head(&cell) {
                columns.push(index);
            }
            plain = plain.or((cell == "name").then_some(index));
            is_of_persons |= PERSONAL.contains(&cell.as_str());
        }
        columns.extend(plain.filter(|_| is_of_persons));
        (!columns.is_empty()).then_some(Self { sign, count, columns })
    }

    /// Visits the names of a line: where each begins in it.
    fn visit(&self, line: &str, mut visit: impl FnMut(usize, &str)) {
        let mut start = 0;
        for (index, cell) in line.split(self.sign).enumerate() {
            let name = cell.trim_matches([' ', '"', '\'']);
            if self.columns.contains(&index) && is_name(name) {
                visit(start + cell.find(name).unwrap_or_default(), name);
            }
            start += cell.len() + self.sign.len_utf8();
        }
    }
}

fn count(line: &str, sign: char) -> usize {
    line.matches(sign).count() + 1
}

/// Letters of one alphabet and what joins them; Latin ones begin with a capital.
fn is_name(cell: &str) -> bool {
    let is_joining = |c: char| matches!(c, ' ' | '\'' | '-' | '.' | '・' | 'ー' | '=');
    let letters = cell.chars().all(|c| c.is_alphabetic() || is_joining(c));
    let sized = (1..=NAME_CHARACTERS_MAX).contains(&cell.chars().count());
    let capital = cell.chars().next().is_some_and(|c| c.is_alphabetic() && !c.is_lowercase());
    let all_capitals = cell.len() > 3
        && cell.is_ascii()
        && !cell.contains(' ')
        && cell == cell.to_ascii_uppercase();
    let is_firm = FIRMS.iter().any(|firm| cell.contains(firm));
    letters && sized && capital && !all_capitals && !is_firm
}

#[cfg(test)]
mod tests {
    use super::{Column, Digits, Recognizer};

    fn names(text: &str) -> Vec<&str> {
        let mut findings = Vec::new();
        Column.find(text, &Digits::of(text), &mut findings);
        findings.into_iter().map(|found| &text[found.start..found.end]).collect()
    }

    #[test]
    fn a_column_of_names_is_found_to_its_end() {
        let table =
            "id,Full Name,total\n1,Odalys Quill,90\n2,\"Ximena Farrow\",80\n\nand then, so, on";
        assert_eq!(names(table), ["Odalys Quill", "Ximena Farrow"]);
        let table = "| 氏名 | 年齢 |\n|---|---|\n| 渡会 仁 | 41 |\n| 一 二三 | 9 |\n";
        assert_eq!(names(table), ["渡会 仁", "一 二三"]);
        assert_eq!(names("id|name|dob\n1|Mei-Lin Wu|1980-01-02\n"), ["Mei-Lin Wu"]);
        let table = "注文,お届け先氏名\n1,生稲 恭\n2,株式会社あおぞら\n";
        assert_eq!(names(table), ["生稲 恭"]);
        assert_eq!(names("id\tname_kanji\n1\t御厨 奏\n"), ["御厨 奏"]);
        assert_eq!(names("No\tフリガナ\n1\tワタライジン\n"), ["ワタライジン"]);
    }

    #[test]
    fn other_columns_and_cells_are_left() {
        assert!(names("id|name|size\n1|Big Box|20\n").is_empty());
        assert!(names("file_name,size\nmain.rs,12\n").is_empty());
        assert!(names("氏名,区分\n12345,A\n-,B\nABCDEF,C\n").is_empty());
        assert!(names("the name, as it is\nnothing, else\n").is_empty());
    }
}
