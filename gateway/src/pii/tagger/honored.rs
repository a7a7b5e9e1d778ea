//! Names with an honorific or a title right behind them, which the model passes by or takes in
//! part: 本日は小比類巻様と, 飯田コーチ, キム先生, 前職ではまことさんと. It must never take who is
//! spoken of by what he is (担当医師, 投手コーチ), nor a word that no list of names has where a
//! word of the language fits.

use super::called::Around;
use super::table::{
    CITY, GIVEN, GROUPED, NOUN, ORGANIZATION, OTHER_PERSON, PLACE, SURNAME, WHOLE_NAME, WORD,
};
use super::tokens::{Class, Token};
use crate::pii::titles::{ROLE_ENDS, goes_on, honorific, is_somebody_in_kana, title};

/// A name in kanji has so many letters before its honorific, and in kana.
const KANJI_MAX: usize = 5;
const KANA_MAX: usize = 5;
const KANA_MIN: usize = 2;
/// A given name in katakana behind a surname in kanji.
const KATAKANA_MAX: usize = 4;
/// What a sentence has before a name in kana.
const PARTICLES: &str = "はがをにへとのもでや";
/// A surname of more letters that no list has, before these titles.
const UNLISTED_MIN: usize = 2;
const UNLISTED_MAX: usize = 4;
/// Titles that somebody has without a firm around: others stand behind all its parts (総務課長).
const FREE_TITLES: [&str; 4] = ["先生", "先輩", "弁護士", "税理士"];
/// Titles that are of a place as often as somebody's: 上海支店長, 札幌校長.
const LOCAL_TITLES: [&str; 10] =
    ["店長", "支店長", "工場長", "所長", "校長", "園長", "院長", "室長", "選手", "監督"];
/// What says which of them it is.
const WHICH: [&str; 22] = [
    "担当", "主治", "専属", "専任", "顧問", "内科", "外科", "歯科", "当直", "国選", "主任", "新任",
    "副担", "担任", "女性", "男性", "若手", "同僚", "大学", "高校", "会社", "部活",
];

impl Around<'_> {
    /// Where a name begins that ends before the honorific or title at a token, if there is one.
    pub(super) fn honored(&self, index: usize) -> Option<usize> {
        let token = self.tokens.get(index)?;
        match token.class {
            Class::Hiragana => self.honored_kana(index).or_else(|| self.honored_kanji(index)),
            _ => self.honored_kanji(index),
        }
    }

    /// Where a name in kanji begins that ends before the honorific or title at a token.
    fn honored_kanji(&self, index: usize) -> Option<usize> {
        let token = self.tokens.get(index)?;
        let rest = self.after(token.start);
        let honored = rest.starts_with('様') || rest.starts_with("さま");
        let title = if honored { None } else { title(rest) };
        if (!honored && title.is_none()) || goes_on(rest) {
            return None;
        }
        let back = |count: usize| index.checked_sub(count).and_then(|at| self.tokens.get(at));
        // 御厨スミ様: a given name in katakana behind the surname.
        let given = back(1).filter(|given| given.class == Class::Katakana && honored);
        let sized = |given: &Token| (given.end - given.start) / 'ァ'.len_utf8() <= KATAKANA_MAX;
        let skipped = usize::from(given.is_some_and(sized));
        let last = index.checked_sub(1 + skipped)?;
        let mut start = last + 1;
        while start > 0 && last + 1 - start <= KANJI_MAX && self.is_in_run(start - 1, index) {
            start -= 1;
        }
        let before = start.checked_sub(1).and_then(|before| self.tokens.get(before));
        let first = self.tokens.get(start).filter(|_| start <= last)?;
        let goes_on = before.is_some_and(|before| {
            !first.spaced && matches!(before.class, Class::Kanji | Class::Katakana)
        });
        let end = self.tokens.get(last)?.end;
        let word = self.text.get(first.start..end).unwrap_or_default();
        let named = match title {
            Some(title) => self.is_titled(word, title),
            None if skipped > 0 => self.is_surname(word),
            None => self.is_honored(word),
        };
        (!goes_on && last + 1 - start <= KANJI_MAX && named).then_some(first.start)
    }

    /// Whether a token of kanji touches the next one, which is no honorific's but by a blank.
    fn is_in_run(&self, at: usize, honorific: usize) -> bool {
        let (token, next) = (self.tokens.get(at), self.tokens.get(at + 1));
        let apart = next.is_some_and(|next| next.spaced && at + 1 != honorific);
        token.is_some_and(|token| token.class == Class::Kanji) && !apart
    }

    /// Before 様 a name of two letters or more that is no noun and nobody's role.
    fn is_honored(&self, word: &str) -> bool {
        let lists = self.lists(word);
        let ends = word.chars().next_back().is_some_and(|last| ROLE_ENDS.contains(last));
        let long = word.chars().count() > 1;
        let is_thing = lists & (NOUN | ORGANIZATION | GROUPED) != 0 && lists & SURNAME == 0;
        long && !ends && !is_thing
    }

    /// Before a title a surname and no noun; before some any word that no list has.
    fn is_titled(&self, word: &str, title: &str) -> bool {
        let (lists, count) = (self.lists(word), word.chars().count());
        let ends = word.chars().next_back().is_some_and(|last| ROLE_ENDS.contains(last));
        let which = WHICH.iter().any(|which| word.contains(which));
        let local = lists & (CITY | PLACE) != 0 && LOCAL_TITLES.contains(&title);
        let listed = lists & SURNAME != 0 && lists & NOUN == 0 && !local;
        let free = || {
            let sized = (UNLISTED_MIN..=UNLISTED_MAX).contains(&count);
            FREE_TITLES.contains(&title) && sized && lists == 0 && !ends
        };
        count > 1 && !which && (listed || free())
    }

    fn is_surname(&self, word: &str) -> bool {
        let lists = self.lists(word);
        word.chars().count() > 1
            && lists & NOUN == 0
            && (lists & SURNAME != 0 || lists & PLACE != 0)
    }

    /// パク先生, カルロスコーチ: a listed name in katakana, before a title in kanji.
    pub(super) fn titled_katakana(&self, index: usize) -> Option<usize> {
        let token = self.tokens.get(index).filter(|token| token.class == Class::Katakana)?;
        let lists = |word: &str| self.lists(word);
        title(self.after(token.end))?;
        let word = self.back(index, 0);
        let named = lists(word) & (SURNAME | GIVEN | OTHER_PERSON) != 0;
        let is_thing = lists(word) & (NOUN | WORD | ORGANIZATION | CITY | PLACE) != 0;
        (word.chars().count() > 1 && named && !is_thing).then_some(token.end)
    }

    /// Where a given name in kana begins that ends before an honorific at a token: behind a
    /// particle, or behind what is no kana.
    fn honored_kana(&self, index: usize) -> Option<usize> {
        let token = self.tokens.get(index).filter(|token| !token.spaced)?;
        let after = self.after(token.start);
        if honorific(after).is_none() || goes_on(after) {
            return None;
        }
        let head = self.text.get(..token.start).unwrap_or_default();
        let letters = head.char_indices().rev().take(KANA_MAX);
        let starts = letters.take_while(|(_, letter)| is_hiragana(*letter));
        let found = starts.skip(KANA_MIN - 1).filter(|(at, _)| {
            let word = head.get(*at..).unwrap_or_default();
            let mut before = head.get(..*at).unwrap_or_default().chars().rev();
            // A particle has a word before it: はなやさん begins with none.
            let apart = match before.next() {
                Some(c) if PARTICLES.contains(c) => before.next().is_some_and(is_letter),
                Some(c) => !is_letter(c),
                None => true,
            };
            apart && self.lists(word) & (GIVEN | WHOLE_NAME) != 0 && !is_somebody_in_kana(word)
        });
        found.map(|(at, _)| at).max_by_key(|at| head.len() - at)
    }
}

fn is_hiragana(letter: char) -> bool {
    matches!(letter, 'ぁ'..='ゖ')
}

fn is_letter(letter: char) -> bool {
    letter.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::super::called::tests::names;

    #[test]
    fn who_is_honored_is_somebody() {
        assert_eq!(names("本日は四十物谷様と面談"), ["四十物谷"]);
        assert_eq!(names("吉岡コーチに聞く"), ["吉岡"]);
        assert_eq!(names("昨日、四十物谷先輩と会った"), ["四十物谷"]);
        assert_eq!(names("カルロス先生に質問"), ["カルロス"]);
        assert_eq!(names("御厨スミ様の体温"), ["御厨スミ"]);
        assert_eq!(names("前職ではさおりさんと一緒だった"), ["さおり"]);
        assert_eq!(names("昨日はさおりさんと会った"), ["さおり"]);
    }

    #[test]
    fn who_is_spoken_of_by_what_he_is_is_left() {
        for text in [
            "担当医師と顧問弁護士に相談した",
            "投手コーチと専属トレーナー",
            "営業部長、人事課長、開発部長が出席した",
            "こちらは担当者様、神様に祈る",
            "ヨガ先生と音楽先生",
            "本はたくさんある、兄のにいさん",
            "きょうは、はなやさん",
            "みんながいくんだ。友達とちゃんと話す",
            "この模様と仕様",
            "スイス選手団と上海支店長",
        ] {
            assert!(names(text).is_empty(), "{text}");
        }
    }
}
