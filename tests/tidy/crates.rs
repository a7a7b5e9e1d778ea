//! Which crate may see which. The queue stays the only road between the gateway and a worker as
//! long as neither can name the other.

use crate::tree::Package;
use crate::{Tree, Violation};

/// What each crate may depend on within the house. Its tests may also use the harness.
const ARROWS: [(&str, &[&str]); 13] = [
    ("schemas", &[]),
    ("infra", &["schemas"]),
    ("payments", &["schemas", "infra"]),
    ("gateway", &["schemas", "infra", "payments"]),
    ("worker-job", &["schemas", "infra"]),
    ("worker-provider", &["schemas", "infra", "worker-job"]),
    ("worker-rakuten", &["schemas", "infra", "worker-job"]),
    ("worker-billing", &["schemas", "infra", "payments"]),
    ("fuzz", &["infra"]),
    ("bench", &["schemas", "infra", "gateway", "worker-provider"]),
    ("chaos", &["schemas", "infra", "gateway", "fuzz", "harness"]),
    (
        "harness",
        &[
            "schemas",
            "infra",
            "payments",
            "gateway",
            "worker-job",
            "worker-provider",
            "worker-billing",
        ],
    ),
    (
        "fly-llm",
        &[
            "schemas",
            "infra",
            "payments",
            "gateway",
            "worker-job",
            "worker-provider",
            "worker-rakuten",
            "worker-billing",
        ],
    ),
];

/// What only tests may see.
const FOR_TESTS: [&str; 3] = ["harness", "fuzz", "chaos"];

/// `schemas ← infra ← {gateway, workers} ← binary`; gateway and workers never see each other.
pub(crate) fn arrows_point_one_way(tree: &Tree) -> Vec<Violation> {
    let is_ours = |name: &str| ARROWS.iter().any(|(crate_name, _)| *crate_name == name);
    let mut violations = Vec::new();
    for package in &tree.packages {
        let Some((_, may_see)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
            let what = format!("{} is new: say in ARROWS what it may see", package.name);
            violations.push(Violation::of(&package.manifest, what));
            continue;
        };
        for (name, for_tests) in &package.dependencies {
            let may = may_see.contains(&name.as_str())
                || (*for_tests && FOR_TESTS.contains(&name.as_str()));
            if is_ours(name) && !may {
                let what = format!("{} must not see {name}", package.name);
                violations.push(Violation::of(&package.manifest, what));
            }
        }
    }
    violations
}

/// llama.cpp can abort its process and takes minutes to compile: one crate has it.
pub(crate) fn llama_stays_in_its_worker(tree: &Tree) -> Vec<Violation> {
    foreign(tree, |package| package != "worker-rakuten", &["llama-cpp-2", "llama-cpp-sys-2"])
}

/// What `schemas` must not know: it is data and arithmetic, which any side may compile.
const NOT_PURE: [&str; 7] =
    ["tokio", "tokio-util", "futures", "async-nats", "redis", "reqwest", "axum"];

/// The wire contract does no input or output.
pub(crate) fn contract_is_pure(tree: &Tree) -> Vec<Violation> {
    foreign(tree, |package| package == "schemas", &NOT_PURE)
}

/// Finds banned dependencies of the packages that a rule is about.
fn foreign(tree: &Tree, about: fn(&str) -> bool, banned: &[&str]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in tree.packages.iter().filter(|package| about(&package.name)) {
        for (name, _) in &package.dependencies {
            if banned.contains(&name.as_str()) {
                let what = format!("{} must not depend on {name}", package.name);
                violations.push(Violation::of(&package.manifest, what));
            }
        }
    }
    violations
}

/// A crate that does not take over the workspace's lints has none of its bans.
pub(crate) fn lints_are_inherited(tree: &Tree) -> Vec<Violation> {
    let inherits = |package: &&Package| {
        tree.file(&package.manifest).is_some_and(|file| {
            let after = file.text.split("[lints]\n").nth(1).unwrap_or_default();
            after.starts_with("workspace = true\n")
        })
    };
    tree.packages
        .iter()
        .filter(|package| !inherits(package))
        .map(|package| Violation::of(&package.manifest, "add [lints] workspace = true"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rule;

    /// A tree of packages: a name, and what each depends on; a trailing `?` is for tests only.
    fn planted(packages: &[(&str, &[&str])]) -> Tree {
        let mut tree = Tree::planted(&[("infra/Cargo.toml", "[lints]\nworkspace = true\n")]);
        for (name, dependencies) in packages {
            let split = |name: &&str| (name.trim_end_matches('?').to_owned(), name.ends_with('?'));
            tree.packages.push(Package {
                name: (*name).to_owned(),
                manifest: format!("{name}/Cargo.toml"),
                dependencies: dependencies.iter().map(split).collect(),
                roots: Vec::new(),
            });
        }
        tree
    }

    fn places(rule: Rule, packages: &[(&str, &[&str])]) -> Vec<String> {
        rule(&planted(packages)).into_iter().map(|violation| violation.place).collect()
    }

    #[test]
    fn an_arrow_against_the_stream_is_found() {
        let wrong: [(&str, &[&str]); 5] = [
            ("gateway", &["infra", "worker-job"]),
            ("worker-provider", &["gateway?"]),
            ("schemas", &["infra"]),
            ("infra", &["harness"]),
            ("newcomer", &[]),
        ];
        for (name, dependencies) in wrong {
            let places = places(arrows_point_one_way, &[(name, dependencies)]);
            assert_eq!(places, [format!("{name}/Cargo.toml")]);
        }
        let right: [(&str, &[&str]); 1] = [("gateway", &["infra", "axum", "harness?"])];
        assert!(places(arrows_point_one_way, &right).is_empty());
    }

    #[test]
    fn a_second_home_of_llama_is_found() {
        let packages: [(&str, &[&str]); 2] =
            [("worker-rakuten", &["llama-cpp-2"]), ("gateway", &["llama-cpp-2?"])];
        assert_eq!(places(llama_stays_in_its_worker, &packages), ["gateway/Cargo.toml"]);
    }

    #[test]
    fn input_and_output_in_the_contract_is_found() {
        let packages: [(&str, &[&str]); 2] =
            [("schemas", &["serde", "tokio"]), ("infra", &["tokio"])];
        assert_eq!(places(contract_is_pure, &packages), ["schemas/Cargo.toml"]);
    }

    #[test]
    fn a_crate_without_our_lints_is_found() {
        let packages: [(&str, &[&str]); 2] = [("infra", &[]), ("gateway", &[])];
        assert_eq!(places(lints_are_inherited, &packages), ["gateway/Cargo.toml"]);
    }
}
