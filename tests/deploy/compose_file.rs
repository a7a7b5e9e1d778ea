//! docker-compose.yml against the code: its commands can be read, its users are those of nats.conf,
//! its variables exist, and nobody is given a secret that it doesn't need.

use crate::command_line::Command;
use crate::compose::{self, Service, Variables};
use crate::files;
use infra::config::Config;
use infra::environment::Environment;
use std::collections::{BTreeMap, BTreeSet};

/// What a service is given must be among these, service by service: who has a key can lose it.
const SECRETS: [(&str, &[&str]); 11] = [
    ("OPENAI_API_KEY", &["provider"]),
    ("ANTHROPIC_API_KEY", &["provider"]),
    ("ADMIN_API_KEY", &["gateway"]),
    ("STRIPE_SECRET_KEY", &["billing", "gateway"]),
    ("STRIPE_WEBHOOK_SECRET", &["billing", "gateway"]),
    ("NATS_PASSWORD", &["nats", "streams", "tools"]),
    ("NATS_GATEWAY_PASSWORD", &["gateway", "nats"]),
    ("NATS_CLOUD_PASSWORD", &["nats", "provider"]),
    ("NATS_RAKUTEN_PASSWORD", &["nats", "rakuten"]),
    ("NATS_BILLING_PASSWORD", &["billing", "nats"]),
    ("REDIS_PASSWORD", &["billing", "gateway", "redis", "streams", "tools"]),
];

/// Every variable of .env.sample, each with a value that can be recognised.
fn sample() -> Variables {
    let text = files::text(".env.sample");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    let told = |name: &str, value: &str| match value {
        "" => format!("value-of-{name}"),
        value => value.to_owned(),
    };
    pairs.map(|(name, value)| (name.to_owned(), told(name, value))).collect()
}

fn services() -> BTreeMap<String, Service> {
    compose::services(&sample())
}

fn ours() -> Vec<Service> {
    services().into_values().filter(|service| service.target.is_some()).collect()
}

#[test]
fn every_role_is_there_and_its_command_can_be_read() {
    let mut roles = BTreeSet::new();
    for service in ours() {
        let command = files::parsed(&service.command);
        let role = match (command.role(), &command) {
            (Some(role), _) => role,
            (None, Command::Streams(_)) => "streams",
            (None, Command::Ledger(_)) => "tools",
            (None, other) => panic!("{}: {other:?} is no service", service.name),
        };
        assert_eq!(role, service.name, "a service is called as its role");
        roles.insert(role);
    }
    let all = ["billing", "gateway", "provider", "rakuten", "streams", "tools"];
    assert_eq!(roles, BTreeSet::from(all));
    assert_eq!(services()["gateway"].replicas, 2);
    assert_eq!(services()["rakuten"].target.as_deref(), Some("rakuten"));
}

#[test]
fn what_the_program_is_given_it_reads() {
    let known = files::variables();
    for service in ours() {
        for name in service.environment.keys() {
            assert!(known.contains(name), "{}: the program doesn't read {name}", service.name);
        }
        let config = files::flag(&service.command, "--config");
        let mounted = service.volumes.iter().any(|(_, inside)| Some(inside.as_str()) == config);
        assert!(mounted || service.name == "tools", "{}: its config is not there", service.name);
    }
    let nats = files::references(&files::text("nats.conf"));
    let given: Vec<String> = services()["nats"].environment.keys().cloned().collect();
    let users: Vec<String> = nats.into_iter().filter(|name| name.starts_with("NATS_")).collect();
    assert_eq!(given.iter().collect::<BTreeSet<_>>(), users.iter().collect::<BTreeSet<_>>());
}

#[test]
fn variables_of_the_file_are_in_the_sample() {
    let sample = sample();
    for name in files::references(&files::text(compose::FILE)) {
        assert!(sample.contains_key(&name), "{name}");
    }
}

#[test]
fn nobody_has_a_secret_that_it_does_not_need() {
    let services = services();
    for (name, allowed) in SECRETS {
        let secret = &sample()[name];
        let holds = |service: &&Service| {
            let values = service.environment.values().chain(&service.command);
            values.into_iter().any(|value| value.contains(secret))
        };
        let holders: Vec<&str> =
            services.values().filter(holds).map(|service| service.name.as_str()).collect();
        assert_eq!(holders, allowed, "{name}");
        let in_command = |service: &Service| service.command.iter().any(|w| w.contains(secret));
        assert!(!services.values().any(in_command), "{name} would be seen in the process list");
    }
}

#[test]
fn each_role_has_the_user_of_its_own_in_nats() {
    let conf = files::text("nats.conf");
    let users = [
        ("gateway", "gateway"),
        ("provider", "worker-cloud"),
        ("rakuten", "worker-rakuten"),
        ("billing", "billing"),
        ("streams", "fly-llm"),
    ];
    for (service, user) in users {
        let url = services()[service].environment["NATS_URL"].clone();
        assert!(url.starts_with(&format!("nats://{user}:")), "{service}: {url}");
        assert!(url.ends_with("@nats:4222"), "{service}: {url}");
        assert!(user == "fly-llm" || conf.contains(&format!("{{user: {user},")), "{user}");
    }
}

#[test]
fn health_is_asked_where_the_metrics_are() {
    for service in ours().iter().filter(|service| service.health.is_some()) {
        let health = service.health.clone().unwrap();
        assert_eq!(health[..2], ["CMD", "fly-llm"], "{}", service.name);
        assert!(matches!(files::parsed(&health[2..]), Command::Healthcheck { .. }));
        let listens = files::flag(&service.command, "--metrics-listen").unwrap();
        let port = listens.rsplit_once(':').unwrap().1;
        assert!(health[3].contains(&format!(":{port}/ready")), "{}: {health:?}", service.name);
    }
    let with: Vec<_> = ours().into_iter().filter(|s| s.health.is_some()).map(|s| s.name).collect();
    assert_eq!(with, ["billing", "gateway", "provider", "rakuten"]);
}

#[test]
fn only_the_api_is_published_and_only_here() {
    for service in services().into_values() {
        for port in &service.ports {
            assert!(port.starts_with("127.0.0.1:"), "{}: {port} is open to all", service.name);
            assert!(!port.ends_with(":9464"), "{}: counters are nobody's business", service.name);
        }
        let open = ["gateway", "prometheus", "grafana"].contains(&service.name.as_str());
        assert_eq!(open, !service.ports.is_empty(), "{}", service.name);
    }
}

#[test]
fn our_services_have_no_rights_and_time_to_end() {
    let config = Config::load(None, &Environment::default()).unwrap();
    let of_gateway = config.gateway.leave_notice_seconds + config.gateway.drain_seconds_max;
    let drain = of_gateway.max(config.workers.drain_seconds_max);
    for service in ours() {
        let raw = &service.raw;
        assert_eq!(raw["read_only"], true, "{}", service.name);
        assert_eq!(raw["cap_drop"][0], "ALL", "{}", service.name);
        assert_eq!(raw["security_opt"][0], "no-new-privileges:true", "{}", service.name);
        let grace = raw["stop_grace_period"].as_str().unwrap().trim_end_matches('s');
        assert!(grace.parse::<u64>().unwrap() > drain, "{}: {grace} s", service.name);
    }
}

#[test]
fn what_is_waited_for_is_there() {
    let services = services();
    for service in services.values() {
        for (name, condition) in &service.waits_for {
            let other = &services[name];
            match condition.as_str() {
                "service_healthy" => assert!(other.health.is_some(), "{name} has no health"),
                "service_completed_successfully" => {
                    assert_eq!(other.raw["restart"], "no", "{name}");
                }
                "service_started" => {}
                other => panic!("{name}: {other}"),
            }
        }
    }
    let volumes = files::yaml(compose::FILE)["volumes"].clone();
    for (outside, inside) in services.values().flat_map(|service| &service.volumes) {
        let there = match outside.strip_prefix("./") {
            Some(path) => files::root(path).exists(),
            None => volumes.as_object().unwrap().contains_key(outside),
        };
        assert!(there, "{outside} (for {inside}) is nowhere");
    }
}

#[test]
fn redis_keeps_what_it_is_told() {
    let command = services()["redis"].command.join(" ");
    for setting in [
        "--appendonly yes",
        "--appendfsync everysec",
        "--maxmemory-policy noeviction",
        "--auto-aof-rewrite-min-size 256mb --auto-aof-rewrite-percentage 200",
        "--rdbcompression no --zset-max-ziplist-entries 32",
        "--requirepass \"$REDIS_PASSWORD\"",
    ] {
        assert!(command.contains(setting), "{setting}: {command}");
    }
}
