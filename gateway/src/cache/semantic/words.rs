//! Words that mean the same wherever they stand in a question, and words that hardly mean
//! anything. Whatever has a second meaning is left out: a miss costs less than a wrong answer.

use aho_corasick::{AhoCorasick, MatchKind};
use std::sync::LazyLock;

/// English words of one meaning; the first stands for all.
pub(super) const ENGLISH_SAME: &[&[&str]] = &[
    &["fix", "repair"],
    &["buy", "purchase"],
    &["begin", "start"],
    &["car", "automobile"],
    &["cars", "automobiles"],
    &["movie", "film"],
    &["movies", "films"],
    &["photo", "photograph"],
    &["photos", "photographs"],
    &["bike", "bicycle"],
    &["television", "tv"],
    &["exam", "examination"],
    &["math", "maths", "mathematics"],
    &["lawyer", "attorney"],
    &["kids", "children"],
    &["kid", "child"],
    &["mother", "mom", "mum"],
    &["father", "dad"],
    &["often", "frequently"],
    &["choose", "select"],
    &["intelligent", "smart"],
    &["famous", "well-known"],
    &["biggest", "largest"],
    &["fastest", "quickest"],
    &["happen", "occur"],
    &["maybe", "perhaps"],
    &["email", "e-mail"],
    &["emails", "e-mails"],
    &["wifi", "wi-fi"],
    &["website", "web-site"],
    &["online", "on-line"],
    &["okay", "ok"],
    &["color", "colour"],
    &["colors", "colours"],
    &["favorite", "favourite"],
    &["center", "centre"],
    &["theater", "theatre"],
    &["organization", "organisation"],
    &["organize", "organise"],
    &["optimize", "optimise"],
    &["analyze", "analyse"],
    &["behavior", "behaviour"],
    &["flavor", "flavour"],
    &["humor", "humour"],
    &["neighbor", "neighbour"],
    &["license", "licence"],
    &["traveling", "travelling"],
    &["canceled", "cancelled"],
    &["cancelation", "cancellation"],
    &["gray", "grey"],
    &["usa", "u.s.a", "u.s", "US", "U.S", "U.S.A"],
    &["uk", "u.k", "U.K"],
    &["until", "till"],
    &["everyone", "everybody"],
    &["someone", "somebody"],
    &["anyone", "anybody"],
    &["nobody", "no-one"],
    &["large", "big"],
    &["start-up", "startup"],
    &["vs", "versus"],
    &["doctor", "physician"],
    &["enough", "sufficient"],
    &["require", "need"],
];

/// English words that only colour a question.
pub(super) const ENGLISH_FILLERS: &[&str] =
    &["a", "an", "the", "exactly", "actually", "really", "basically", ","];

/// Capital letters make another word of these.
pub(super) const TWO_WORDS: &[&str] = &[
    "us", "it", "who", "may", "will", "march", "august", "polish", "turkey", "china", "japan",
    "apple", "windows", "word", "excel", "access", "go", "rust", "swift", "ruby", "java", "python",
    "oracle", "amazon", "target", "meta", "edge", "chrome", "safari", "shell", "gap", "visa",
    "mercury", "mars", "earth", "sun", "mark", "bill", "rose", "jack", "frank", "grace", "hope",
    "art", "guy", "pat", "rob", "sue", "drew", "nice", "reading", "bath", "cork", "mobile",
    "orange", "job", "slack", "teams", "zoom", "notion", "outlook", "office", "discord", "steam",
    "claude", "gemini", "cursor", "bard", "copilot", "spark", "kafka", "beam", "flask", "react",
    "express", "next", "spring", "rails", "chef", "puppet", "salt", "vault", "consul", "nomad",
];

/// Short names in capitals that are no words in small letters.
pub(super) const ACRONYMS: &[&str] = &[
    "ai", "api", "sql", "html", "css", "json", "xml", "url", "http", "pdf", "csv", "gpt", "llm",
    "cpu", "gpu", "ssd", "usb", "dns", "vpn", "tcp", "udp", "ssh", "tls", "ssl", "faq", "atm",
    "dna", "rna", "nasa", "fbi", "cia", "gdp", "ceo", "phd", "mba", "hiv", "usa", "uk", "tv",
    "wifi",
];

/// Japanese spellings and names of one thing; the first stands for all.
const JAPANESE_SAME: &[(&str, &[&str])] = &[
    ("ください", &["下さい"]),
    ("でき", &["出来"]),
    ("いただ", &["頂"]),
    ("なぜ", &["何故"]),
    ("どこ", &["何処"]),
    ("だれ", &["誰"]),
    ("ほし", &["欲し"]),
    ("いい", &["良い", "よい"]),
    ("分か", &["わか"]),
    ("おすすめ", &["お勧め", "お薦め", "オススメ"]),
    ("美味しい", &["おいしい"]),
    ("難しい", &["むずかしい"]),
    ("たくさん", &["沢山"]),
    ("子ども", &["子供", "こども"]),
    ("引っ越し", &["引越し", "引越"]),
    ("申し込み", &["申込み", "申込"]),
    ("問い合わせ", &["問合わせ", "問合せ"]),
    ("取り消し", &["取消し", "取消"]),
    ("受け取り", &["受取り", "受取"]),
    ("振り込み", &["振込み", "振込"]),
    ("見積もり", &["見積り", "見積"]),
    ("手続き", &["手続"]),
    ("締め切り", &["締切り", "締切", "〆切"]),
    ("買い物", &["買物"]),
    ("スマホ", &["スマートフォン"]),
    ("コンビニ", &["コンビニエンスストア"]),
    ("パソコン", &["パーソナルコンピューター", "パーソナルコンピュータ"]),
    ("アメリカ", &["米国"]),
    ("イギリス", &["英国"]),
    ("メール", &["電子メール", "eメール"]),
    ("ウェブサイト", &["webサイト"]),
    ("作る", &["つくる"]),
    ("使い方", &["使いかた"]),
    ("作り方", &["作りかた"]),
    ("場合", &["ばあい"]),
];

/// Finds the longest of all spellings, each with what stands for it.
static JAPANESE: LazyLock<Option<(AhoCorasick, Vec<&'static str>)>> = LazyLock::new(|| {
    let groups = JAPANESE_SAME.iter();
    let pairs = groups.flat_map(|(first, others)| {
        std::iter::once(first).chain(*others).map(move |spelling| (*spelling, *first))
    });
    let (spellings, stand_ins): (Vec<&str>, Vec<&str>) = pairs.unzip();
    let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(spellings);
    finder.ok().map(|finder| (finder, stand_ins))
});

/// A Japanese text in one spelling.
pub(super) fn japanese(text: &str) -> String {
    match &*JAPANESE {
        Some((finder, stand_ins)) => finder.replace_all(text, stand_ins),
        None => text.to_owned(),
    }
}

/// The word that stands for an English one.
pub(super) fn english(word: &str) -> &str {
    let group = ENGLISH_SAME.iter().find(|group| group.contains(&word));
    group.and_then(|group| group.first()).copied().unwrap_or(word)
}
