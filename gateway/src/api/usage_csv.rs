//! `GET /api/usage.csv`: the rows of `/api/usage` for a spreadsheet. No cell is what a spreadsheet
//! would take for a formula.

use super::asked::Query;
use super::error::ApiError;
use super::usage::{self, Scope, TOKEN_COUNTERS, UsageQuery};
use crate::state::Gateway;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use infra::store::balances::UsageRow;
use schemas::money::MicroUsd;
use std::sync::Arc;

/// What was used, by day, key and model.
pub(crate) async fn usage(
    State(gateway): State<Arc<Gateway>>,
    Query(query): Query<UsageQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Scope { account, key } = usage::scope(&gateway, &headers, query)?;
    let rows = usage::rows(&gateway, &account, key.as_ref()).await?;
    let kind = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"usage.csv\""),
    ];
    Ok((kind, table(&rows)).into_response())
}

fn table(rows: &[UsageRow]) -> String {
    let mut columns: Vec<String> = ["date", "key_id", "model", "requests"].map(Into::into).into();
    columns.extend(TOKEN_COUNTERS.map(|name| format!("{name}_tokens")));
    columns.extend(["total_tokens", "cost_usd", "cost_micro_usd"].map(Into::into));
    let mut text = line(&columns);
    for row in rows {
        let count = |name: &str| row.counters.get(name).copied().unwrap_or(0);
        let tokens = TOKEN_COUNTERS.map(count);
        let cost = MicroUsd(i64::try_from(count("cost")).unwrap_or(i64::MAX));
        let mut cells = vec![row.day.clone(), row.key.clone(), row.model.clone()];
        cells.push(count("requests").to_string());
        cells.extend(tokens.map(|count| count.to_string()));
        cells.push(tokens.iter().sum::<u64>().to_string());
        cells.extend([cost.to_string(), cost.0.to_string()]);
        text.push_str(&line(&cells));
    }
    text
}

fn line(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
    format!("{}\r\n", cells.join(","))
}

/// RFC 4180. A spreadsheet runs what begins with one of these signs, quoted or not; behind an
/// apostrophe it is text. A number never begins so here: no counter is negative.
fn escaped(cell: &str) -> String {
    let is_formula = cell.trim_start_matches(' ').starts_with(|sign: char| {
        matches!(sign, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠')
    });
    let text = if is_formula { format!("'{cell}") } else { cell.to_owned() };
    match text.contains([',', '"', '\r', '\n', '\t', ';']) || is_formula {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn no_cell_is_a_formula() {
        assert_eq!(escaped("gpt-4.1, mini"), "\"gpt-4.1, mini\"");
        assert_eq!(escaped("the \"best\""), "\"the \"\"best\"\"\"");
        assert_eq!(escaped("@cf/llama"), "\"'@cf/llama\"");
        assert_eq!(escaped("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        for start in ["=", "+", "-", "@", "\t", "\r", "\n", " =", "＝"] {
            assert!(escaped(&format!("{start}1+1")).starts_with("\"'"), "{start:?}");
        }
        assert_eq!(escaped("楽天"), "楽天");
    }

    #[test]
    fn a_row_has_a_cell_for_every_column() {
        let counters = [("requests", 2), ("input", 30), ("output", 15), ("cost", 60)];
        let counters: BTreeMap<String, u64> =
            counters.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        let row = UsageRow {
            day: "2026-11-25".into(),
            key: "key_1".into(),
            model: "fast".into(),
            counters,
        };
        let text = table(&[row]);
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert!(lines[0].starts_with("date,key_id,model,requests,input_tokens,cache_read_tokens,"));
        assert_eq!(lines[1], "2026-11-25,key_1,fast,2,30,0,0,15,0,45,0.00006,60");
        assert_eq!(lines[0].split(',').count(), lines[1].split(',').count());
    }
}
