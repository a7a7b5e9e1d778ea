//! Tables that are made from code: errors and metrics. With UPDATE_DOCS=1 they are written anew,
//! otherwise compared. The sentences around a table are nobody's but their author's.

use crate::source;
use crate::tree::Tree;
use infra::environment::Environment;
use schemas::error::ErrorCode;
use std::collections::BTreeMap;

const BEGIN: &str = "<!-- table: begin -->\n";
const END: &str = "<!-- table: end -->\n";
const UPDATE: &str = "UPDATE_DOCS";

const ERRORS: &str = "docs/errors.md";
const ERRORS_FILE: &str = "schemas/src/error.rs";
const METRICS: &str = "docs/metrics.md";
const METRICS_FILE: &str = "infra/src/metrics.rs";

pub(crate) fn errors_are_those_of_the_code(tree: &Tree) -> Vec<String> {
    let meanings: BTreeMap<String, String> = source::documented(&tree.text(ERRORS_FILE))
        .into_iter()
        .map(|(comment, item)| (item.trim_end_matches(',').to_owned(), comment))
        .collect();
    let mut table =
        "| code | status | type | retry | meaning |\n|---|---|---|---|---|\n".to_owned();
    let mut found = Vec::new();
    for code in ErrorCode::ALL {
        let retry = if code.retry_helps() { "yes" } else { "no" };
        let Some(meaning) = meanings.get(&format!("{code:?}")) else {
            found.push(format!("{ERRORS_FILE}: {code:?} has no comment to tell its meaning"));
            continue;
        };
        table.push_str(&format!(
            "| `{}` | {} | `{}` | {retry} | {meaning} |\n",
            code.as_str(),
            code.status(),
            code.openai_type()
        ));
    }
    found.extend(compare(tree, ERRORS, &table));
    found
}

/// Whether what is made is to be written anew.
pub(crate) fn is_updating() -> bool {
    Environment::of_process().get(UPDATE).is_some()
}

/// A metric as the macro in its file declares it.
struct Metric {
    name: String,
    kind: &'static str,
    labels: Vec<String>,
    help: String,
}

pub(crate) fn metrics_are_those_of_the_code(tree: &Tree) -> Vec<String> {
    let declared = declared(&tree.text(METRICS_FILE));
    if declared.is_empty() {
        return vec![format!("{METRICS_FILE} declares nothing that this check can read")];
    }
    let users: Vec<(String, String)> = ["gateway/src", "workers", "infra/src", "src"]
        .iter()
        .flat_map(|folder| tree.rust_below(folder))
        .filter(|path| !path.contains("/tests"))
        .map(|path| {
            let text: String = tree.text(&path).split_whitespace().collect();
            (path, text)
        })
        .collect();
    let mut table = "| name | type | labels | help | set in |\n|---|---|---|---|---|\n".to_owned();
    for Metric { name, kind, labels, help } in declared {
        let touches = [".", ";", ",", ")"].map(|end| format!("metrics.{name}{end}"));
        let sets = |text: &str| touches.iter().any(|touch| text.contains(touch.as_str()));
        let places: Vec<String> = users
            .iter()
            .filter(|(path, text)| match path.as_str() {
                // Its own tests count, too.
                METRICS_FILE => text.contains(&format!("self.{name}.")),
                _ => sets(text),
            })
            .map(|(path, _)| format!("`{path}`"))
            .collect();
        let places = if places.is_empty() { "not set yet".to_owned() } else { places.join(", ") };
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
        table.push_str(&format!("| `fly_llm_{name}` | {kind} | {labels} | {help} | {places} |\n"));
    }
    compare(tree, METRICS, &table)
}

fn declared(source: &str) -> Vec<Metric> {
    let block = source.split("\nmetrics! {\n").nth(1).unwrap_or_default();
    let block = block.split("\n}\n").next().unwrap_or_default();
    let metric = |(help, item): (String, String)| {
        let (name, rest) = item.split_once(": ")?;
        let (kind, labels) = rest.split_once('[')?;
        let kind = match kind {
            "IntCounterVec" => "counter",
            "IntGaugeVec" => "gauge",
            "HistogramVec" => "histogram",
            _ => return None,
        };
        let labels = labels.split('"').skip(1).step_by(2).map(|label| format!("`{label}`"));
        Some(Metric { name: name.to_owned(), kind, labels: labels.collect(), help })
    };
    source::documented(block).into_iter().filter_map(metric).collect()
}

/// Puts the table between its marks, or says that another one stands there.
fn compare(tree: &Tree, path: &str, table: &str) -> Vec<String> {
    let text = tree.text(path);
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| {
        rest.split_once(END).map(|(inside, after)| (before, inside, after))
    });
    let Some((before, inside, after)) = parts else {
        return vec![format!("{path}: the marks of the table are missing")];
    };
    if inside == table {
        return Vec::new();
    }
    if is_updating() {
        return tree.rewrite(path, &format!("{before}{BEGIN}{table}{END}{after}"));
    }
    let old: Vec<&str> = inside.lines().collect();
    let new = table.lines().find(|line| !old.contains(line)).unwrap_or("a line less");
    vec![format!("{path}: the table is not that of the code ({UPDATE}=1 writes it anew): {new}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not through `found`: with UPDATE_DOCS=1 a planted mistake must never be written.
    fn differs(check: crate::Check, path: &str, from: &str, to: &str) -> bool {
        let text = Tree::read().text(path);
        assert!(text.contains(from), "{path} holds no {from:?}");
        let is_update = Environment::of_process().get(UPDATE).is_some();
        is_update || !check(&Tree::read().with(path, &text.replacen(from, to, 1))).is_empty()
    }

    #[test]
    fn a_table_that_is_not_of_the_code_is_found() {
        let errors = errors_are_those_of_the_code;
        assert!(differs(errors, ERRORS, "| `queue_full` | 503 |", "| `queue_full` | 500 |"));
        assert!(differs(errors, ERRORS_FILE, "/// Our own mistake.\n", ""));
        assert!(differs(errors, ERRORS, BEGIN, ""));
        let metrics = metrics_are_those_of_the_code;
        assert!(differs(metrics, METRICS, "fly_llm_requests_running", "fly_llm_running"));
        assert!(differs(
            metrics,
            METRICS_FILE,
            "queue_pending: IntGaugeVec",
            "queue_p: IntGaugeVec"
        ));
        let (user, set) = ("workers/billing/src/lag.rs", "metrics.ledger_lag.");
        assert!(differs(metrics, user, set, "metrics.ledger_gap."));
    }

    #[test]
    fn what_is_declared_is_what_is_printed() {
        let metrics = infra::metrics::Metrics::new().map(|metrics| {
            metrics.ledger_applied_total.with_label_values(&["0"]).inc();
            metrics.text()
        });
        let text = metrics.unwrap_or_default();
        let all = declared(&Tree::read().text(METRICS_FILE));
        let metric = all.iter().find(|metric| metric.name == "ledger_applied_total").unwrap();
        let help = format!("# HELP fly_llm_{} {}", metric.name, metric.help);
        assert!(text.contains(&help) && text.contains("{partition=\"0\"} 1"), "{text}");
        assert_eq!(metric.labels, ["`partition`"]);
    }
}
