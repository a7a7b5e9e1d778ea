//! Names of persons beside what is said of nobody else: an English title before them, a Japanese
//! honorific after them. The tagger finds most of them; these are surer. It must never take a
//! role, a kinship or a company that people speak of as if it were somebody (お客様, お母さん).

use super::Recognizers;
use super::rule::{Hit, Rule};
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;
use crate::pii::titles::{ROLE_ENDS, goes_on, is_somebody_in_kana};

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

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    let rule = |pattern| Rule::own(Kind::Person, Trust::Guess, pattern);
    all.push(Box::new(rule(TITLED)?.accept(is_titled)));
    all.push(Box::new(rule(HONORED)?.accept(is_honored)));
    all.push(Box::new(rule(ONE_KANJI)?.accept(is_one_kanji)));
    all.push(Box::new(rule(LATIN)?));
    all.push(Box::new(rule(TICKET)?.accept(|hit| !matches!(hit.value(), "AND/OR" | "AC/DC"))));
    Ok(())
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
