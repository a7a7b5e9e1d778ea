//! Names of persons beside what is said of nobody else: an English title before them, a Japanese
//! honorific after them. The tagger finds most of them; these are surer. It must never take a
//! role, a kinship or a company that people speak of as if it were somebody (お客様, お母さん).

use super::rule::{Hit, Rule};
use super::{Digits, Need, Recognizer, Recognizers};
use crate::pii::finding::{Finding, Trust};
use crate::pii::kind::Kind;
use crate::pii::titles::{ROLE_ENDS, goes_on, is_somebody_in_kana};
use aho_corasick::packed::Searcher;
use std::sync::LazyLock;

/// Ms. Ivanova, Dr. Mei Xu. Each title with the blank after it is long enough for the gate.
const TITLED: &str = concat!(
    r"\b(?:Mr\. |Mr |Mrs\. |Mrs |Ms\. |Ms |Mx\. |Mx |Dr\. |Dr |Prof\. |Prof |Professor",
    r" |Rev\. |Sgt\. |Capt\. |",
    r"mr\.? |mrs\.? |Herrn? |Frau |Monsieur |Madame |Mme |Señora? |Sra\. |Signora? |Dh",
    r"r\. |Mevr\. |",
    r"Meneer |Mevrouw )(?:Dr\. |Prof\. )?",
    r"([A-ZÀ-ÞĀ-Ž](?:'[A-Z])?[A-Za-zß-ÿĀ-ž]+(?:['\-][A-Z][A-Za-zß-ÿĀ-ž]+)?",
    r"(?: (?:[A-Z]\. )?[A-ZÀ-ÞĀ-Ž][A-Za-zß-ÿĀ-ž]+(?:['\-][A-Z][A-Za-zß-ÿĀ-ž]+)?)?)"
);
/// 鏡律様, 小鳥遊 ひなた様; はい、あやちゃん.
const HONORED: &str = concat!(
    r"(?:^|[^ぁ-ゖァ-ヺー一-龥々〆A-Za-z0-9])",
    r"(?:(?:明日|昨日|今日|本日|先日|明後日)[はもの]?|(?:拝啓|謹啓|前略) )?",
    r"([ぁ-ゖ]{2,5}|[一-龥々ヶ]{2,5}|",
    r"[一-龥々ヶ]{1,4} [一-龥々ぁ-ゖァ-ヶー]{1,6}) ?(?:さん|様|さま|くん|君|ちゃん|氏)"
);
/// 凛ちゃん, 歩くん: one kanji. さん is after things of one kanji as well.
const ONE_KANJI: &str = r"(?:^|[^一-龥々ァ-ヶー「『])([一-龥]) ?(?:ちゃん|くん)";
/// Nguyễn Văn Anさん.
const LATIN: &str = concat!(
    r"\b([A-ZÀ-ÞĀ-Ž][A-Za-zß-ÿĀ-ɏḀ-ỿ]+(?: [A-ZÀ-ÞĀ-Ž][A-Za-zß-ÿĀ-ɏḀ-ỿ.'\-]*){1,3})",
    r" ?(?:さん|様|さま|氏|くん|君|ちゃん|殿)"
);

/// TSUKUDA/HARUMI MS, as tickets have it. The slash is rarer than short titles: the gate shall look
/// for it.
const TICKET: &str = r"\b([A-Z]{2,20}/[A-Z]{2,20}) ?(?:M[RS]S?|MISS|MSTR|D[R])\b";

/// Letters of a name without a blank, and of what may stand behind one, as above.
const NAME_MAX: usize = 5;
const GIVEN_MAX: usize = 6;

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    let rule = |pattern| Rule::own(Kind::Person, Trust::Guess, pattern);
    all.push(Box::new(rule(TITLED)?.accept(is_titled)));
    all.push(Box::new(Honored([
        (may_end_honored, rule(HONORED)?.accept(is_honored)),
        (|before| before.ends_with(is_kanji), rule(ONE_KANJI)?.accept(is_one_kanji)),
        (|before| before.ends_with(is_latin), rule(LATIN)?),
    ])));
    all.push(Box::new(rule(TICKET)?.accept(|hit| !matches!(hit.value(), "AND/OR" | "AC/DC"))));
    Ok(())
}

/// Rules for names before an honorific, each with what may stand before one. Most honorifics of a
/// text stand behind something else: a look at that spares the rule.
struct Honored([(MayEnd, Rule); RULES]);

/// Whether what a rule takes may end where a text does, behind which an honorific follows.
type MayEnd = fn(&str) -> bool;
const RULES: usize = 3;

/// The honorifics of all these rules.
const ENDS: [&str; 8] = ["さん", "様", "さま", "くん", "君", "ちゃん", "氏", "殿"];
/// Where there is no such search for a processor, each rule is tried.
static SEARCH: LazyLock<Option<Searcher>> = LazyLock::new(|| Searcher::new(ENDS));

impl Recognizer for Honored {
    fn need(&self) -> Need {
        Need::of(&ENDS.join("|"))
    }

    fn find(&self, text: &str, digits: &Digits, findings: &mut Vec<Finding>) {
        let mut wanted = [SEARCH.is_none(); RULES];
        for end in SEARCH.iter().flat_map(|search| search.find_iter(text)) {
            let before = text.get(..end.start()).unwrap_or_default();
            let before = before.strip_suffix(' ').unwrap_or(before);
            for (wanted, (may_end, _)) in wanted.iter_mut().zip(&self.0) {
                *wanted |= may_end(before);
            }
        }
        let rules = self.0.iter().zip(wanted).filter(|(_, wanted)| *wanted);
        rules.for_each(|((_, rule), _)| rule.find(text, digits, findings));
    }
}

fn is_kana(c: char) -> bool {
    matches!(c, 'ぁ'..='ゖ')
}

fn is_kanji(c: char) -> bool {
    matches!(c, '一'..='龥' | '々' | 'ヶ')
}

/// The letters with which a name of LATIN ends.
fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, 'À'..='ỿ' | '.' | '\'' | '-')
}

/// Whether kana or kanji alone end a text, or any of them behind a blank, as many as HONORED takes.
fn may_end_honored(text: &str) -> bool {
    let is_letter = |c: &char| is_kana(*c) || is_kanji(*c) || matches!(c, 'ァ'..='ヺ' | 'ー');
    let letters = text.chars().rev().take(GIVEN_MAX + 1).take_while(is_letter);
    let (count, bytes, kana, kanji) = letters.fold((0, 0, 0, 0), |(n, bytes, kana, kanji), c| {
        let (is_kana, is_kanji) = (usize::from(is_kana(c)), usize::from(is_kanji(c)));
        (n + 1, bytes + c.len_utf8(), kana + is_kana, kanji + is_kanji)
    });
    let before = text.get(..text.len() - bytes).and_then(|rest| rest.chars().next_back());
    match before {
        Some(' ') => (1..=GIVEN_MAX).contains(&count),
        _ => (2..=NAME_MAX).contains(&count) && (kana == count || kanji == count),
    }
}

/// A title before a role names nobody (Mr. President).
fn is_titled(hit: &Hit) -> bool {
    const OTHERS: [&str; 8] =
        ["Pepper", "President", "Chairman", "Speaker", "Who", "Right", "Excel", "Dr"];
    !OTHERS.iter().any(|other| hit.value().starts_with(other))
}

/// Kanji with 様 alone: さん and 氏 are after whole companies as well, and the tagger knows them.
fn is_honored(hit: &Hit) -> bool {
    let after = hit.text_after(12).trim_start();
    if goes_on(after) {
        return false;
    }
    match hit.value().starts_with(|c| matches!(c, 'ぁ'..='ゖ')) {
        true => !after.starts_with("さま") && !is_somebody_in_kana(hit.value()),
        false => (after.starts_with('様') || after.starts_with("さま")) && is_in_kanji(hit),
    }
}

/// Kin and animals; of a verb that ends so (書くんだ, 行くんが) only what a name has after it.
fn is_one_kanji(hit: &Hit) -> bool {
    const OTHERS: &str = "赤姉兄爺婆嬢母父猫犬鳥皆坊娘孫嫁叔伯妹弟";
    const VERBS: &str = "行書聞働動泣続着引開置焼描弾咲叩抱招磨届驚歩履解説向鳴敷吹撒浮退除欠突付";
    let value = hit.value();
    let after = hit.text_after(12).trim_start();
    let next = after.strip_prefix("くん").and_then(|rest| rest.chars().next());
    let is_verb = VERBS.contains(value) && next.is_some_and(|c| !"がをにへも、".contains(c));
    !OTHERS.contains(value) && !is_verb && (after.starts_with('ち') || !goes_on(after))
}

/// Who is spoken of by what he is: 担当者様, 取引先様, 貴社様.
fn is_in_kanji(hit: &Hit) -> bool {
    const NAME_ENDS: [char; 6] = ['子', '夫', '郎', '一', '生', '人'];
    let mut parts = hit.value().split(' ');
    let first = parts.next().and_then(|part| part.chars().next_back());
    let in_house = first.is_some_and(|c| "部課社店室局係長".contains(c)) && parts.next().is_some();
    let Some(last) = hit.value().chars().next_back() else { return false };
    let whole = hit.value().contains(' ') || hit.value().chars().count() > 2;
    !in_house && (!ROLE_ENDS.contains(last) || (whole && NAME_ENDS.contains(&last)))
}

#[cfg(test)]
mod tests {
    use super::{Digits, HONORED, LATIN, ONE_KANJI, Recognizers, Rule, SEARCH, add};
    use super::{Kind, Trust};

    #[test]
    fn what_ends_before_an_honorific_spares_a_rule_where_it_fits_nothing() {
        const PIECES: [&str; 30] = [
            "さん",
            "様",
            "さま",
            "くん",
            "君",
            "ちゃん",
            "氏",
            "殿",
            " ",
            "、",
            "\n",
            "お客",
            "山田",
            "太郎",
            "凛",
            "たなか",
            "スミス",
            "Nguyễn",
            "An",
            "T.",
            "は",
            "明日は ",
            "拝啓 ",
            "9",
            "々",
            "ヶ",
            "〆",
            "ー",
            "「",
            "-",
        ];
        assert!(SEARCH.is_some());
        let mut all = Recognizers::new();
        add(&mut all).unwrap();
        let rule = |pattern| Rule::own(Kind::Person, Trust::Guess, pattern).unwrap();
        let rules = [
            rule(HONORED).accept(super::is_honored),
            rule(ONE_KANJI).accept(super::is_one_kanji),
            rule(LATIN),
        ];
        let (mut dice, mut names) = (7_u64, 0);
        for round in 0..30_000 {
            let mut text = String::new();
            for _ in 0..round % 9 {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_041);
                text.push_str(PIECES[usize::try_from(dice >> 33).unwrap() % PIECES.len()]);
            }
            let digits = Digits::of(&text);
            let (mut found, mut whole) = (Vec::new(), Vec::new());
            all[1].find(&text, &digits, &mut found);
            for rule in &rules {
                super::Recognizer::find(rule, &text, &digits, &mut whole);
            }
            names += found.len();
            assert_eq!(found, whole, "{text:?}");
        }
        assert!(names > 1_000, "{names}");
    }
}
