//! The manifests for Kubernetes: commands that the program reads, probes and ports that agree,
//! secrets that exist and go only where they are needed, and scaling by metrics that there are.

use crate::command_line::Command;
use crate::files;
use schemas::subjects;
use serde_json::Value;
use std::collections::BTreeSet;

const FOLDER: &str = "deploy/kubernetes";

/// Kinds with their API, as this version of Kubernetes and KEDA has them.
const KINDS: [(&str, &str); 11] = [
    ("Namespace", "v1"),
    ("Secret", "v1"),
    ("Service", "v1"),
    ("Deployment", "apps/v1"),
    ("StatefulSet", "apps/v1"),
    ("Job", "batch/v1"),
    ("PodDisruptionBudget", "policy/v1"),
    ("NetworkPolicy", "networking.k8s.io/v1"),
    ("ScaledObject", "keda.sh/v1alpha1"),
    ("Kustomization", "kustomize.config.k8s.io/v1beta1"),
    ("ConfigMap", "v1"),
];

/// What the manifests are made of, in the order in which they are applied.
pub(crate) fn resources() -> Vec<Value> {
    let index = files::yaml(&format!("{FOLDER}/kustomization.yaml"));
    let mut resources = vec![index.clone()];
    for file in files::words(&index["resources"]) {
        let path = format!("{FOLDER}/{file}");
        let text = files::text(&path);
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        resources.extend(documents.into_iter().filter(|document| !document.is_null()));
    }
    resources
}

fn of_kind(kinds: &[&str]) -> Vec<Value> {
    let is = |value: &Value| kinds.contains(&value["kind"].as_str().unwrap());
    resources().into_iter().filter(is).collect()
}

fn name(resource: &Value) -> &str {
    resource["metadata"]["name"].as_str().unwrap()
}

/// The containers of everything that runs, with the pod that they are in.
fn containers() -> Vec<(Value, Value)> {
    let all = of_kind(&["Deployment", "StatefulSet", "Job"]);
    let pod = |resource: Value| resource["spec"]["template"]["spec"].clone();
    let pods = all.into_iter().map(pod);
    pods.flat_map(|pod| {
        let containers = pod["containers"].as_array().unwrap().clone();
        containers.into_iter().map(move |container| (container, pod.clone()))
    })
    .collect()
}

fn ours() -> Vec<(Value, Value)> {
    let is_ours = |image: &str| image.starts_with("fly-llm:");
    containers().into_iter().filter(|(c, _)| is_ours(c["image"].as_str().unwrap())).collect()
}

#[test]
fn every_resource_is_of_a_known_kind_and_listed() {
    for resource in resources() {
        let (kind, version) = (resource["kind"].as_str().unwrap(), &resource["apiVersion"]);
        let known = KINDS.iter().find(|(known, _)| *known == kind);
        assert_eq!(known.map(|(_, version)| *version), version.as_str(), "{kind}");
        let is_inside = !["Kustomization", "Namespace"].contains(&kind);
        assert!(!is_inside || resource["metadata"]["namespace"] == "fly-llm", "{resource}");
    }
    let listed = files::words(&files::yaml(&format!("{FOLDER}/kustomization.yaml"))["resources"]);
    let there: BTreeSet<String> = std::fs::read_dir(files::root(FOLDER))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        // The two are copied there to be applied.
        .filter(|file| !["kustomization.yaml", "config.yaml", "nats.conf"].contains(&&**file))
        .collect();
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), there);
}

#[test]
fn commands_can_be_read_and_probes_ask_where_they_listen() {
    let mut roles = Vec::new();
    for (container, _) in ours() {
        let arguments = files::words(&container["args"]);
        let command = files::parsed(&arguments);
        let name = container["name"].as_str().unwrap();
        match (command.role(), &command) {
            (Some(role), _) => assert_eq!(role, name),
            (None, Command::Streams(_)) => continue,
            (None, other) => panic!("{name}: {other:?}"),
        }
        roles.push(name.to_owned());
        let listens = files::flag(&arguments, "--metrics-listen").unwrap();
        let ports = container["ports"].as_array().unwrap();
        let port = ports.iter().find(|port| port["name"] == "metrics").unwrap();
        assert_eq!(listens, format!("0.0.0.0:{}", port["containerPort"]));
        for (probe, path) in [("readinessProbe", "/ready"), ("livenessProbe", "/health")] {
            let get = &container[probe]["httpGet"];
            assert_eq!((&get["path"], &get["port"]), (&path.into(), &"metrics".into()), "{name}");
        }
        let rakuten = if name == "rakuten" { "fly-llm:rakuten" } else { "fly-llm:gateway" };
        assert_eq!(container["image"], rakuten);
    }
    roles.sort();
    assert_eq!(roles, ["billing", "gateway", "provider", "rakuten"]);
}

#[test]
fn containers_have_no_rights_and_time_to_end() {
    let gateway = &files::yaml("config.yaml")["gateway"];
    let seconds = |name: &str| gateway[name].as_u64().unwrap();
    let drain = seconds("leave_notice_seconds") + seconds("drain_seconds_max");
    for (container, pod) in ours() {
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false, "{container}");
        assert_eq!(context["readOnlyRootFilesystem"], true, "{container}");
        assert_eq!(context["capabilities"]["drop"][0], "ALL", "{container}");
        if container["name"] != "streams" {
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{container}");
            assert_eq!(pod["securityContext"]["runAsUser"], 65532, "{container}");
            assert_eq!(pod["automountServiceAccountToken"], false, "{container}");
            let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
            assert!(grace > drain, "{container}");
        }
    }
}

#[test]
fn secrets_exist_and_go_where_they_are_needed() {
    let secret = of_kind(&["Secret"]).remove(0);
    let empty = secret["stringData"].as_object().unwrap();
    assert!(empty.values().all(|value| value == ""), "no secret stands in the repository");
    // An empty password lets everybody in, so these are absent: a pod that needs one doesn't start.
    let text = files::text(&format!("{FOLDER}/secret.yaml"));
    let absent = text.lines().filter_map(|line| line.strip_prefix("  # ")?.strip_suffix(':'));
    let absent: BTreeSet<&str> = absent.collect();
    for name in ["NATS_PASSWORD", "NATS_GATEWAY_PASSWORD", "REDIS_PASSWORD", "ADMIN_API_KEY"] {
        assert!(absent.contains(name), "{name} would be empty");
    }
    let known: BTreeSet<&str> = absent.into_iter().chain(empty.keys().map(|key| &**key)).collect();
    let allowed = |secret: &str| match secret {
        "OPENAI_API_KEY" | "ANTHROPIC_API_KEY" => vec!["provider"],
        "ADMIN_API_KEY" => vec!["gateway"],
        "STRIPE_SECRET_KEY" | "STRIPE_WEBHOOK_SECRET" => vec!["gateway", "billing"],
        "NATS_PASSWORD" => vec!["nats", "streams"],
        "NATS_GATEWAY_PASSWORD" => vec!["nats", "gateway"],
        "NATS_CLOUD_PASSWORD" => vec!["nats", "provider"],
        "NATS_RAKUTEN_PASSWORD" => vec!["nats", "rakuten"],
        "NATS_BILLING_PASSWORD" => vec!["nats", "billing"],
        "REDIS_PASSWORD" => vec!["redis", "streams", "gateway", "billing"],
        other => panic!("who needs {other}?"),
    };
    let mut given = BTreeSet::new();
    for (container, _) in containers() {
        let name = container["name"].as_str().unwrap();
        let mut before = BTreeSet::new();
        for variable in container["env"].as_array().unwrap() {
            if let Some(key) = variable["valueFrom"]["secretKeyRef"]["key"].as_str() {
                assert_eq!(variable["valueFrom"]["secretKeyRef"]["name"], "fly-llm");
                assert!(known.contains(key), "{name}: there is no secret {key}");
                assert!(allowed(key).contains(&name), "{name} doesn't need {key}");
                given.insert((key.to_owned(), name.to_owned()));
            }
            // `$(NAME)` is filled in only when NAME stands before it.
            let value = variable["value"].as_str().unwrap_or_default();
            for part in value.split("$(").skip(1) {
                let used = part.split(')').next().unwrap();
                assert!(before.contains(used), "{name}: {used} is not known there");
            }
            before.insert(variable["name"].as_str().unwrap().to_owned());
        }
    }
    let wanted = known
        .into_iter()
        .flat_map(|key| allowed(key).into_iter().map(|name| (key.to_owned(), name.to_owned())));
    assert_eq!(given, wanted.collect());
}

#[test]
fn addresses_are_those_of_services_and_users_those_of_nats() {
    let services: Vec<String> =
        of_kind(&["Service"]).iter().map(|service| name(service).to_owned()).collect();
    let conf = files::text("nats.conf");
    for (container, _) in ours() {
        for variable in container["env"].as_array().unwrap() {
            let url = variable["value"].as_str().unwrap_or_default();
            let Some((before, host)) = url.rsplit_once('@') else { continue };
            let host = host.split(':').next().unwrap();
            assert!(services.iter().any(|service| service == host), "{url}");
            let user = before.split("://").nth(1).unwrap().split(':').next().unwrap();
            let is_known = ["", "fly-llm"].contains(&user)
                || conf.contains(&format!("{{user: {user}, password"));
            assert!(is_known, "{url}");
        }
    }
    let nats = of_kind(&["StatefulSet"]).into_iter().find(|set| name(set) == "nats").unwrap();
    let nats = nats["spec"]["template"]["spec"]["containers"][0]["args"].clone();
    let compose = files::yaml("docker-compose.yml")["services"]["nats"]["command"].clone();
    assert_eq!(nats, compose, "NATS is started as under compose");
}

#[test]
fn scaling_asks_for_consumers_and_workloads_that_exist() {
    let config = infra::config::Config::load(None, &Default::default()).unwrap();
    let pools = config.models.pools();
    let workloads: Vec<(String, String)> = of_kind(&["Deployment", "StatefulSet"])
        .iter()
        .map(|workload| (workload["kind"].as_str().unwrap().to_owned(), name(workload).to_owned()))
        .collect();
    let scaled = of_kind(&["ScaledObject"]);
    assert_eq!(scaled.len(), 2);
    for object in scaled {
        let target = &object["spec"]["scaleTargetRef"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        assert!(workloads.contains(&(text(&target["kind"]), text(&target["name"]))), "{target}");
        assert!(object["spec"]["minReplicaCount"].as_u64().unwrap() >= 1);
        let triggers = object["spec"]["triggers"].as_array().unwrap();
        let types: Vec<&str> = triggers.iter().map(|t| t["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["prometheus", "nats-jetstream"]);
        let told = &triggers[1]["metadata"];
        assert_eq!(told["stream"], subjects::CHAT_STREAM);
        let consumer = told["consumer"].as_str().unwrap();
        let is_consumer = |pool: &String| subjects::chat_consumer(pool) == consumer;
        assert!(pools.iter().any(is_consumer), "{consumer}");
        let account = told["account"].as_str().unwrap();
        assert!(files::text("nats.conf").contains(&format!("\n    {account} {{\n")));
        let monitor = told["natsServerMonitoringEndpoint"].as_str().unwrap();
        assert!(monitor.starts_with("nats.fly-llm.svc") && monitor.ends_with(":8222"));
    }
}
