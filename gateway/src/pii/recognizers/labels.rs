//! Labels that call what follows a person's name: before a value in forms and records, and the
//! heads of tables, which are compared without signs and so have lists of their own. None of them
//! may be one that firms, files or goods have as well (名称, `name`).

/// What a label of names is or ends with: お届け先氏名, 給与振込先氏名, 担当者名.
const ENDS: [&str; 26] = [
    "氏名",
    "お名前",
    "者名",
    "客様名",
    "顧客名",
    "会員名",
    "社員名",
    "職員名",
    "医師名",
    "講師名",
    "生徒名",
    "児童名",
    "名義人?",
    "口座名義",
    "受取人",
    "差出人",
    "保証人",
    "申込者",
    "申請者",
    "申立人",
    "委任者",
    "受任者",
    "世帯主",
    "筆頭者",
    "飼い主",
    "[貸借売買]主",
];
/// Labels of how a name is read.
const READINGS: &str = "フリガナ|ふりがな|ヨミガナ|よみがな|カナ氏名|氏名カナ|氏名\\(カナ\\)|\
    お?名前\\(カナ\\)|セイメイ";

/// The same as heads of columns, in small letters, with blanks and signs left out.
const HEADS: [&str; 31] = [
    "名前",
    "担当者",
    "担当",
    "受取人",
    "差出人",
    "契約者",
    "申込者",
    "申請者",
    "世帯主",
    "フリガナ",
    "ふりがな",
    "カナ",
    "氏名(カナ)",
    "氏名カナ",
    "姓",
    "名",
    "fullname",
    "customername",
    "firstname",
    "lastname",
    "surname",
    "givenname",
    "givennames",
    "familyname",
    "employeename",
    "patientname",
    "contactname",
    "guestname",
    "passengername",
    "recipientname",
    "kana",
];
/// A head that ends so, whatever stands before it.
const HEAD_ENDS: [&str; 12] = [
    "氏名",
    "お名前",
    "者名",
    "様名",
    "顧客名",
    "会員名",
    "社員名",
    "職員名",
    "医師名",
    "講師名",
    "氏名(漢字)",
    "生徒名",
];
/// A name in one of several spellings: `name_kanji`, `kana_name`.
const SPELLINGS: [&str; 8] = ["kanji", "kana", "ja", "en", "jp", "romaji", "furigana", "hiragana"];

/// A pattern of the labels behind which a name stands.
pub(super) fn names() -> String {
    format!("(?:{})", ENDS.join("|"))
}

/// A pattern of the labels behind which a name's reading stands.
pub(super) fn readings() -> String {
    format!("(?:{READINGS})")
}

/// Between a label and its value: blanks and colons, and the quotes of a record.
pub(super) const BETWEEN: &str = "(?:[ :=]{1,3}|[\"'] ?[:=] ?[\"'])";

/// Whether names stand under a head, which is given in small letters, without blanks and signs.
pub(in crate::pii) fn is_head(cell: &str) -> bool {
    let spelling = || {
        let rest = cell.strip_prefix("name").or_else(|| cell.strip_suffix("name"));
        rest.is_some_and(|rest| SPELLINGS.contains(&rest))
    };
    HEADS.contains(&cell) || HEAD_ENDS.iter().any(|end| cell.ends_with(end)) || spelling()
}

#[cfg(test)]
mod tests {
    use super::is_head;

    #[test]
    fn a_head_is_told_by_its_end() {
        for head in ["お届け先氏名", "振込先氏名", "名前", "ご担当者名", "namekanji", "kananame"]
        {
            assert!(is_head(head), "{head}");
        }
        for head in ["商品名", "会社名", "ファイル名", "name", "filename", "件名", "品名", "地名"]
        {
            assert!(!is_head(head), "{head}");
        }
    }
}
