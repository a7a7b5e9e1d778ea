//! Alerts and dashboard: every query can be read, and names only metrics, labels and label values
//! that the code has. Every metric of the code is shown somewhere.

use crate::files;
use promql_parser::label::MatchOp;
use promql_parser::parser::{Expr, LabelModifier, VectorSelector, parse};
use promql_parser::util::{ExprVisitor, walk_expr};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

const RULES: &str = "deploy/prometheus/rules.yml";
const DASHBOARD: &str = "deploy/grafana/dashboards/fly-llm.json";

/// Labels that Prometheus adds, and that prometheus.yml does.
const ADDED_LABELS: [&str; 4] = ["job", "instance", "le", "role"];

/// A query and where it stands.
struct Query {
    place: String,
    text: String,
}

fn alerts() -> Vec<Query> {
    let file = files::yaml(RULES);
    let groups = file["groups"].as_array().unwrap().clone();
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone());
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    rules.map(|rule| Query { place: text(&rule["alert"]), text: text(&rule["expr"]) }).collect()
}

fn panels() -> Vec<Value> {
    let file: Value = serde_json::from_str(&files::text(DASHBOARD)).unwrap();
    file["panels"].as_array().unwrap().clone()
}

fn shown() -> Vec<Query> {
    let mut queries = Vec::new();
    for panel in panels() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let text = target["expr"].as_str().unwrap().replace("$__rate_interval", "5m");
            queries.push(Query { place: panel["title"].as_str().unwrap().to_owned(), text });
        }
    }
    queries
}

/// What workers are scaled by.
fn scaling() -> Vec<Query> {
    let mut queries = Vec::new();
    for resource in crate::kubernetes::resources() {
        for trigger in resource["spec"]["triggers"].as_array().into_iter().flatten() {
            if let Some(query) = trigger["metadata"]["query"].as_str() {
                let place = format!("scaling of {}", resource["metadata"]["name"]);
                queries.push(Query { place, text: query.to_owned() });
            }
        }
    }
    assert_eq!(queries.len(), 2);
    queries
}

/// Every metric with its labels, from the table that is made from the code. Histograms have three
/// names.
fn metrics() -> BTreeMap<String, BTreeSet<String>> {
    let mut metrics = BTreeMap::new();
    let table = files::text("docs/metrics.md");
    for row in table.lines().filter(|line| line.starts_with("| `fly_llm_")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`');
        let labels: BTreeSet<String> =
            cells[3].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let endings: &[&str] =
            if cells[2] == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        for end in endings {
            metrics.insert(format!("{name}{end}"), labels.clone());
        }
    }
    assert!(metrics.len() > 30, "the table of docs/metrics.md can't be read any more");
    metrics.insert("up".to_owned(), BTreeSet::new());
    metrics
}

/// What a query names.
#[derive(Default)]
struct Named {
    selectors: Vec<VectorSelector>,
    grouped: Vec<String>,
}

impl ExprVisitor for Named {
    type Error = Infallible;

    fn pre_visit(&mut self, expression: &Expr) -> Result<bool, Infallible> {
        match expression {
            Expr::VectorSelector(selector) => self.selectors.push(selector.clone()),
            Expr::MatrixSelector(matrix) => self.selectors.push(matrix.vs.clone()),
            Expr::Aggregate(aggregate) => match &aggregate.modifier {
                Some(LabelModifier::Include(labels) | LabelModifier::Exclude(labels)) => {
                    self.grouped.extend(labels.labels.iter().cloned());
                }
                None => {}
            },
            _ => {}
        }
        Ok(true)
    }
}

fn named(query: &Query) -> Named {
    let parsed = parse(&query.text);
    let parsed = parsed.unwrap_or_else(|error| panic!("{}: {error}: {}", query.place, query.text));
    let mut named = Named::default();
    let Ok(whole) = walk_expr(&mut named, &parsed);
    assert!(whole && !named.selectors.is_empty(), "{}: names nothing", query.place);
    named
}

/// Every text in quotes of the code that sets labels.
fn quoted() -> BTreeSet<String> {
    let (mut texts, mut folders) = (BTreeSet::new(), Vec::new());
    folders.extend(["gateway/src", "workers", "schemas/src", "infra/src"].map(files::root));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(path).unwrap();
                texts.extend(text.split('"').map(str::to_owned));
            }
        }
    }
    texts
}

/// What a query names and the code doesn't have.
fn unknown(
    query: &Query,
    metrics: &BTreeMap<String, BTreeSet<String>>,
    values: &BTreeSet<String>,
) -> Vec<String> {
    let Named { selectors, grouped } = named(query);
    let mut found = Vec::new();
    let mut labels: BTreeSet<&str> = ADDED_LABELS.into();
    for selector in &selectors {
        let name = selector.name.clone().unwrap_or_default();
        let Some(own) = metrics.get(&name) else {
            found.push(format!("{}: there is no metric {name}", query.place));
            continue;
        };
        labels.extend(own.iter().map(String::as_str));
        for matcher in &selector.matchers.matchers {
            let known = own.contains(&matcher.name) || ADDED_LABELS.contains(&&*matcher.name);
            if !known {
                found.push(format!("{}: {name} has no label {}", query.place, matcher.name));
            }
            let wanted: Vec<&str> = match matcher.op {
                MatchOp::Re(_) | MatchOp::NotRe(_) => matcher.value.split('|').collect(),
                MatchOp::Equal | MatchOp::NotEqual => vec![&matcher.value],
            };
            // Pools are names of the configuration.
            let own_label = own.contains(&matcher.name) && matcher.name != "pool";
            for value in wanted.into_iter().filter(|value| own_label && !values.contains(*value)) {
                found.push(format!("{}: {} is never {value}", query.place, matcher.name));
            }
        }
    }
    let strange = grouped.iter().filter(|label| !labels.contains(label.as_str()));
    found.extend(strange.map(|label| format!("{}: nobody has a label {label}", query.place)));
    found
}

#[test]
fn queries_name_only_what_there_is() {
    let (metrics, values) = (metrics(), quoted());
    let queries: Vec<Query> = alerts().into_iter().chain(shown()).chain(scaling()).collect();
    assert!(queries.len() > 40, "{} queries", queries.len());
    let found: Vec<String> =
        queries.iter().flat_map(|query| unknown(query, &metrics, &values)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_query_that_names_nothing_real_is_found() {
    let (metrics, values) = (metrics(), quoted());
    let wrong = |text: &str| {
        let query = Query { place: "planted".into(), text: text.into() };
        unknown(&query, &metrics, &values).len()
    };
    assert_eq!(wrong("sum by (code) (rate(fly_llm_requests_total[5m]))"), 0);
    assert_eq!(wrong("sum by (code) (rate(fly_llm_request_total[5m]))"), 2);
    assert_eq!(wrong("fly_llm_request_seconds"), 1);
    assert_eq!(wrong("fly_llm_requests_total{kode=\"ok\"}"), 1);
    assert_eq!(wrong("fly_llm_requests_total{code=~\"internal_error|internal_eror\"}"), 1);
    assert_eq!(wrong("sum by (pol) (fly_llm_workers)"), 1);
    assert!(std::panic::catch_unwind(|| wrong("sum by (code (fly_llm_requests_total)")).is_err());
}

#[test]
fn every_metric_is_shown_or_watched() {
    let all: String = alerts().into_iter().chain(shown()).map(|query| query.text + "\n").collect();
    let is_named = |name: &str| {
        let parts = all.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        parts.into_iter().any(|part| part == name)
    };
    let one_of_three = |name: &str| !name.ends_with("_sum") && !name.ends_with("_count");
    let metrics = metrics();
    let missing: Vec<&String> =
        metrics.keys().filter(|name| one_of_three(name) && !is_named(name)).collect();
    assert!(missing.is_empty(), "on no panel and in no alert: {missing:?}");
}

#[test]
fn alerts_say_how_bad_it_is_and_what_to_do() {
    let file = files::yaml(RULES);
    let mut names = BTreeSet::new();
    for rule in file["groups"][0]["rules"].as_array().unwrap() {
        let name = rule["alert"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "{name} stands twice");
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning"].contains(&severity), "{name}: {severity}");
        for part in ["summary", "action"] {
            let text = rule["annotations"][part].as_str().unwrap();
            assert!(text.contains(" / "), "{name}: {part} in both languages");
        }
        let known = ["alert", "expr", "for", "labels", "annotations"];
        for key in rule.as_object().unwrap().keys() {
            assert!(known.contains(&key.as_str()), "{name}: Prometheus knows no {key}");
        }
    }
}

#[test]
fn panels_lie_side_by_side_and_read_our_prometheus() {
    let source = files::yaml("deploy/grafana/provisioning/datasources/prometheus.yml");
    let source = &source["datasources"][0];
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in panels() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let place = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(x < 24 && taken.insert((x, y)), "{} lies on another", panel["title"]);
            }
        }
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], source["uid"], "{}", panel["title"]);
        }
    }
    let compose = files::yaml("docker-compose.yml");
    assert!(compose["services"]["prometheus"].is_object());
    assert_eq!(source["url"], "http://prometheus:9090");
    let provider = files::yaml("deploy/grafana/provisioning/dashboards/fly-llm.yml");
    let folder = provider["providers"][0]["options"]["path"].as_str().unwrap();
    let mounted = files::words(&compose["services"]["grafana"]["volumes"]);
    let dashboards = format!("./deploy/grafana/dashboards:{folder}:ro");
    assert!(mounted.contains(&dashboards), "{mounted:?}");
}

#[test]
fn prometheus_reads_every_role_where_it_listens() {
    let file = files::yaml("deploy/prometheus/prometheus.yml");
    let found = &file["scrape_configs"][0]["dns_sd_configs"][0];
    let mut names = files::words(&found["names"]);
    names.sort();
    let compose = files::yaml("docker-compose.yml");
    let services = compose["services"].as_object().unwrap();
    let mut roles = Vec::new();
    for (name, service) in services.iter().filter(|(_, service)| service["command"].is_array()) {
        let command = files::words(&service["command"]);
        if let Some(listens) = files::flag(&command, "--metrics-listen") {
            assert!(listens.ends_with(&format!(":{}", found["port"])), "{name}: {listens}");
            roles.push(name.clone());
        }
    }
    roles.sort();
    assert_eq!(names, roles);
}
