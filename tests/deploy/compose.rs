//! docker-compose.yml as Docker Compose reads it: variables filled in, one value for each service.
//! Only what our file uses is understood; anything else is refused, so that nothing is overlooked.

use crate::files;
use serde_json::Value;
use std::collections::BTreeMap;

/// The file.
pub(crate) const FILE: &str = "docker-compose.yml";

/// Variables as .env gives them.
pub(crate) type Variables = BTreeMap<String, String>;

/// What a service may say here.
const KNOWN: [&str; 19] = [
    "image",
    "build",
    "command",
    "environment",
    "volumes",
    "healthcheck",
    "depends_on",
    "deploy",
    "ports",
    "profiles",
    "restart",
    "init",
    "read_only",
    "cap_drop",
    "security_opt",
    "stop_grace_period",
    "logging",
    "user",
    "entrypoint",
];

/// One service, with its variables filled in.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) image: String,
    /// The target of the Dockerfile, for an image of ours.
    pub(crate) target: Option<String>,
    pub(crate) command: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    /// Where something lies outside, and where the container sees it.
    pub(crate) volumes: Vec<(String, String)>,
    /// What is run to see whether it is well.
    pub(crate) health: Option<Vec<String>>,
    /// Whom it waits for, and for what.
    pub(crate) waits_for: Vec<(String, String)>,
    pub(crate) replicas: usize,
    pub(crate) ports: Vec<String>,
    pub(crate) profiles: Vec<String>,
    /// As it stands in the file.
    pub(crate) raw: Value,
}

/// All services.
pub(crate) fn services(variables: &Variables) -> BTreeMap<String, Service> {
    let file = files::yaml(FILE);
    let services = file["services"].as_object().expect("services");
    let service = |(name, raw): (&String, &Value)| (name.clone(), service(name, raw, variables));
    services.iter().map(service).collect()
}

fn service(name: &str, raw: &Value, variables: &Variables) -> Service {
    for key in raw.as_object().expect("a service").keys() {
        assert!(KNOWN.contains(&key.as_str()), "{name}: this test doesn't know {key}");
    }
    let fill = |text: &str| filled(text, variables);
    let list = |key: &str| match &raw[key] {
        Value::Null => Vec::new(),
        list => files::words(list).iter().map(|word| fill(word)).collect(),
    };
    let environment = raw["environment"].as_object().into_iter().flatten();
    let health = &raw["healthcheck"]["test"];
    let waits_for = match &raw["depends_on"] {
        Value::Object(named) => named
            .iter()
            .map(|(name, how)| (name.clone(), how["condition"].as_str().unwrap().to_owned()))
            .collect(),
        Value::Array(_) => {
            list("depends_on").into_iter().map(|name| (name, "service_started".into())).collect()
        }
        _ => Vec::new(),
    };
    let volumes = list("volumes").into_iter().map(|volume| {
        let mut parts = volume.split(':');
        let (outside, inside) = (parts.next().unwrap(), parts.next().expect("a place inside"));
        (outside.to_owned(), inside.to_owned())
    });
    Service {
        name: name.to_owned(),
        image: fill(raw["image"].as_str().expect("an image")),
        target: raw["build"]["target"].as_str().map(str::to_owned),
        command: list("command"),
        environment: environment
            .map(|(name, value)| (name.clone(), fill(value.as_str().expect("a text"))))
            .collect(),
        volumes: volumes.collect(),
        health: health.is_array().then(|| files::words(health)),
        waits_for,
        replicas: raw["deploy"]["replicas"].as_u64().unwrap_or(1).try_into().unwrap(),
        ports: list("ports"),
        profiles: list("profiles"),
        raw: raw.clone(),
    }
}

/// Fills in `${NAME}`, `${NAME:-default}` and `${NAME:?message}`; `$$` is a `$`.
pub(crate) fn filled(text: &str, variables: &Variables) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let inside = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let (inside, after) = inside.unwrap_or_else(|| panic!("{text}: write ${{NAME}} or $$"));
        let split = inside.find(':').unwrap_or(inside.len());
        let (name, otherwise) = inside.split_at(split);
        let value = variables.get(name).filter(|value| !value.is_empty());
        match (value, otherwise.get(..2)) {
            (Some(value), _) => out.push_str(value),
            (None, Some(":-")) => out.push_str(&otherwise[2..]),
            (None, Some(":?")) => panic!("{name} is not set: {}", &otherwise[2..]),
            (None, _) => panic!("{name} has neither a value nor a default"),
        }
        rest = after;
    }
    out + rest
}

#[test]
fn variables_are_filled_in_as_compose_does() {
    let variables = Variables::from([("A".into(), "x".into()), ("EMPTY".into(), String::new())]);
    assert_eq!(filled("${A}-${B:-y}-${EMPTY:-z}-$$C", &variables), "x-y-z-$C");
    let missing = std::panic::catch_unwind(|| filled("${B:?say so}", &Variables::new()));
    assert!(missing.is_err());
}
