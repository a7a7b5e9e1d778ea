//! The calls of the API: each that the documents name is a route of the gateway, and each route is
//! in the table of both READMEs. Routes are read from the files of the surfaces.

use crate::markdown::{blocks, prose, spans, tables};
use crate::tree::Tree;
use std::collections::BTreeSet;

const SURFACES: &str = "gateway/src/api";
/// Its routes are on the other port: they exist, and need no row.
const METRICS_ROUTER: &str = "gateway/src/api/health.rs";
/// The READMEs, and the header of their table of calls.
const READMES: [(&str, [&str; 3]); 2] = [
    ("README.md", ["call", "key", "what it does"]),
    ("README.ja.md", ["呼び出し", "キー", "内容"]),
];
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// A method in capitals and a path, with `{}` for what is filled in.
type Route = (String, String);

pub(crate) fn routes_exist_and_are_told(tree: &Tree) -> Vec<String> {
    let files = tree.rust_below(SURFACES).into_iter();
    let public: BTreeSet<Route> = files
        .filter(|file| file != METRICS_ROUTER)
        .flat_map(|file| routes(&tree.text(&file)))
        .collect();
    let mut all = public.clone();
    all.extend(routes(&tree.text(METRICS_ROUTER)));
    let mut found = Vec::new();
    for (path, text) in tree.documents() {
        for (place, route) in named(&path, &text) {
            let matches = |known: &Route| {
                (route.0.is_empty() || known.0 == route.0) && fits(&known.1, &route.1)
            };
            if !all.iter().any(matches) {
                found.push(format!("{place}: there is no {} {}", route.0, route.1));
            }
        }
    }
    for (readme, header) in READMES {
        let rows = tables(&tree.text(readme), &header);
        let told: BTreeSet<Route> = rows
            .iter()
            .flatten()
            .flat_map(|row| row.spans(0))
            .filter_map(|span| split(&span))
            .collect();
        let is_told = |route: &&Route| {
            told.iter().any(|known| known.0 == route.0 && fits(&route.1, &known.1))
        };
        for route in public.iter().filter(|route| !is_told(route)) {
            found.push(format!("{readme}: tell {} {} in the table", route.0, route.1));
        }
    }
    found
}

/// The description that the program gives of itself has every route and no other.
pub(crate) fn openapi_is_whole(tree: &Tree) -> Vec<String> {
    let files = tree.rust_below(SURFACES).into_iter();
    let real: BTreeSet<Route> = files
        .filter(|file| file != METRICS_ROUTER)
        .flat_map(|file| routes(&tree.text(&file)))
        .map(|(method, path)| (method, path.replace("{*", "{")))
        .collect();
    let description = gateway::openapi();
    let mut told = BTreeSet::new();
    for (path, methods) in description["paths"].as_object().into_iter().flatten() {
        for (method, _) in methods.as_object().into_iter().flatten() {
            told.insert((method.to_uppercase(), path.clone()));
        }
    }
    let missing = real.difference(&told).map(|(method, path)| format!("tell {method} {path}"));
    let foreign =
        told.difference(&real).map(|(method, path)| format!("there is no {method} {path}"));
    missing.chain(foreign).map(|what| format!("/openapi.json: {what}")).collect()
}

fn routes(text: &str) -> Vec<Route> {
    let joined: String = text.split_whitespace().collect();
    let mut routes = Vec::new();
    for rest in joined.split(".route(\"").skip(1) {
        let Some((path, handlers)) = rest.split_once('"') else { continue };
        let handlers = inside(handlers);
        for method in METHODS {
            let call = format!("{method}(");
            let starts = [format!(",{call}"), format!(").{call}")];
            if starts.iter().any(|start| handlers.contains(start.as_str())) {
                routes.push((method.to_uppercase(), path.to_owned()));
            }
        }
    }
    routes
}

/// What stands before the parenthesis that closes the route.
fn inside(handlers: &str) -> &str {
    let mut depth = 0usize;
    for (offset, letter) in handlers.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' if depth == 0 => return handlers.get(..offset).unwrap_or_default(),
            ')' => depth -= 1,
            _ => {}
        }
    }
    handlers
}

/// Whether a path that was told is this route.
fn fits(route: &str, told: &str) -> bool {
    let open =
        |part: &str| part.starts_with('{') || part.chars().all(|c| c.is_uppercase() || c == '_');
    let (route, told): (Vec<_>, Vec<_>) = (route.split('/').collect(), told.split('/').collect());
    route.len() == told.len()
        && route.iter().zip(&told).all(|(a, b)| a == b || (a.starts_with('{') && open(b)))
}

/// `GET /path?x=`; the method is empty when none is told.
fn split(text: &str) -> Option<Route> {
    let (method, path) = match text.split_once(' ') {
        Some((method, path)) if METHODS.contains(&method.to_lowercase().as_str()) => (method, path),
        Some(_) => return None,
        None => ("", text),
    };
    let path = path.split('?').next().unwrap_or_default();
    let starts = [
        "/v1/",
        "/openapi.json",
        "/api/",
        "/checkout/",
        "/webhooks/",
        "/assets/",
        "/health",
        "/ready",
        "/metrics",
    ];
    let is_call = starts.iter().any(|start| path.starts_with(start));
    is_call.then(|| (method.to_owned(), path.to_owned()))
}

/// All calls that a document names, in spans and in commands.
fn named(path: &str, text: &str) -> Vec<(String, Route)> {
    let mut named = Vec::new();
    for (number, line) in prose(text) {
        let place = format!("{path}:{number}");
        named.extend(spans(line).into_iter().filter_map(split).map(|route| (place.clone(), route)));
    }
    for block in blocks(text).iter().filter(|block| block.language == "sh") {
        let joined = block.text.replace("\\\n", " ");
        for line in joined.lines().filter(|line| line.starts_with("curl ")) {
            let url = line.split("http://").nth(1).and_then(|url| url.split([' ', '"']).next());
            let call = url.and_then(|url| url.split_once('/')).map(|(_, path)| format!("/{path}"));
            let route = call.as_deref().and_then(split);
            let said = line.split(" -X ").nth(1).and_then(|rest| rest.split(' ').next());
            let method = said.unwrap_or(if line.contains(" -d ") { "POST" } else { "GET" });
            let place = format!("{path}:{}", block.line);
            named.extend(route.map(|route| (place, (method.to_owned(), route.1))));
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found;

    #[test]
    fn a_call_that_is_not_there_is_found() {
        let check = routes_exist_and_are_told;
        let planted = |from: &str, to: &str| found(check, "README.md", from, to).len();
        assert_eq!(planted("`GET /api/credits`", "`GET /api/credit`"), 2);
        assert_eq!(planted("| `POST /api/keys` |", "| `GET /api/keys` |"), 1);
        assert_eq!(planted("curl -X DELETE http://", "curl http://"), 1);
        assert_eq!(planted("/v1/chat/completions \\", "/v1/complete \\"), 1);
    }

    #[test]
    fn a_route_that_the_description_lacks_is_found() {
        let (health, more) = ("\"/health\", get(", "\"/v1/moderations\", post(");
        let found = found(openapi_is_whole, "gateway/src/api/mod.rs", health, more);
        let expected = ["tell POST /v1/moderations", "there is no GET /health"];
        assert_eq!(found, expected.map(|what| format!("/openapi.json: {what}")));
    }

    #[test]
    fn a_route_that_is_not_told_is_found() {
        let (health, more) = ("\"/health\", get(", "\"/v1/moderations\", post(");
        let found = found(routes_exist_and_are_told, "gateway/src/api/mod.rs", health, more);
        assert!(found.iter().any(|line| line.contains("tell POST /v1/moderations")), "{found:?}");
    }
}
