//! Names behind a label that says somebody's role or that a name follows, which the model passes
//! by: 担当：沓掛, `"担当者":"道祖土"`, 採用担当 薬師寺まで, 名前はひよりです. It must never take
//! what else stands there: a department, a word of a form (未定), a noun.

use super::called::Around;
use super::table::{CITY, GIVEN, GROUPED, NOUN, ORGANIZATION, OTHER_PERSON, PLACE, SURNAME, hash};
use super::tokens::Class;
use crate::pii::titles::{ROLE_ENDS, honorific};

/// What a name stands behind, with a colon, the quotes of a record or a blank between.
const LABELS: [&str; 22] = [
    "担当",
    "担当者",
    "責任者",
    "承認者",
    "確認者",
    "作成者",
    "記入者",
    "記録者",
    "報告者",
    "依頼者",
    "発信者",
    "送信者",
    "受信者",
    "起票者",
    "検査者",
    "代表者",
    "主治医",
    "担当医",
    "医師",
    "医師名",
    "名前",
    "苗字",
];
/// The last letters of these.
const LABEL_ENDS: [char; 6] = ['当', '者', '医', '師', '前', '字'];
const NAME_LABEL_END: char = '名';
/// Keys of records that hold who said or did something; a given name in katakana follows.
const KEYS: [&str; 8] =
    ["sender", "from", "to", "user", "author", "speaker", "recipient", "assignee"];
/// Signs between a label and its value.
const SIGNS_MAX: usize = 4;
/// A surname has so many letters, and what follows it behind a blank.
const SURNAME_MAX: usize = 5;
const GIVEN_MAX: usize = 4;
/// A given name in kana that a sentence tells.
const KANA_MIN: usize = 2;
const KANA_MAX: usize = 5;
/// What a form says instead of a name, and no list of nouns has.
const OTHERS: [&str; 18] = [
    "未定", "不在", "必須", "任意", "不明", "同上", "該当", "複数", "全員", "交代", "変更", "募集",
    "本人", "有無", "空欄", "匿名", "未入", "自動",
];

impl Around<'_> {
    /// Where the name ends that begins at a token of kanji behind a label.
    pub(super) fn labelled(&self, index: usize) -> Option<usize> {
        let token = self.tokens.get(index)?;
        let before = index.checked_sub(1).and_then(|before| self.tokens.get(before))?;
        let signed = before.class == Class::Sign;
        if !(signed || (token.spaced && before.class == Class::Kanji)) || !self.is_label(index) {
            return None;
        }
        let rest = self.after(token.start);
        let surname = run(rest, SURNAME_MAX, is_kanji);
        let (word, tail) = rest.split_at_checked(surname)?;
        let given = tail.strip_prefix(' ').map_or(0, |tail| run(tail, GIVEN_MAX, is_japanese));
        let whole = given > 0 && ends(tail.get(1 + given..).unwrap_or_default());
        if whole && self.may_be(word, signed) {
            return Some(token.start + surname + 1 + given);
        }
        let named = word.chars().count() > 1 && self.may_be(word, signed);
        (named && ends(tail)).then_some(token.start + surname)
    }

    /// No noun, no town, no department; behind a mere blank no listed word but a surname.
    fn may_be(&self, word: &str, signed: bool) -> bool {
        let lists = self.lists(word);
        let role = word.chars().next_back().is_some_and(|last| ROLE_ENDS.contains(last));
        let other = OTHERS.iter().any(|other| word.contains(other));
        let is_surname = lists & SURNAME != 0;
        let is_thing = lists & (NOUN | ORGANIZATION) != 0
            || (!is_surname && lists & (CITY | GROUPED) != 0)
            || (!signed && !is_surname && lists & PLACE != 0);
        !word.is_empty() && !role && !other && !is_thing
    }

    /// Whether a label stands before a token.
    fn is_label(&self, index: usize) -> bool {
        let signs = (1..=SIGNS_MAX)
            .take_while(|back| matches!(self.back(index, *back), ":" | "=" | "\"" | "'" | ">"));
        let Some(label) = index.checked_sub(1 + signs.count()) else { return false };
        let Some(label) = self.tokens.get(label) else { return false };
        let head = self.text.get(..label.end).unwrap_or_default();
        let last = head.chars().next_back();
        let may_be = last.is_some_and(|c| c == NAME_LABEL_END || LABEL_ENDS.contains(&c));
        may_be && LABELS.iter().any(|label| head.ends_with(label))
    }

    /// `"sender": "トム"`: a given name in katakana behind a record's key.
    pub(super) fn keyed(&self, index: usize) -> Option<usize> {
        let token = self.tokens.get(index)?;
        let quoted = || matches!(self.back(index, 1), "\"" | "'");
        let lists = || self.lexicon.lists(hash(self.back(index, 0)));
        if !quoted() || !self.after(token.end).starts_with(['"', '\'']) {
            return None;
        }
        let mut key = (2..=SIGNS_MAX).map(|back| self.back(index, back));
        let key = key.find(|sign| !matches!(*sign, ":" | "\"" | "'" | "="))?;
        let named = lists() & (GIVEN | OTHER_PERSON | SURNAME) != 0 && lists() & NOUN == 0;
        (KEYS.contains(&key) && named).then_some(token.end)
    }

    /// 名前はひよりです: where the given name ends that begins at a token of hiragana.
    pub(super) fn told(&self, index: usize) -> Option<usize> {
        let token = self.tokens.get(index)?;
        if self.back(index, 1) != "は" || self.back(index, 2) != "前" {
            return None;
        }
        let head = self.text.get(..token.start).unwrap_or_default();
        let rest = self.after(token.start);
        let kana = run(rest, KANA_MAX, is_hiragana);
        let starts = rest.char_indices().map(|(at, _)| at).take_while(|at| *at <= kana);
        let mut found = starts.skip(KANA_MIN).filter(|end| {
            let (word, tail) = rest.split_at_checked(*end).unwrap_or_default();
            let said = tail.starts_with("です") && !tail.starts_with("ですか");
            let called = ["といい", "という", "って", "ちゃん", "くん"];
            (said || called.iter().any(|called| tail.starts_with(called)))
                && self.lists(word) & GIVEN != 0
        });
        let end = found.next().filter(|_| head.ends_with("名前は"))?;
        Some(token.start + end)
    }
}

/// Bytes of the letters of one kind that a text begins with; none where there are more.
fn run(text: &str, letters_max: usize, is_one: fn(char) -> bool) -> usize {
    let letters = text.chars().take(letters_max + 1).take_while(|letter| is_one(*letter));
    letters.map(char::len_utf8).sum()
}

/// What stands behind a name in a form or a note.
fn ends(after: &str) -> bool {
    const ENDS: [&str; 20] = [
        "\n", "、", "。", ",", "\"", "'", ")", "(", "】", "<", ";", "|", "/", "まで", "へ", "に",
        "が", "は", "と", " ",
    ];
    after.is_empty() || honorific(after).is_some() || ENDS.iter().any(|end| after.starts_with(end))
}

fn is_kanji(letter: char) -> bool {
    matches!(letter, '一'..='龥' | '々' | 'ヶ' | 'ノ' | 'ツ')
}

fn is_japanese(letter: char) -> bool {
    is_kanji(letter) || matches!(letter, 'ぁ'..='ゖ' | 'ァ'..='ヺ' | 'ー')
}

fn is_hiragana(letter: char) -> bool {
    matches!(letter, 'ぁ'..='ゖ')
}

#[cfg(test)]
mod tests {
    use super::super::called::tests::names;

    #[test]
    fn a_role_is_a_label() {
        assert_eq!(names("確認者:一ツ橋\n"), ["一ツ橋"]);
        assert_eq!(names("医師名:御厨、日付:6月"), ["御厨"]);
        assert_eq!(names("お問い合わせは採用担当 御厨まで"), ["御厨"]);
        assert_eq!(names("担当者:\n  名前: 御厨 一馬\n"), ["御厨 一馬"]);
        assert_eq!(names("{\"sender\":\"ジョン\",\"body\":\"はい\"}"), ["ジョン"]);
        assert_eq!(names("娘の名前はひなたです"), ["ひなた"]);
    }

    #[test]
    fn what_else_stands_behind_a_role_is_left() {
        for text in [
            "担当:営業部、期限は金曜",
            "担当:設計\n責任者: 未定\n承認者:必須",
            "担当 変更のお知らせ",
            "確認者 不在のため",
            "{\"名前\":\"冷蔵庫\",\"担当\": \"総務\"}",
            "名前はまだない。お名前はなんですか。名前はかなで書く",
            "{\"to\":\"ロンドン\",\"user\":\"ユーザー\"}",
        ] {
            assert!(names(text).is_empty(), "{text}");
        }
    }
}
