//! How Japanese asks: politeness is taken off the end, and the ways to ask one thing become one
//! frame. All that is left is facts, run by run of one script, particles and endings too: が and を
//! are who did it to whom, た is the past and ない is not.

use super::Token;
use super::text::{Question, is_east, placeholder};
use super::words;
use regex::Regex;
use std::sync::LazyLock;

/// What may stand before a question without changing it.
const OPENERS: &[&str] = &[
    "すみませんが",
    "すみません",
    "すいませんが",
    "すいません",
    "恐れ入りますが",
    "恐縮ですが",
    "お忙しいところすみませんが",
    "失礼ですが",
    "ちょっと",
    "質問ですが",
    "質問なのですが",
    "こんにちは",
    "こんばんは",
    "おはようございます",
    "はじめまして",
    "ところで",
    "あの",
    "ねえ",
    "えっと",
    "では",
    "じゃあ",
    "ちなみに",
    "そもそも",
    "一体",
    "いったい",
    "、",
    ",",
];

/// Sentences that only greet.
const GREETINGS: &[&str] = &[
    "こんにちは",
    "こんばんは",
    "おはようございます",
    "おはよう",
    "はじめまして",
    "初めまして",
    "お世話になっております",
    "お世話になります",
    "お疲れ様です",
    "よろしくお願いします",
    "よろしくお願いいたします",
    "よろしくお願い致します",
    "お願いします",
    "お願いいたします",
    "ありがとうございます",
    "ありがとう",
    "質問です",
    "質問があります",
    "質問させてください",
    "教えてください",
    "教えて",
];

/// "Tell me".
const TELL: &str = "(?:(?:教えて|おしえて)\
    (?:ください(?:ますか|ませんか|ね)?|くれますか|くれませんか|くれる|くれ|もらえますか|\
    もらえませんか|もらえる|いただけますか|いただけませんか|いただきたいです|ほしいです|\
    ほしい|よ|ね)?|知りたい(?:です|のですが|んですが|んだけど)?)";

/// "What is it?"
const WHAT: &str = "(?:何|なに|なん)\
    (?:ですか|でしょうか|でしょう|だろうか|なのですか|なのでしょうか|なんですか|なの|だ|か|\
    になりますか)?";

/// "What should be done?"
const SHOULD: &str = "どう(?:すれば|したら|やれば)(?:いい|よろしい)\
    (?:ですか|でしょうか|のですか|のでしょうか|んですか|んでしょうか|の|か|かな)?";

/// "Please."
const PLEASE: &str = "(?:ください(?:ますか|ませんか|ね)?|くれますか|くれませんか|くれる|くれ|\
    もらえますか|もらえませんか|もらえる|いただけますか|いただけませんか|ほしいです|ほしい|ね)?";

/// A way to ask, and what it asks.
struct Way {
    pattern: Regex,
    ask: Ask,
}

#[derive(Clone, Copy)]
enum Ask {
    /// A thing is named, its explanation or its value is wanted.
    Thing,
    /// The same, where a value needs an owner to be meant.
    Value,
    About,
    Topic,
    How,
    HowInside,
    ToDo,
    Request,
    Polite,
    Open,
}

/// In this order: the first that fits.
static WAYS: LazyLock<Vec<Way>> = LazyLock::new(|| {
    let ways = [
        (format!("^(.+)(?:について|に関して)(?:{TELL}|説明して{PLEASE})$"), Ask::About),
        (format!("^(.+)を説明して{PLEASE}$"), Ask::About),
        (
            format!(
                "^(.+)(?:場合|とき|時|ら|のですが|んですが|んだけど|けど)(?:は|に|には)?[、,]?{SHOULD}$"
            ),
            Ask::ToDo,
        ),
        (format!("^(.+た(?:場合|とき|時))の対処(?:方)?法(?:は|を)?(?:{TELL}|{WHAT})?$"), Ask::ToDo),
        (
            format!(
                "^(.+?)(?:方法|やり方|手順|仕方|しかた)(?:とは|は|を|が|について)?\
                 (?:{TELL}|{WHAT}|ですか|でしょうか)?$"
            ),
            Ask::How,
        ),
        (format!("^(.+)には[、,]?{SHOULD}$"), Ask::How),
        (
            "^(.*(?:どうやって|どうやったら|どうすれば|どうしたら|どのように).*)\
             (?:します|するの|するのです|するんです|するのでしょう|すればいいです|\
             すればいいの|したらいいです|したらいいの|できます|できるの|できるのです|できる)か?$"
                .to_owned(),
            Ask::HowInside,
        ),
        (format!("^(.+?)(?:とは|というのは|って|は){WHAT}$"), Ask::Thing),
        ("^(.+)とは$".to_owned(), Ask::Thing),
        (format!("^(.+)(?:を|が|は){TELL}$"), Ask::Value),
        (format!("^(.+){TELL}$"), Ask::Topic),
        (format!("^(.+[てで]){PLEASE}$"), Ask::Request),
        ("^(.+)ます(?:か|でしょうか)$".to_owned(), Ask::Polite),
        (
            "^(.+)(?:ですか|でしょうか|なのですか|なのでしょうか|なんですか|なの|だろうか|かな)$"
                .to_owned(),
            Ask::Open,
        ),
    ];
    let way =
        |(pattern, ask): (String, Ask)| Some(Way { pattern: Regex::new(&pattern).ok()?, ask });
    ways.into_iter().filter_map(way).collect()
});

static SPOKEN_TOPIC: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new("って(どこ|いつ|だれ|いくら|なぜ|どう|どんな|どれ|どの|何歳|何人|何時)").ok()
});

static DEED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(?:(.+)の)?(\p{Han}{2,4})$").ok());

pub(super) fn tokens(question: &Question) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut count = 0;
    for sentence in &question.sentences {
        let text = spelled(&sentence.text);
        if GREETINGS.contains(&text.trim_end_matches(['、', ','])) {
            continue;
        }
        if count > 0 {
            tokens.push(Token::Fact("|".to_owned()));
        }
        count += 1;
        let (frame, core) = framed(&text, sentence.asks);
        tokens.extend(frame.map(Token::Frame));
        tokens.extend(runs(&core));
    }
    (count > 0).then_some(tokens)
}

/// One spelling, small letters, no blanks around Japanese, nothing polite before it.
fn spelled(text: &str) -> String {
    let letters: Vec<char> = text.to_lowercase().chars().collect();
    let is_near =
        |at: Option<usize>| at.and_then(|at| letters.get(at)).is_none_or(|it| is_wide(*it));
    let kept = letters.iter().enumerate().filter(|(at, letter)| {
        **letter != ' ' || !(is_near(at.checked_sub(1)) || is_near(Some(at + 1)))
    });
    let text: String = kept.map(|(_, letter)| *letter).collect();
    let text = words::japanese(&text);
    let text = match &*SPOKEN_TOPIC {
        Some(spoken) => spoken.replace_all(&text, "は$1").into_owned(),
        None => text,
    };
    let mut rest = text.as_str();
    while let Some(next) = OPENERS.iter().find_map(|opener| rest.strip_prefix(opener)) {
        rest = next;
    }
    // A question that is only an opener (はじめまして) is kept as it is.
    if rest.is_empty() { text } else { rest.trim_end_matches(['、', ',']).to_owned() }
}

fn is_wide(letter: char) -> bool {
    is_east(letter) || matches!(letter, '、' | '・')
}

fn has_hiragana(text: &str) -> bool {
    text.chars().any(|letter| script(letter) == Some(Script::Hiragana))
}

/// How it asks, and what is left of it.
fn framed(text: &str, asks: bool) -> (Option<&'static str>, String) {
    for way in WAYS.iter() {
        let Some(found) = way.pattern.captures(text) else { continue };
        let Some(core) = found.get(1).map(|core| core.as_str()) else { continue };
        if let Some(framed) = read(way.ask, core, text) {
            return framed;
        }
    }
    if !asks {
        return (None, text.to_owned());
    }
    if let Some(topic) = text.strip_suffix("は").or_else(|| text.strip_suffix("って")) {
        let frame = if topic.contains('の') { ASKS_WHAT } else { "?topic" };
        return (Some(frame), topic.to_owned());
    }
    let plain = text.strip_suffix("の").unwrap_or(text);
    (Some(ASKS_OPENLY), stem(plain))
}

const ASKS_WHAT: &str = "?what";
const ASKS_FOR_AN_EXPLANATION: &str = "?explain";
const ASKS_HOW: &str = "?how";
const ASKS_OPENLY: &str = "?";

/// What a way asks for; nothing when it isn't that way after all.
fn read(ask: Ask, core: &str, text: &str) -> Option<(Option<&'static str>, String)> {
    let owned = |frame, core: &str| Some((Some(frame), core.to_owned()));
    match ask {
        Ask::Thing if has_hiragana(core) => owned(ASKS_WHAT, core),
        Ask::Thing => owned(ASKS_FOR_AN_EXPLANATION, core),
        Ask::About if has_hiragana(core) => owned("?about", core),
        Ask::About => owned(ASKS_FOR_AN_EXPLANATION, core),
        Ask::Value if core.contains('の') => owned(ASKS_WHAT, core),
        Ask::Value | Ask::Topic => {
            let told = text.find("教えて").or_else(|| text.find("おしえて"));
            let end = told.or_else(|| text.find("知りたい"))?;
            owned("?tell", text.get(..end)?)
        }
        Ask::How => Some((Some(ASKS_HOW), deed(core)?)),
        Ask::HowInside => {
            let ways = ["どうやって", "どうやったら", "どうすれば", "どうしたら", "どのように"];
            let without = ways.iter().fold(core.to_owned(), |core, way| core.replacen(way, "", 1));
            let without = without.trim_matches(['、', ',']);
            (!without.is_empty()).then(|| (Some(ASKS_HOW), format!("{without}する")))
        }
        Ask::ToDo => {
            let wish = core.strip_suffix("したい").filter(|it| !it.is_empty());
            if let Some(deed) = wish {
                return Some((Some(ASKS_HOW), format!("{deed}する")));
            }
            let bare = ["場合", "とき", "時"].iter().find_map(|end| core.strip_suffix(end));
            let happened = bare.unwrap_or(core);
            happened.ends_with(['た', 'だ']).then(|| (Some("?to_do"), happened.to_owned()))
        }
        Ask::Request => owned("?request", core),
        Ask::Polite | Ask::Open => owned(ASKS_OPENLY, core),
    }
}

/// "Xの変更" and "変更" are deeds as "Xを変更する" and "変更する" are. What is neither a deed nor ends
/// as a verb asks for a thing.
fn deed(core: &str) -> Option<String> {
    if let Some(found) = DEED.as_ref().and_then(|deed| deed.captures(core)) {
        let what = found.get(2)?.as_str();
        return Some(match found.get(1) {
            Some(of) => format!("{}を{what}する", of.as_str()),
            None => format!("{what}する"),
        });
    }
    let is_verb =
        core.ends_with(['う', 'く', 'ぐ', 'す', 'つ', 'ぬ', 'ぶ', 'む', 'る', 'い', 'た']);
    is_verb.then(|| core.to_owned())
}

/// A verb as it stands before ます, where there is one reading.
fn stem(text: &str) -> String {
    const IRREGULAR: [(&str, &str); 7] = [
        ("する", "し"),
        ("ある", "あり"),
        ("なる", "なり"),
        ("分かる", "分かり"),
        ("かかる", "かかり"),
        ("要る", "要り"),
        ("いくら", "いくら"),
    ];
    const ROWS: [(char, char); 8] = [
        ('う', 'い'),
        ('く', 'き'),
        ('ぐ', 'ぎ'),
        ('す', 'し'),
        ('つ', 'ち'),
        ('ぬ', 'に'),
        ('ぶ', 'び'),
        ('む', 'み'),
    ];
    for (plain, stem) in IRREGULAR {
        if let Some(start) = text.strip_suffix(plain) {
            return format!("{start}{stem}");
        }
    }
    for asked in ["なぜ", "どう", "いつ"] {
        if text.ends_with(asked) {
            return text.to_owned();
        }
    }
    if let Some(start) = text.strip_suffix('る') {
        return start.to_owned();
    }
    for (plain, stem) in ROWS {
        if let Some(start) = text.strip_suffix(plain) {
            return format!("{start}{stem}");
        }
    }
    text.to_owned()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Han,
    Hiragana,
    Katakana,
    Narrow,
    Mark,
}

fn script(letter: char) -> Option<Script> {
    match letter {
        ' ' => None,
        '\u{3041}'..='\u{309f}' => Some(Script::Hiragana),
        '\u{30a1}'..='\u{30fa}' | 'ー' => Some(Script::Katakana),
        '\u{3400}'..='\u{9fff}' | '々' => Some(Script::Han),
        '、' | ',' | '・' => Some(Script::Mark),
        _ => Some(Script::Narrow),
    }
}

/// Runs of one script. A long katakana word is the same with and without the stroke at its end.
fn runs(core: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = core;
    while !rest.is_empty() {
        let length = placeholder(&rest.to_uppercase()).unwrap_or_else(|| run(rest));
        let (piece, next) = rest.split_at(length.min(rest.len()));
        rest = next;
        let is_foreign_word = piece.chars().all(|it| script(it) == Some(Script::Katakana));
        let stroke = piece.strip_suffix('ー').filter(|it| it.chars().count() >= 3);
        found.push(match piece {
            "" | " " => continue,
            "は" | "、" | "," => Token::Filler(piece.to_owned()),
            _ if is_foreign_word => Token::Fact(stroke.unwrap_or(piece).to_owned()),
            _ => Token::Fact(piece.to_owned()),
        });
    }
    found
}

fn run(text: &str) -> usize {
    let mut letters = text.chars();
    let first = letters.next().and_then(script);
    let length = letters.take_while(|it| *it != '[' && script(*it) == first).map(char::len_utf8);
    text.chars().next().map_or(0, char::len_utf8) + length.sum::<usize>()
}
