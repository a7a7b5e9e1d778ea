//! fly.toml, fly.rakuten.toml and the apps beside them: commands that the program reads, ports that
//! agree, volumes and machines as the README promises.

use crate::command_line::{Command, Worker};
use crate::files;
use serde_json::Value;

const MAIN: &str = "fly.toml";
const RAKUTEN: &str = "fly.rakuten.toml";
const SERVERS: [&str; 2] = ["deploy/fly/nats.toml", "deploy/fly/redis.toml"];

/// A process group's command.
fn command(file: &Value, group: &str) -> Vec<String> {
    let line = file["processes"][group].as_str().unwrap_or_else(|| panic!("no group {group}"));
    line.split_whitespace().map(str::to_owned).collect()
}

fn port(listens: &str) -> u64 {
    listens.rsplit_once(':').unwrap().1.parse().unwrap()
}

#[test]
fn commands_of_all_process_groups_can_be_read() {
    let main = files::toml(MAIN);
    let groups = main["processes"].as_object().unwrap();
    assert_eq!(groups.keys().collect::<Vec<_>>(), ["billing", "gateway", "provider"]);
    let Command::Gateway(gateway) = files::parsed(&command(&main, "gateway")) else {
        panic!("the group gateway is none")
    };
    let api = gateway.listen.unwrap();
    assert_eq!(u64::from(api.port()), main["http_service"]["internal_port"]);
    assert!(api.ip().is_unspecified(), "Fly.io's proxy comes from outside");
    let worker = |group| files::parsed(&command(&main, group));
    assert!(matches!(worker("provider"), Command::Worker(Worker::Provider(_))));
    assert!(matches!(worker("billing"), Command::Worker(Worker::Billing(_))));
    let release = main["deploy"]["release_command"].as_str().unwrap();
    let release: Vec<String> = release.split(' ').map(str::to_owned).collect();
    assert!(matches!(files::parsed(&release), Command::Streams(_)));
    let rakuten = files::toml(RAKUTEN);
    let Command::Worker(Worker::Rakuten(rakuten)) = files::parsed(&command(&rakuten, "rakuten"))
    else {
        panic!("the group rakuten is none")
    };
    assert!(rakuten.model.unwrap().starts_with("/models"));
    assert!(rakuten.fetch.unwrap().starts_with("https://"));
}

#[test]
fn counters_and_health_are_read_where_each_group_listens() {
    for path in [MAIN, RAKUTEN] {
        let file = files::toml(path);
        let groups: Vec<String> = file["processes"].as_object().unwrap().keys().cloned().collect();
        for group in &groups {
            let command = command(&file, group);
            let listens = files::flag(&command, "--metrics-listen").unwrap();
            assert!(listens.starts_with("[::]:"), "Fly.io's private network is IPv6");
            for (section, path) in
                [(&file["metrics"][0], "/metrics"), (&file["checks"]["ready"], "/ready")]
            {
                assert_eq!(section["port"], port(listens), "{group}");
                assert_eq!(section["path"], path, "{group}");
                assert!(files::words(&section["processes"]).contains(group), "{group}");
            }
            let machines = file["vm"].as_array().unwrap();
            let has = |vm: &&Value| files::words(&vm["processes"]).contains(group);
            assert_eq!(machines.iter().filter(has).count(), 1, "{group} has one size");
        }
    }
}

#[test]
fn only_the_gateway_can_be_reached_and_only_by_tls() {
    let main = files::toml(MAIN);
    assert_eq!(files::words(&main["http_service"]["processes"]), ["gateway"]);
    assert_eq!(main["http_service"]["force_https"], true);
    assert_eq!(main["http_service"]["auto_stop_machines"], "off");
    assert_eq!(main["http_service"]["min_machines_running"], 2);
    for path in [&[RAKUTEN][..], &SERVERS].concat() {
        let file = files::toml(path);
        assert!(file["http_service"].is_null() && file["services"].is_null(), "{path} is open");
    }
}

#[test]
fn deployments_roll_and_leave_time_to_drain() {
    let config = files::yaml("config.yaml");
    for path in [MAIN, RAKUTEN] {
        let file = files::toml(path);
        assert_eq!(file["primary_region"], "nrt", "{path}");
        assert_eq!(file["deploy"]["strategy"], "rolling", "{path}");
        assert_eq!(file["kill_signal"], "SIGTERM", "{path}");
        let kill = file["kill_timeout"].as_str().unwrap().trim_end_matches('s');
        for role in ["gateway", "workers"] {
            let notice = config[role]["leave_notice_seconds"].as_u64().unwrap_or(0);
            let drain = notice + config[role]["drain_seconds_max"].as_u64().unwrap();
            assert!(kill.parse::<u64>().unwrap() > drain, "{path}: {kill} s, {role} {drain} s");
        }
        let target = file["build"]["build-target"].as_str().unwrap();
        let dockerfile = files::text(file["build"]["dockerfile"].as_str().unwrap());
        assert!(dockerfile.contains(&format!(" AS {target}\n")), "{path}: {target}");
        for name in file["env"].as_object().unwrap().keys() {
            assert!(files::variables().contains(name), "{path}: the program doesn't read {name}");
        }
    }
}

#[test]
fn the_apps_are_those_of_the_readme() {
    assert_eq!(files::toml(MAIN)["app"], "fly-llm-api");
    assert_eq!(files::toml(MAIN)["env"]["PUBLIC_URL"], "https://fly-llm-api.fly.dev");
    let rakuten = files::toml(RAKUTEN);
    assert_eq!(rakuten["app"], "rakuten-llm-server");
    let machine = &rakuten["vm"][0];
    assert_eq!((&machine["size"], &machine["memory"]), (&"performance-2x".into(), &"8gb".into()));
    let mount = &rakuten["mounts"][0];
    assert_eq!(mount["initial_size"], "10gb");
    let command = command(&rakuten, "rakuten");
    let model = files::flag(&command, "--model").unwrap();
    assert!(model.starts_with(mount["destination"].as_str().unwrap()), "the volume keeps it");
}

#[test]
fn nats_and_redis_keep_their_data_on_volumes() {
    for path in SERVERS {
        let file = files::toml(path);
        let folder = file["mounts"][0]["destination"].as_str().unwrap();
        let dockerfile = files::text(&path.replace(".toml", ".Dockerfile"));
        let said = dockerfile.lines().find_map(|line| line.strip_prefix("CMD ")).unwrap();
        let command: Vec<String> = serde_json::from_str(said).unwrap();
        let command = command.join(" ");
        let flag = if path.contains("nats") { "-sd" } else { "--dir" };
        assert!(command.contains(&format!("{flag} {folder}")), "{path}: {command}");
        assert!(command.contains("::"), "{path}: Fly.io's private network is IPv6");
        let checks = file["checks"].as_object().unwrap();
        let port = checks.values().next().unwrap()["port"].to_string();
        assert!(command.contains(&port), "{path}: {port}");
    }
}
