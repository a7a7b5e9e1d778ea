//! Names that the model passes by although a sign right beside calls them so and a list knows
//! them: `Noriko-san` in Latin letters, `my brother Wade`, 妹のさおり, 長男蓮, 林先生, and who is
//! joined to somebody by `and`. It must never take a word that no list of names has, nor look
//! farther than a few tokens.

use super::lexicon::Lexicon;
use super::table::{
    CITY, GIVEN, LATIN_GIVEN, LATIN_SURNAME, Lists, OTHER_PERSON, PLACE, ROMAJI, SURNAME, WORD,
    hash,
};
use super::tokens::{Class, Token};
use crate::pii::finding::{Finding, Trust};
use crate::pii::kind::Kind;
use crate::pii::titles::{honorific, may_begin, title};
use std::sync::LazyLock;

/// Surnames of one kanji that say which one before a title: 前社長, 新部長.
const WHICH: &str = "副前元現新旧女各両若大小総次全正准名本支分同当他先後上下中外内何皆";
/// Who belongs to somebody.
const KIN: [&str; 33] = [
    "彼氏", "彼女", "夫", "妻", "旦那", "主人", "嫁", "息子", "娘", "長男", "長女", "次男", "次女",
    "三男", "三女", "弟", "妹", "兄", "姉", "友人", "友達", "親友", "同僚", "後輩", "先輩", "新郎",
    "新婦", "孫", "甥", "姪", "上司", "部下", "恋人",
];
/// Children in their order: a name follows without a sign.
const CHILDREN: [&str; 6] = ["長男", "長女", "次男", "次女", "三男", "三女"];
/// The last letters of all these.
const KIN_ENDS: &str = "氏女夫妻那人嫁子娘男弟妹兄姉達友僚輩郎婦孫甥姪司下";
/// What stands behind a name in a sentence.
const PARTICLES: [&str; 15] =
    ["と", "が", "は", "に", "を", "も", "の", "へ", "、", "。", "(", "「", "です", "から", " "];
/// Given names in kana that are words as well.
static WORDS_IN_KANA: LazyLock<Words> = LazyLock::new(|| {
    Words::of(
        "\
            こころ ひかり みらい いのち ちから きもち ことば からだ しごと おもい \
            ねがい のぞみ めぐみ かおり しるし あかり いずみ みどり さくら みのり \
            つばさ ひとみ みなみ ゆたか",
    )
});
/// Who is called by what he is.
static IN_KATAKANA: LazyLock<Words> = LazyLock::new(|| {
    Words::of(
        "\
            ユーザー オーナー ゲスト ドクター メーカー テナント スタッフ パートナー \
            マスター ファン メンバー リーダー ドライバー モニター ホスト サポーター",
    )
});
/// Kana that are a name without an honorific.
const KANA_MIN: usize = 3;
const KANA_MAX: usize = 5;

/// Who belongs to somebody, in English, behind `my`, `his` and the like.
static KIN_IN_ENGLISH: LazyLock<Words> = LazyLock::new(|| {
    Words::of(
        "\
            bf gf boyfriend girlfriend husband wife fiance fiancee partner son daughter brother \
            sister friend bestie boss manager supervisor neighbor neighbour cousin uncle aunt \
            auntie colleague coworker teammate roommate flatmate classmate nephew niece landlord \
            landlady grandma grandpa grandson granddaughter assistant mentor",
    )
});
static WHOSE: LazyLock<Words> = LazyLock::new(|| Words::of("my his her our their your whose"));
/// What is done to somebody, or by whom: a capital behind it is somebody.
static BESIDE: LazyLock<Words> = LazyLock::new(|| {
    Words::of(
        "\
            ask asked asks tell told tells remind reminded thank met cc owner assignee reviewer \
            author approver attn email emailed invite invited between did does from with hi hey \
            hello dear g'day mum mom dad grandma grandpa nana auntie",
    )
});
/// What somebody does, behind his name at the beginning of a sentence.
static DOES: LazyLock<Words> = LazyLock::new(|| {
    Words::of(
        "\
            said says told asked asks thinks thought wrote writes called calls wants wanted \
            needs agreed replied joins joined handles scored got lives works will has had hasn't",
    )
});
/// Given names that are towns, countries, months, words, languages or products as well.
pub(super) static OTHERS: LazyLock<Words> = LazyLock::new(|| {
    Words::of(
        "\
            ada adelaide alabama alexa alexandria alsace amber america angel april arabia \
            arizona asia athens atlanta atlas august aurora austin avalon bali basel bentley \
            berlin bill bishop boston bristol britain brittany brooklyn cairo carolina cassandra \
            chad charlotte chase chelsea chester china christ christian claude cleveland \
            columbus crete cuba dakota dallas dawn dell delphi denver devon diego docker dublin \
            easter eden elixir eugene excel florence florida ford france frank french friday \
            geneva georgia german grace grant haskell havana holland hope houston india indiana \
            ireland israel jackson january java jenkins jesus jordan joy julia june kafka kent \
            kenya king kingston lancaster laredo lima lincoln london lorraine louisiana lourdes \
            lyon macon madison malta mark maven may melbourne memphis mercedes milan missouri \
            mobile monday montana nancy nevada nice odessa oman oracle orlando oscar pandora \
            paris pascal pat perl persia perth petra phoenix porsche prince python regina reno \
            rich roma rome rose ruby salem santiago savannah scala selma siena sierra siri sofia \
            sunday sydney tennessee texas trinity troy tulsa tuscany valencia verona victoria \
            vienna virginia washington watson windsor york",
    )
});

/// Words in small letters, in their order: each word of a text is looked for in some of them.
pub(super) struct Words {
    words: Vec<&'static str>,
    /// How long those are that begin with a letter, a bit for each length: hardly any other word of
    /// a text begins like one of them and is as long. Letters are told apart by their last bits.
    lengths: [u32; LETTERS],
}

/// No word of these lists is longer.
const WORD_BYTES_MAX: usize = 31;
/// As many as five bits tell apart: small letters and capitals are the same.
const LETTERS: usize = 32;

impl Words {
    pub(super) fn of(list: &'static str) -> Self {
        let mut words: Vec<&str> = list.split_ascii_whitespace().collect();
        words.sort_unstable();
        let mut lengths = [0; LETTERS];
        for word in words.iter().filter(|word| word.len() <= WORD_BYTES_MAX) {
            lengths[first_letter(word)] |= 1 << word.len();
        }
        Self { words, lengths }
    }

    /// Whether a word is one of them, in either case.
    pub(super) fn has(&self, word: &str) -> bool {
        let mut letters = [0; WORD_BYTES_MAX];
        let Some(small) = letters.get_mut(..word.len()) else { return false };
        if self.lengths[first_letter(word)] >> word.len() & 1 == 0 {
            return false;
        }
        small.copy_from_slice(word.as_bytes());
        small.make_ascii_lowercase();
        self.words.binary_search_by(|one| one.as_bytes().cmp(small)).is_ok()
    }
}

fn first_letter(word: &str) -> usize {
    word.bytes().next().map_or(0, |byte| usize::from(byte) % LETTERS)
}

/// Adds the names that a sign beside them tells to those that were found from an index on.
pub(super) fn find(
    text: &str,
    tokens: &[Token],
    from: usize,
    lexicon: &Lexicon,
    findings: &mut Vec<Finding>,
) {
    let around = Around { text, tokens, lexicon };
    let known = findings.get(from..).unwrap_or_default();
    let mut known: Vec<(usize, usize)> = known.iter().map(|f| (f.start, f.end)).collect();
    known.sort_unstable();
    let mut known = known.into_iter().peekable();
    let mut joined_to = None;
    let mut sign = false;
    for (index, token) in tokens.iter().enumerate() {
        // Kana are most of a text: what stands before them and what they are leaves nearly all.
        let word = text.as_bytes().get(token.start..token.end).unwrap_or_default();
        let is_behind_sign = std::mem::replace(&mut sign, is_sign(word));
        while known.next_if(|(_, end)| *end <= token.start).is_some() {}
        if known.peek().is_some_and(|(start, _)| *start < token.end) {
            joined_to = Some(index);
            continue;
        }
        let found = match token.class {
            Class::Latin => around.latin(index, joined_to),
            Class::Kanji => around.kanji(index).or_else(|| around.labelled(index)),
            Class::Hiragana if is_behind_sign => around.kana(index).or_else(|| around.told(index)),
            Class::Katakana => {
                let honored = around.katakana(index).or_else(|| around.titled_katakana(index));
                honored.or_else(|| around.keyed(index)).or_else(|| around.kana(index))
            }
            _ => None,
        };
        let found = found.map(|end| (token.start, end));
        let ends_here = || {
            let start = if may_begin(word) { around.honored(index) } else { None }?;
            let last = index.checked_sub(1).and_then(|last| tokens.get(last))?;
            Some((start, last.end))
        };
        if let Some((start, end)) = found.or_else(ends_here) {
            let (kind, trust) = (Kind::Person, Trust::Guess);
            findings.push(Finding { start, end, kind, trust });
            joined_to = Some(index);
        }
    }
}

/// の, は, ・.
fn is_sign(word: &[u8]) -> bool {
    matches!(word, [0xE3, 0x81, 0xAE | 0xAF] | [0xE3, 0x83, 0xBB])
}

/// A text's tokens.
pub(super) struct Around<'a> {
    pub(super) text: &'a str,
    pub(super) tokens: &'a [Token],
    pub(super) lexicon: &'a Lexicon,
}

impl<'a> Around<'a> {
    /// The token at an index, and so many before it.
    pub(super) fn back(&self, index: usize, count: usize) -> &'a str {
        let token = index.checked_sub(count).and_then(|index| self.tokens.get(index));
        token.and_then(|token| self.text.get(token.start..token.end)).unwrap_or_default()
    }

    pub(super) fn after(&self, end: usize) -> &'a str {
        self.text.get(end..).unwrap_or_default()
    }

    pub(super) fn lists(&self, word: &str) -> Lists {
        self.lexicon.lists(hash(word))
    }

    /// A word with a capital, or in small letters behind `my brother`.
    fn latin(&self, index: usize, joined_to: Option<usize>) -> Option<usize> {
        let token = self.tokens.get(index)?;
        let word = self.back(index, 0);
        let (first, rest) = word.split_at_checked(1)?;
        let is_plain = word.len() > 2 && rest.bytes().all(|byte| byte.is_ascii_lowercase());
        let capital = first.bytes().all(|byte| byte.is_ascii_uppercase());
        let is_kin = || self.is_kin(index);
        let after = self.after(token.end);
        let honored = || honorific(after.trim_start()).is_some() || is_honored_in_latin(after);
        if !is_plain || !(capital || is_kin()) {
            return None;
        }
        let is_told = || self.is_beside(index) || is_kin() || self.is_joined(index, joined_to);
        let is_alone = || !continues(after);
        let told = honored() || (is_alone() && (is_told() || self.does(index)));
        (told && self.is_listed(word, honored())).then_some(token.end)
    }

    /// A given name that is nothing else; behind it an honorific, any name.
    fn is_listed(&self, word: &str, is_honored: bool) -> bool {
        let word = word.to_ascii_lowercase();
        let lists = self.lists(&word);
        let any = if is_honored { LATIN_GIVEN | LATIN_SURNAME | ROMAJI } else { LATIN_GIVEN };
        lists & any != 0 && lists & WORD == 0 && !OTHERS.has(&word)
    }

    fn is_kin(&self, index: usize) -> bool {
        WHOSE.has(self.back(index, 2)) && KIN_IN_ENGLISH.has(self.back(index, 1))
    }

    fn is_beside(&self, index: usize) -> bool {
        let word = self.back(index, 1);
        let word = if word == ":" { self.back(index, 2) } else { word };
        // Who is from somewhere says so.
        let comes = ["originally", "am", "m", "is", "are", "come", "comes", "came"];
        if word == "from" && comes.contains(&self.back(index, 2)) {
            return false;
        }
        BESIDE.has(word)
    }

    /// `Lee Ann Wu and Clara`, `Wade has 3, Clara 5`: joints, numbers and a verb stand between.
    fn is_joined(&self, index: usize, to: Option<usize>) -> bool {
        let Some(to) = to.filter(|to| (2..=4).contains(&(index - to))) else { return false };
        let between = self.tokens.get(to + 1..index).unwrap_or_default();
        let is_joint = |word: &str| ["and", "&", ","].contains(&word);
        let is_gap = |token: &Token| {
            let word = self.text.get(token.start..token.end).unwrap_or_default();
            token.class == Class::Digits || is_joint(word) || DOES.has(word)
        };
        let is_latin = self.tokens.get(to).is_some_and(|token| token.class == Class::Latin);
        let and = ["and", "&"].contains(&self.back(index, 1));
        let counted = between.iter().any(|token| token.class == Class::Digits);
        is_latin && (and || counted) && between.iter().all(is_gap)
    }

    /// At the beginning of a sentence, with what only somebody does behind it.
    fn does(&self, index: usize) -> bool {
        let before = index.checked_sub(1).and_then(|before| self.tokens.get(before));
        let begins = before.is_none_or(|before| match before.class {
            Class::Line => true,
            Class::Sign => [".", "!", "?", ";", "\"", "-"].contains(&self.back(index, 1)),
            _ => false,
        });
        begins && DOES.has(self.back(index + 1, 0))
    }

    /// One kanji: 林先生, and 長男蓮 before a bracket or a particle.
    fn kanji(&self, index: usize) -> Option<usize> {
        let token = self.tokens.get(index)?;
        let after = self.after(token.end);
        let before = index.checked_sub(1).and_then(|before| self.tokens.get(before));
        let touches = before.filter(|_| !token.spaced);
        let is_child = || {
            let head = self.text.get(..token.start).unwrap_or_default();
            CHILDREN.iter().any(|child| head.ends_with(child))
        };
        let is_called = match touches.map(|before| before.class) {
            Some(Class::Kanji) => {
                let follows = || after.starts_with(['(', '、', 'は', 'が', 'と', 'の']);
                follows() && is_child() && self.lists(self.back(index, 0)) & GIVEN != 0
            }
            Some(Class::Katakana) => false,
            _ => {
                title(after).is_some()
                    && !WHICH.contains(self.back(index, 0))
                    && self.lists(self.back(index, 0)) & SURNAME != 0
            }
        };
        is_called.then_some(token.end)
    }

    /// スミス様: a listed name in katakana. さん is after firms and trades as well.
    fn katakana(&self, index: usize) -> Option<usize> {
        let token = self.tokens.get(index).filter(|token| token.class == Class::Katakana)?;
        let after = self.after(token.end);
        let word = self.back(index, 0);
        let honored = after.starts_with('様') || after.starts_with("さま");
        let is_word = || after.starts_with("様子") || after.starts_with("様式");
        let listed = || self.lists(word) & (SURNAME | GIVEN | OTHER_PERSON) != 0;
        (honored && word.chars().count() > 1 && !is_word() && !IN_KATAKANA.has(word) && listed())
            .then_some(token.end)
    }

    /// 妹のさおり, 新婦はかなえさん: a given name in kana, with what stands behind a name.
    fn kana(&self, index: usize) -> Option<usize> {
        let token = self.tokens.get(index)?;
        let sign_word = self.back(index, 1);
        let end = self.back(index, 2).chars().next()?;
        if !matches!(sign_word, "の" | "は" | "・") || !KIN_ENDS.contains(end) {
            return None;
        }
        let sign = index.checked_sub(1).and_then(|before| self.tokens.get(before))?;
        let head = self.text.get(..sign.start).unwrap_or_default();
        if !KIN.iter().any(|kin| head.ends_with(kin)) {
            return None;
        }
        let rest = self.after(token.start);
        let is_kana = |c: &char| matches!(c, 'ぁ'..='ゖ' | 'ァ'..='ヶ' | 'ー');
        let letters = rest.chars().take(KANA_MAX).take_while(is_kana);
        let mut end = token.start;
        let ends = letters.map(|letter| {
            end += letter.len_utf8();
            end
        });
        let ends: Vec<usize> = ends.collect();
        // 妻ははるかに: behind は an adverb, too, ends with に.
        let is_adverb = |end: usize| sign_word == "は" && self.after(end).starts_with('に');
        let is_name = |end: &usize| self.is_name_in_kana(token.start, *end) && !is_adverb(*end);
        ends.into_iter().rev().find(is_name)
    }

    fn is_name_in_kana(&self, start: usize, end: usize) -> bool {
        let word = self.text.get(start..end).unwrap_or_default();
        let (count, after) = (word.chars().count(), self.after(end));
        let honored = honorific(after).is_some();
        let follows = honored || PARTICLES.iter().any(|particle| after.starts_with(particle));
        let long = count >= KANA_MIN && !WORDS_IN_KANA.has(word);
        let lists = self.lists(word);
        let named = lists & GIVEN != 0 && lists & (CITY | PLACE) == 0;
        follows && count > 1 && (long || honored) && named
    }
}

/// Tominaga-san, in English or in romaji.
fn is_honored_in_latin(after: &str) -> bool {
    const HONORIFICS: [&str; 6] = ["san", "sama", "kun", "chan", "sensei", "senpai"];
    let behind = after
        .strip_prefix('-')
        .and_then(|rest| HONORIFICS.iter().find_map(|honorific| rest.strip_prefix(honorific)));
    behind.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
}

/// Another word with a capital, a name of several parts: `Marco Polo Airport`, `Desmond's`.
fn continues(after: &str) -> bool {
    let next = after.strip_prefix([' ', '-', '/', '_', '.']).unwrap_or(after);
    let touches = next.len() == after.len() && after.starts_with(|c: char| c.is_alphanumeric());
    let capital = next.len() < after.len()
        && next.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit())
        && !after.starts_with(". ");
    let counted =
        after.strip_prefix(' ').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    touches || (capital && !counted)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Tagger;

    pub(in crate::pii::tagger) fn names(text: &str) -> Vec<&str> {
        let mut findings = Vec::new();
        Tagger::new().find(text, "", &mut findings);
        let findings = crate::pii::finding::resolve(findings, |_| 1);
        let persons = findings.iter().filter(|found| found.kind == super::Kind::Person);
        let mut names: Vec<_> = persons.map(|found| (found.start, found.end)).collect();
        names.sort_unstable();
        names.into_iter().map(|(start, end)| &text[start..end]).collect()
    }

    #[test]
    fn what_stands_beside_calls_a_listed_name() {
        assert_eq!(names("「Kobayashiさん、会議です」と表示されます"), ["Kobayashi"]);
        assert_eq!(names("my gf hannah is upset, what now"), ["hannah"]);
        assert_eq!(names("- [ ] fix the crash (owner: Wanda)"), ["Wanda"]);
        assert_eq!(names("親友のまさおと旅行に行く"), ["まさお"]);
        assert_eq!(names("Kinou wa Wakatsuki-san to hanashita"), ["Wakatsuki"]);
        assert_eq!(names("Mum Gemma says it is fine"), ["Gemma"]);
        assert_eq!(names("長女楓(平成二十年生)"), ["楓"]);
    }

    #[test]
    fn every_word_of_a_list_is_found_in_it() {
        for words in [&super::OTHERS, &super::BESIDE, &super::IN_KATAKANA, &super::WHOSE] {
            assert!(words.words.iter().all(|word| words.has(word)));
        }
        assert!(super::WHOSE.has("My") && !super::WHOSE.has("") && !super::WHOSE.has("m"));
    }

    #[test]
    fn other_words_are_left() {
        assert!(names("Did Java replace Python?").is_empty());
        assert!(names("Amazonさんの配送").is_empty());
        assert!(names("妻のきもちがわからない").is_empty());
        assert!(names("妻ははるかに賢い").is_empty());
        assert!(names("前社長の方針").is_empty());
        assert!(names("I'm originally from Dolores").is_empty());
        assert!(names("ask Support about it").is_empty());
    }
}
