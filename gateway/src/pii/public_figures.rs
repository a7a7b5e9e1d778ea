//! Public figures that somebody asks about: an author's or a statesman's full name in a question
//! is the question's topic, and without it no model could answer. Best effort: it must never
//! uncover a name that stands with a label, an honorific or other personal data.

use std::collections::HashSet;

use super::finding::Finding;
use super::kind::Kind;
use super::recognizers::small;

const NAMES: &str = include_str!("data/public_figures.txt");
/// How far around a name the line is looked at.
const LINE_BYTES_MAX: usize = 300;
/// Shorter names are not taken for the beginning of a finding.
const PREFIX_CHARACTERS_MIN: usize = 4;

/// What shows that something is asked or told about a topic.
const ASKING: [&str; 38] = [
    "教えて",
    "説明",
    "比較",
    "比べ",
    "紹介して",
    "解説",
    "まとめて",
    "要約",
    "違い",
    "とは",
    "代表作",
    "あらすじ",
    "書評",
    "名言",
    "並べて",
    "功績",
    "生涯",
    "年表",
    "?",
    "what ",
    "who ",
    "why ",
    "when ",
    "how ",
    "compare",
    "summari",
    "explain",
    "describe",
    "tell me about",
    "quote",
    "biography",
    "essay",
    "play",
    "novel",
    "theory",
    "album",
    "speech",
    "timeline",
];
/// The same in a line that is no whole sentence, as those of a narrative are.
const TOPICS: [&str; 29] = [
    "思想",
    "歴史",
    "俳句",
    "小説",
    "映画",
    "作品",
    "関係",
    "いつ",
    "なぜ",
    "どんな",
    "テーマ",
    "業績",
    "理論",
    "何歳",
    "何年",
    "設立",
    "絵本",
    "新作",
    "名曲",
    "影響",
    "伝記",
    "時代",
    "戦い",
    "作風",
    "contribution",
    "famous for",
    "did ",
    "discover",
    "invent",
];
/// What shows that the name is somebody's whom the writer knows.
const KNOWN: [&str; 10] =
    ["様", "さん", "さま", "氏", "殿", "くん", "君", "ちゃん", "です", "と申します"];

/// Who is told of in tales, in small letters and in their order: nobody's data, whatever is asked.
const TALES: [&str; 44] = [
    "bruce wayne",
    "captain ahab",
    "cinderella",
    "clark kent",
    "darth vader",
    "don quixote",
    "dracula",
    "ebenezer scrooge",
    "frodo baggins",
    "hamlet",
    "harry potter",
    "hercule poirot",
    "hermione granger",
    "huckleberry finn",
    "indiana jones",
    "james bond",
    "king arthur",
    "luke skywalker",
    "macbeth",
    "mickey mouse",
    "peter pan",
    "robin hood",
    "robinson crusoe",
    "santa claus",
    "sherlock holmes",
    "snow white",
    "tom sawyer",
    "winnie the pooh",
    "かぐや姫",
    "のび太",
    "アンパンマン",
    "シャーロック・ホームズ",
    "シンデレラ",
    "ドラえもん",
    "ハリー・ポッター",
    "ピカチュウ",
    "ルパン三世",
    "一寸法師",
    "光源氏",
    "孫悟空",
    "桃太郎",
    "浦島太郎",
    "花咲か爺さん",
    "金太郎",
];

/// The list.
pub(super) struct PublicFigures {
    names: HashSet<String>,
}

impl PublicFigures {
    /// Reads the embedded list.
    pub(super) fn new() -> Self {
        let lines = NAMES.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self { names: lines.map(str::to_lowercase).collect() }
    }

    /// Drops the names of public figures that are asked about.
    pub(super) fn leave_out(&self, text: &str, findings: &mut Vec<Finding>) {
        let others: Vec<usize> =
            findings.iter().filter(|f| f.kind != Kind::Person).map(|f| f.start).collect();
        findings.retain(|finding| {
            finding.kind != Kind::Person || !self.is_topic(text, *finding, &others)
        });
    }

    fn is_topic(&self, text: &str, finding: Finding, others: &[usize]) -> bool {
        let value = small(text.get(finding.start..finding.end).unwrap_or_default());
        // Their works stand behind their names: Jane Austen's Emma.
        let value = value.split("'s ").next().unwrap_or_default().trim_end_matches("'s");
        let is_told = TALES.binary_search(&value).is_ok();
        if !is_told && !self.names.contains(value) && !self.begins(value) {
            return false;
        }
        let (start, end) = line_around(text, finding);
        let after = text.get(finding.end..end).unwrap_or_default();
        let line = text.get(start..end).unwrap_or_default().to_lowercase();
        let labelled = text
            .get(start..finding.start)
            .is_some_and(|before| before.trim_end().ends_with([':', '=', '"', '\'']));
        let alone =
            others.partition_point(|at| *at < start) == others.partition_point(|at| *at < end);
        let is_sentence = line.trim_end().ends_with(['。', '.']);
        let asked = ASKING.iter().any(|word| line.contains(word))
            || (!is_sentence && TOPICS.iter().any(|word| line.contains(word)));
        (asked || is_told)
            && alone
            && !labelled
            && !KNOWN.iter().any(|word| after.starts_with(word))
    }

    /// The tagger may take a letter too many with a name: 安倍晋三元首相.
    fn begins(&self, value: &str) -> bool {
        let cut = value.char_indices().next_back().map_or(0, |(last, _)| last);
        let name = value.get(..cut).unwrap_or_default();
        name.chars().count() >= PREFIX_CHARACTERS_MIN
            && !name.is_ascii()
            && self.names.contains(name)
    }
}

fn line_around(text: &str, finding: Finding) -> (usize, usize) {
    let mut start = finding.start.saturating_sub(LINE_BYTES_MAX);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let mut end = (finding.end + LINE_BYTES_MAX).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = text.get(start..finding.start).unwrap_or_default();
    let after = text.get(finding.end..end).unwrap_or_default();
    start += before.rfind('\n').map_or(0, |at| at + 1);
    end = after.find('\n').map_or(end, |at| finding.end + at);
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pii::finding::Trust;

    fn left(text: &str, name: &str) -> bool {
        let start = text.find(name).unwrap();
        let end = start + name.len();
        let mut findings = vec![Finding { start, end, kind: Kind::Person, trust: Trust::Guess }];
        PublicFigures::new().leave_out(text, &mut findings);
        findings.is_empty()
    }

    #[test]
    fn a_topic_is_left_and_an_acquaintance_is_not() {
        assert!(left("夏目漱石の代表作を教えて", "夏目漱石"));
        assert!(left("What did Abraham Lincoln say?", "Abraham Lincoln"));
        assert!(left("Summarise Jane Austen's Emma", "Jane Austen's Emma"));
        assert!(left("勝海舟と西郷隆盛の関係", "勝海舟"));
        assert!(left("桃太郎が鬼と相撲をとる話にして", "桃太郎"));
        assert!(left("Write a scene where Hercule Poirot is late.", "Hercule Poirot"));
        assert!(!left("桃太郎様のご予約です", "桃太郎"));
        assert!(!left("氏名: 桃太郎", "桃太郎"));
        assert!(super::TALES.is_sorted());
        assert!(!left("小説家の夏目漱石は映画を見た。", "夏目漱石"));
        assert!(!left("勝海舟は西郷隆盛との関係を深めた。", "勝海舟"));
        assert!(!left("夏目漱石さんの電話番号を教えて", "夏目漱石"));
        assert!(!left("氏名: 夏目漱石 の違い", "夏目漱石"));
        assert!(!left("What did Jane Q. Public say?", "Jane Q. Public"));
    }
}
