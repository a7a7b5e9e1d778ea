//! What a trained model finds by itself, without the gateway's patterns: for weights that have not
//! seen the texts. Must never look at the labels.

use std::error::Error;
use std::fmt::Write;

use super::finding::{Finding, Span, code_points};
use super::shadow::Shadow;
use super::tagger::Tagger;

/// Reads `{"id", "text"}` and writes `{"id", "spans"}`, a line each.
pub(super) fn run(folder: &str, texts: &str, found: &str) -> Result<(), Box<dyn Error>> {
    let mut model = Vec::new();
    for part in ["tagger_1.bin", "tagger_2.bin"] {
        model.extend(std::fs::read(format!("{folder}/{part}"))?);
    }
    let tagger = Tagger::of(&model).map_err(|_| "not a model")?;
    let mut out = String::new();
    for line in std::fs::read_to_string(texts)?.lines() {
        let row: serde_json::Value = serde_json::from_str(line)?;
        let text = row["text"].as_str().ok_or("a row without text")?;
        let shadow = Shadow::new(text);
        let mut findings = Vec::new();
        tagger.find(shadow.text(), "", &mut findings);
        let span = |finding: &Finding| Span {
            start: shadow.origin(finding.start),
            end: shadow.origin(finding.end),
            kind: finding.kind,
        };
        let spans: Vec<Span> = findings.iter().map(span).collect();
        let spans: Vec<_> = code_points(text, &spans)
            .into_iter()
            .map(|span| {
                let kind = span.kind.type_name();
                serde_json::json!({"start": span.start, "end": span.end, "type": kind})
            })
            .collect();
        writeln!(out, "{}", serde_json::json!({"id": row["id"], "spans": spans}))?;
    }
    Ok(std::fs::write(found, out)?)
}
