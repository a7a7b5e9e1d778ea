//! Detection: folds the text, asks every recogniser, settles overlaps and gives offsets of the
//! original text. It must stay linear in the length of the text, and never fail on any input.

use super::escapes;
use super::finding::{Finding, Span, Trust, join, resolve};
use super::keyed_numbers;
use super::kind::Kind;
use super::public_figures::PublicFigures;
use super::recognizers::{self, Digits, Gate, Recognizer, Rule};
use super::retold::Retold;
use super::settings::SettingsError;
use super::shadow::Shadow;
use super::tagger::Tagger;

/// All recognisers, compiled.
pub(super) struct Detector {
    recognizers: Vec<Box<dyn Recognizer>>,
    gate: Gate,
    tagger: Tagger,
    public_figures: PublicFigures,
}

impl Detector {
    /// Compiles every pattern, the operator's own as well.
    pub(super) fn new(patterns: &[String]) -> Result<Self, SettingsError> {
        let mut recognizers = recognizers::all()?;
        for pattern in patterns {
            recognizers.push(Box::new(Rule::new(Kind::Custom, Trust::Order, pattern)?));
        }
        let tagger = Tagger::new();
        let gate = Gate::new(recognizers.iter().map(|recognizer| recognizer.need()).collect());
        Ok(Self { recognizers, gate, tagger, public_figures: PublicFigures::new() })
    }

    /// Disjoint spans in their order, in byte offsets of the text; where two readings find two
    /// kinds the one that weighs more counts. What is remembered serves the same realm alone.
    pub(super) fn detect(&self, text: &str, realm: &str, weigh: impl Fn(Kind) -> u8) -> Vec<Span> {
        let mut spans = self.read(text, realm, &weigh);
        let encoded = escapes::retell(text).filter(|encoded| !encoded.text().is_empty());
        let mut numbers = Vec::new();
        let others = keyed_numbers::retell(text, |retold| {
            numbers.extend(self.placed(retold, realm, &weigh))
        });
        if let Some(encoded) = &encoded {
            // What looks like a name between such letters is none: they are read as what they say.
            let is_name = |span: &Span| matches!(span.kind, Kind::Person | Kind::Address);
            spans.retain(|span| !(is_name(span) && encoded.is_in_url(text, span)));
        }
        spans.retain(|span| !others.is_other(text, span));
        if let Some(encoded) = &encoded {
            let placed = self.placed(encoded, realm, &weigh);
            encoded.cut(&mut spans, &placed);
            join(&mut spans, placed, &weigh);
        }
        join(&mut spans, numbers, &weigh);
        spans
    }

    /// What is found where a text is told again, in byte offsets of that text.
    fn placed(&self, retold: &Retold, realm: &str, weigh: &impl Fn(Kind) -> u8) -> Vec<Span> {
        let found = self.read(retold.text(), realm, weigh);
        found.into_iter().filter_map(|span| retold.place(span)).collect()
    }

    /// What recognisers find in a text as it stands there.
    fn read(&self, text: &str, realm: &str, weigh: &impl Fn(Kind) -> u8) -> Vec<Span> {
        let shadow = Shadow::new(text);
        let mut findings = Vec::new();
        let digits = Digits::of(shadow.text());
        let open = self.gate.open(shadow.text(), &digits);
        for (index, recognizer) in self.recognizers.iter().enumerate() {
            if open.holds(index) {
                recognizer.find(shadow.text(), &digits, &mut findings);
            }
        }
        self.tagger.find(shadow.text(), realm, &mut findings);
        let asked_for: Vec<Finding> =
            findings.extract_if(.., |finding| finding.kind == Kind::Custom).collect();
        let mut findings = resolve(findings, weigh);
        if !asked_for.is_empty() && weigh(Kind::Custom) > 0 {
            findings.extend(asked_for);
            findings.sort_by_key(|finding| finding.start);
        }
        self.public_figures.leave_out(shadow.text(), &mut findings);
        let mut spans = Vec::with_capacity(findings.len());
        let mut asked_for = Vec::new();
        for finding in findings {
            let spans = if finding.kind == Kind::Custom { &mut asked_for } else { &mut spans };
            push_lines(shadow.text(), finding, |piece| {
                let (start, end) = (shadow.origin(piece.start), shadow.origin(piece.end));
                spans.push(Span { start, end, kind: piece.kind });
            });
        }
        if asked_for.is_empty() {
            return spans;
        }
        // An operator's pattern may fit a part of a value: `acme` in a mail. Then all of it is one,
        // of the longer one's kind unless the other weighs more; of the same value it is theirs.
        asked_for.extend(spans);
        let mut joined = Vec::new();
        join(&mut joined, asked_for, weigh);
        joined
    }
}

/// A value that goes over line ends is one piece for each line, without the blanks around it;
/// an address or a key keeps its lines together.
fn push_lines(text: &str, finding: Finding, mut push: impl FnMut(Finding)) {
    let value = text.get(finding.start..finding.end).unwrap_or_default();
    let whole = matches!(finding.kind, Kind::Address | Kind::Secret | Kind::Custom);
    let mut start = finding.start;
    for line in value.split_inclusive(|c| c == '\n' && !whole) {
        let lead = line.len() - line.trim_start().len();
        let trimmed = line.trim();
        if !trimmed.is_empty() {
            let start = start + lead;
            push(Finding { start, end: start + trimmed.len(), ..finding });
        }
        start += line.len();
    }
}
