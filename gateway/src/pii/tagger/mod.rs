//! The tagger: names and addresses from words and characters, by a small linear-chain model that
//! was trained for this (tools/pii-train). It must never allocate more than a few bytes for each
//! token, and never hold a text.

/// A table that the build has made.
macro_rules! made {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".bin"))
    };
}

mod address_parts;
mod called;
mod edges;
pub(in crate::pii) mod features;
pub(in crate::pii) mod filter;
mod honored;
mod kana;
pub(in crate::pii) mod lexicon;
mod listed;
#[cfg(test)]
mod lists;
mod memory;
pub(in crate::pii) mod model;
mod not_addresses;
mod not_names;
mod roles;
mod secrets;
mod speakers;
#[allow(dead_code, reason = "the build makes what this only looks up")]
mod table;
mod things;
pub(in crate::pii) mod tokens;
mod towns;

use features::{Features, NARRATIVE, Register, registers};
use lexicon::Lexicon;
use memory::{Memory, Worth};
use model::{
    ADDRESS_BEGINS, ADDRESS_GOES_ON, BrokenModel, LABELS, Model, OUTSIDE, PERSON_BEGINS,
    PERSON_GOES_ON, Room,
};
use tokens::{Token, tokenize};

use super::finding::{Finding, Trust};
use super::kind::Kind;
use std::hint::black_box;

/// Finds names and addresses.
pub(super) struct Tagger {
    lexicon: Lexicon,
    model: Model,
    memory: Memory,
}

/// What the labels of names and addresses get on top: a value that gets through costs more than
/// a word that is masked for nothing.
const FOUND_BONUS: f32 = 0.4;
/// The same for names in texts about something, where fewer signs stand around them.
const NARRATIVE_PERSON_BONUS: f32 = 0.8;
/// And for addresses there, which are hardly anybody's.
const NARRATIVE_ADDRESS_BONUS: f32 = -0.5;

impl Tagger {
    /// With the embedded model and lists.
    pub(super) fn new() -> Self {
        Self { lexicon: Lexicon::new(), model: Model::new(), memory: Memory::default() }
    }

    /// With other weights than the embedded ones: how the trainer tries what it made.
    #[allow(dead_code, reason = "the trainer calls it")]
    pub(super) fn of(model: &[u8]) -> Result<Self, BrokenModel> {
        Ok(Self { lexicon: Lexicon::new(), model: Model::read(model)?, memory: Memory::default() })
    }

    /// Adds the names and addresses of a shadow text. What is remembered of it serves the same
    /// realm alone.
    pub(super) fn find(&self, text: &str, realm: &str, findings: &mut Vec<Finding>) {
        let tokens = tokenize(text);
        let registers = registers(text, &tokens);
        let worths = self.worths(text, &tokens, &registers, realm);
        let labels = self.decode(&worths, &registers);
        let before = findings.len();
        collect(text, &tokens, &labels, findings);
        for finding in findings.iter_mut().skip(before) {
            not_names::trim(text, finding);
            edges::widen(text, finding, &self.lexicon);
        }
        not_addresses::part(text, before, findings);
        let mut index = 0;
        findings.retain(|finding| {
            index += 1;
            let value = text.get(finding.start..finding.end).unwrap_or_default();
            let is_none = || LABELS_IN_KATAKANA.contains(&value) || is_one_word(value);
            let is_nobody = || not_names::is_nobody(text, finding, &self.lexicon);
            let is_nowhere = || not_addresses::is_nowhere(text, finding);
            let is_other = || is_none() || is_nobodys(text, finding) || is_nobody();
            index <= before || !(is_other() || is_nowhere())
        });
        called::find(text, &tokens, before, &self.lexicon, findings);
        speakers::find(text, &self.lexicon, findings);
    }

    /// What each label of each token is worth: remembered, or worked out for the sentences that
    /// are new and for those between other neighbours.
    fn worths(
        &self,
        text: &str,
        tokens: &[Token],
        registers: &[Register],
        realm: &str,
    ) -> Vec<Worth> {
        let sentences = memory::sentences(text, tokens);
        let keys = self.memory.keys((text, tokens), &sentences, registers, realm);
        let mut worths = vec![[0; LABELS]; tokens.len()];
        let missing = self.memory.recall(&keys, &sentences, &mut worths);
        let around = |index: &usize| match sentences.get(*index) {
            Some(sentence) => memory::around(text, tokens, sentence),
            None => 0..0,
        };
        let (mut rest, mut room) = (missing.as_slice(), Room::default());
        while let Some((first, others)) = rest.split_first() {
            // What overlaps is looked at together, and once.
            let mut seen = around(first);
            let joined = others.iter().map(around).take_while(|next| {
                let touches = next.start <= seen.end;
                seen.end = if touches { next.end } else { seen.end };
                touches
            });
            let (group, later) = rest.split_at(1 + joined.count());
            rest = later;
            let features = Features::new(
                text,
                tokens.get(seen.clone()).unwrap_or_default(),
                registers.get(seen.clone()).unwrap_or_default(),
                &self.lexicon,
            );
            for index in group.iter().filter_map(|index| sentences.get(*index)).cloned().flatten() {
                if let Some(slot) = worths.get_mut(index) {
                    *slot = features.score(index - seen.start, &self.model, &mut room);
                }
            }
        }
        self.memory.keep(&missing, &keys, &sentences, &worths);
        worths
    }

    /// The best labels for all tokens (Viterbi). Where each came from is worked out again for those
    /// alone that it leads to.
    fn decode(&self, worths: &[Worth], registers: &[Register]) -> Vec<u8> {
        // `black_box`: an optimiser that knows which lanes are constant unrolls them one by one,
        // and the loop is no longer one of SIMD.
        let transitions = black_box(self.model.transitions().map(padded));
        let [bonus, narrative_bonus] = &black_box([BONUS, NARRATIVE_BONUS]);
        let scale = self.model.scale();
        let mut totals = vec![[0.0; LANES]; worths.len()];
        let mut values = transitions[OUTSIDE];
        for (index, (slot, register)) in totals.iter_mut().zip(registers).enumerate() {
            let worth = worth_lanes(worths, index);
            let bonus = if *register == NARRATIVE { narrative_bonus } else { bonus };
            let mut total = [0.0; LANES];
            for label in 0..LANES {
                total[label] = values[label] + f32::from(worth[label]) * scale + bonus[label];
            }
            values = best_ways(&total, &transitions);
            *slot = total;
        }
        trace_back(&totals, self.model.transitions())
    }
}

/// The worths of a token's labels, and behind them whatever comes next: nobody looks at it.
#[inline(always)]
fn worth_lanes(worths: &[Worth], index: usize) -> [i16; LANES] {
    let rest = worths.as_flattened().get(index * LABELS..).unwrap_or_default();
    rest.first_chunk().copied().unwrap_or_else(|| {
        let mut lanes = [0; LANES];
        lanes.iter_mut().zip(rest).for_each(|(lane, worth)| *lane = *worth);
        lanes
    })
}

/// A number for each label and three more that count for nothing: eight are added at once.
const LANES: usize = 8;
type Lanes = [f32; LANES];

/// A label's bonus.
const BONUS: [f32; LANES] = padded([0.0, FOUND_BONUS, FOUND_BONUS, FOUND_BONUS, FOUND_BONUS]);
/// The same in a text about something.
const NARRATIVE_BONUS: [f32; LANES] = padded([
    0.0,
    NARRATIVE_PERSON_BONUS,
    NARRATIVE_PERSON_BONUS,
    NARRATIVE_ADDRESS_BONUS,
    NARRATIVE_ADDRESS_BONUS,
]);

const fn padded([outside, a, b, c, d]: [f32; LABELS]) -> [f32; LANES] {
    [outside, a, b, c, d, 0.0, 0.0, 0.0]
}

/// What each label and the best of those before it are worth.
#[inline(always)]
fn best_ways(total: &Lanes, transitions: &[Lanes; LABELS]) -> Lanes {
    let way = |from: usize| {
        let mut way = [0.0; LANES];
        for label in 0..LANES {
            way[label] = total[from] + transitions[from][label];
        }
        way
    };
    // In few steps one after the other, since the next token waits for this.
    larger(&larger(&way(0), &way(1)), &larger(&larger(&way(2), &way(3)), &way(4)))
}

#[inline(always)]
fn larger(some: &Lanes, others: &Lanes) -> Lanes {
    let mut larger = [0.0; LANES];
    for label in 0..LANES {
        let (one, other) = (some[label], others[label]);
        larger[label] = if other > one { other } else { one };
    }
    larger
}

/// The labels on the way to the best of the last ones. Of equal ways the first label's is taken.
fn trace_back(totals: &[Lanes], transitions: &[[f32; LABELS]; LABELS]) -> Vec<u8> {
    let mut rest = totals.iter().rev();
    let Some(last) = rest.next().and_then(|total| total.first_chunk::<LABELS>()) else {
        return Vec::new();
    };
    let last = (0_u8..).zip(last).max_by(|(_, a), (_, b)| a.total_cmp(b));
    let mut label = last.map_or(0, |(label, _)| label);
    let mut labels = Vec::with_capacity(totals.len());
    labels.push(label);
    for total in rest {
        let way = |from: usize, to: usize| total[from] + transitions[from][to];
        // Nearly all words are nobody's name. This is a turn that the processor guesses right: it
        // need not wait for the label before.
        let stays = |from: usize| way(from, OUTSIDE) <= way(OUTSIDE, OUTSIDE);
        if usize::from(label) != OUTSIDE || !(1..LABELS).all(stays) {
            let to = usize::from(label);
            label = 0;
            for from in 1..LABELS {
                if way(from, to) > way(usize::from(label), to) {
                    label = from as u8;
                }
            }
        }
        labels.push(label);
    }
    labels.reverse();
    labels
}

/// A word of an alphabet in small letters again and again is nobody's name, however often the word
/// is one: "large large large".
fn is_one_word(value: &str) -> bool {
    const AGAIN_MIN: usize = 3;
    let mut words = value.split_whitespace();
    let first = words.next().unwrap_or_default();
    let small = first.starts_with(|letter: char| letter.is_lowercase());
    small && words.clone().count() + 1 >= AGAIN_MIN && words.all(|word| word == first)
}

/// What is called after somebody long known, a law or a theorem, tells nothing of a person; nor do
/// numerals beside others (二〇二六年), nor what begins at a sign within a word (`GTX-1080`).
fn is_nobodys(text: &str, finding: &Finding) -> bool {
    const NAMESAKES: [&str; 12] = [
        "の法則",
        "の定理",
        "の原理",
        "の公式",
        "の方程式",
        "の不等式",
        "の予想",
        "の三角形",
        "'s theorem",
        "'s law",
        "'s paradox",
        "'s principle",
    ];
    let before = text.get(..finding.start).unwrap_or_default();
    let value = text.get(finding.start..finding.end).unwrap_or_default();
    let after = text.get(finding.end..).unwrap_or_default();
    match finding.kind {
        Kind::Person => {
            let beside = before.ends_with(is_numeral) || after.starts_with(is_numeral);
            let is_number = || value.chars().all(is_numeral);
            NAMESAKES.iter().any(|end| after.starts_with(end)) || (beside && is_number())
        }
        _ => value.starts_with('-') && before.ends_with(|c: char| c.is_ascii_alphanumeric()),
    }
}

fn is_numeral(letter: char) -> bool {
    "〇零一二三四五六七八九十百千".contains(letter)
}

/// Words of labels, none of them in old dictionaries, that look like names in katakana.
const LABELS_IN_KATAKANA: [&str; 22] = [
    "マイナンバー",
    "フリガナ",
    "パスワード",
    "メールアドレス",
    "クレジットカード",
    "パスポート",
    "フリーダイヤル",
    "アンケート",
    "コメント",
    "アカウント",
    "ログイン",
    "スマホ",
    "キャンセル",
    "クレカ",
    "サイト",
    "アプリ",
    "マイナ",
    "マイナカード",
    "ケアプラン",
    "ケアマネ",
    "デイサービス",
    "サブスク",
];

/// Whether a cell of a table ends between a name and a token.
fn crosses(text: &str, name: &Finding, token: &Token) -> bool {
    let between = || text.get(name.end..token.start).unwrap_or_default();
    name.kind == Kind::Person && token.spaced && between().contains('\t')
}

/// Joins labelled tokens to findings.
fn collect(text: &str, tokens: &[Token], labels: &[u8], findings: &mut Vec<Finding>) {
    let mut open: Option<Finding> = None;
    for (token, label) in tokens.iter().zip(labels) {
        let label = usize::from(*label);
        if label == OUTSIDE && open.is_none() {
            continue;
        }
        let kind = match label {
            PERSON_BEGINS | PERSON_GOES_ON => Some(Kind::Person),
            ADDRESS_BEGINS | ADDRESS_GOES_ON => Some(Kind::Address),
            _ => None,
        };
        let goes_on = label == PERSON_GOES_ON || label == ADDRESS_GOES_ON;
        match (&mut open, kind) {
            (Some(finding), Some(kind))
                if goes_on && finding.kind == kind && !crosses(text, finding, token) =>
            {
                finding.end = token.end;
            }
            _ => {
                findings.extend(open.take());
                let (start, end, trust) = (token.start, token.end, Trust::Guess);
                open = kind.map(|kind| Finding { start, end, kind, trust });
            }
        }
    }
    findings.extend(open);
}

#[cfg(test)]
mod tests {
    use super::{Tagger, registers, tokenize};

    /// Pieces of texts: names, runs, words of lists, ends of sentences and lines.
    const PIECES: [&str; 24] = [
        "山田太郎様はいつもお世話になっております",
        "東京都渋谷区神南",
        "佐藤",
        "花子",
        "さん",
        "マーガレット・ホイットフィールド",
        "ジョン",
        "・",
        "株式会社あおぞら銀行本店営業部長",
        "昨日の会議では来年度の予算について話し合われた",
        "Margaret Whitfield lives in New York with Mr",
        "John",
        " Smith ",
        "hello",
        "242 Vaughn Pike",
        "a1b2c3d4",
        "。",
        ".",
        "? ",
        "!",
        "\n",
        "、",
        " ",
        "に",
    ];

    /// A text of some of them, by a number.
    fn text(mut number: u64) -> String {
        let mut text = String::new();
        for _ in 0..60 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_041);
            text.push_str(PIECES[(number >> 33) as usize % PIECES.len()]);
        }
        text
    }

    #[test]
    fn what_is_remembered_is_what_would_be_worked_out() {
        let tagger = Tagger::new();
        let worths = |text: &str, realm: &str| {
            let tokens = tokenize(text);
            tagger.worths(text, &tokens, &registers(text, &tokens), realm)
        };
        let mut before = String::new();
        for number in 0..150 {
            // The last text goes on, as a conversation does, or begins otherwise.
            let next = text(number);
            let new = match number % 3 {
                0 => next,
                1 => before + &next,
                _ => next + &before,
            };
            let fresh = worths(&new, &format!("realm {number}"));
            assert_eq!(worths(&new, "a realm"), fresh, "{new:?}");
            assert_eq!(worths(&new, "a realm"), fresh, "all of it is known now: {new:?}");
            before = new;
        }
    }
}
