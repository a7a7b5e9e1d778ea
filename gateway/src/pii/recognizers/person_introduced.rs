//! Names of persons who say who they are, in alphabets of which the tagger knows no words, and
//! names under a letter's last words. It must never take what is said of somebody without his name
//! (저는 학생입니다), nor a group that a letter is signed with.

use super::Recognizers;
use super::rule::{Hit, Rule};
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const PATTERNS: [&str; 8] = [
    // Russian, Ukrainian.
    concat!(
        r"(?:[Мм]еня зовут|[Мм]ене звати|[Мм]о[её] имя|ФИО|[Фф]амилия|П\.?І\.?Б\.?)[: \-]{1,3}",
        r"([А-ЯЁІЇЄҐ][а-яёіїєґ'\-]+(?: [А-ЯЁІЇЄҐ][а-яёіїєґ'\-]+){0,2})"
    ),
    // Korean: with a label, or a name that begins with a common surname.
    r"(?:제 이름은|성명:|성함:|이름:) ?([가-힣]{2,4}?)(?:입니다|이고|이에요|예요|이라고|라고|[,.\s]|$)",
    concat!(
        r"(?:저는|나는|안녕하세요,?) ([김이박최정강조윤장임한오서신권황안송류전홍고문양손배백허유남심노하곽성차주우구민]",
        r"[가-힣]{2})(?:입니다|이에요|예요|이라고|라고)"
    ),
    // Vietnamese.
    concat!(
        r"(?:[Tt]ôi tên là|[Tt]ên tôi là|[Ee]m tên là|[Hh]ọ (?:và )?tên:?) ",
        r"([A-ZÀ-ÝĐƠƯ][^\s,.;!?0-9A-Z]{0,9}(?: [A-ZÀ-ÝĐƠƯ][^\s,.;!?0-9A-Z]{1,9}){1,4})"
    ),
    // Thai: a given name, and a surname after a blank.
    r"(?:ชื่อ|นาย|นางสาว|นาง) ([ก-๎]{2,24} [ก-๎]{2,24})",
    // Arabic and Persian.
    r"(?:اسمي|إسمي|نام من|أنا اسمي)(?: هو)? ([ء-ۓ]{2,16} [ء-ۓ]{2,16})",
    // Greek, Hebrew, Hindi.
    concat!(
        r"(?:[Μμ]ε λένε|[Οο]νομάζομαι|קוראים לי|שמי|मेरा नाम) ",
        r"([Α-Ωά-ώא-ת\x{900}-\x{963}]{2,20}(?: [Α-Ωά-ώא-ת\x{900}-\x{963}]{2,20})?)(?: ",
        r"है|[\s,.。।]|$)"
    ),
    // Under a letter.
    concat!(
        r"(?:^|[\n.!?:] ?>? ?)(?:Thanks|Many thanks|Thank you|Cheers|Best|Regards|Best",
        r" regards|Kind regards|",
        r"Warm regards|Sincerely|Yours sincerely|Yours truly|Take care|Love|Mit freund",
        r"lichen Grüßen|",
        r"Viele Grüße|Cordialement|Saludos|Atentamente|Cordiali saluti)(?:, |,?\n>? ?)",
        r"([A-ZÀ-Þ][a-zß-ÿ]+(?: [A-ZÀ-Þ][A-Za-zß-ÿ'\-]+){0,2})(?:[.!\n\x22」]|$)"
    ),
];

/// A surname of one kanji as well. The tagger may know more of the name.
const JAPANESE: &str = concat!(
    r"(?:^|[の、。!\s「])([一-龥々ヶ]{1,4}(?: [一-龥々ヶぁ-ゖァ-ヶー]{1,5})?)",
    r"(?: ?と申し| ?ともうし)"
);

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    for pattern in PATTERNS {
        let rule = Rule::own(Kind::Person, Trust::Pattern, pattern)?;
        all.push(Box::new(rule.accept(is_somebody)));
    }
    let japanese = Rule::own(Kind::Person, Trust::Guess, JAPANESE)?;
    all.push(Box::new(japanese.accept(is_somebody)));
    Ok(())
}

fn is_somebody(hit: &Hit) -> bool {
    const OTHERS: [&str; 17] = [
        "Team",
        "Everyone",
        "All",
        "Again",
        "You",
        "So",
        "For",
        "In",
        "And",
        "The",
        "Support",
        "Very",
        "Wishes",
        "Practices",
        "Regards",
        "Customer",
        "Management",
    ];
    let role = hit.value().ends_with(['者', '社', '店', '会', '課', '部', '員', '係']);
    !role && !hit.value().split(' ').any(|word| OTHERS.contains(&word))
}
