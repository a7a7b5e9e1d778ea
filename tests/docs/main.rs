//! The documents are true: what README, ARCHITECTURE and docs/ name exists, and their tables equal
//! the code. A check reads documents and answers with what is not so; it repairs nothing but the
//! tables that are made from code (`UPDATE_DOCS=1`). Each check shows on a planted mistake that it
//! can fail.

mod adrs;
mod architecture;
mod commands;
mod config;
mod generated;
mod markdown;
mod names;
mod ranges;
mod readmes;
mod routes;
mod schema;
mod source;
mod tree;
mod twins;
mod words;

use tree::Tree;

/// Finds what is not true; each finding says where, and what to write instead.
pub(crate) type Check = fn(&Tree) -> Vec<String>;

/// Applies a check to the documents as they are.
fn holds(check: Check) {
    let found = check(&Tree::read()).join("\n");
    assert!(found.is_empty(), "\n{found}\n");
}

/// What a check finds once `from` is `to` in one file; the mistake must have a place to stand.
#[cfg(test)]
pub(crate) fn found(check: Check, path: &str, from: &str, to: &str) -> Vec<String> {
    let tree = Tree::read();
    let text = tree.text(path);
    assert!(text.contains(from), "{path} holds no {from:?}: plant the mistake elsewhere");
    check(&tree.with(path, &text.replacen(from, to, 1)))
}

/// One test for each check, under the check's own name.
macro_rules! checks {
    ($($module:ident::$check:ident),+ $(,)?) => {
        $(#[test] fn $check() { holds($module::$check) })+
    };
}

checks![
    adrs::decisions_are_numbered_and_whole,
    adrs::decisions_that_are_named_exist,
    architecture::gateway_steps_are_the_way,
    architecture::worker_steps_are_the_way,
    architecture::rooms_are_the_crates,
    commands::commands_exist,
    commands::bodies_say_what_they_are,
    config::keys_are_those_of_the_code,
    config::defaults_are_those_of_the_code,
    config::examples_are_accepted,
    config::refused_fields_are_told,
    generated::errors_are_those_of_the_code,
    generated::metrics_are_those_of_the_code,
    names::subjects_are_those_of_the_contract,
    names::streams_are_made_as_told,
    names::redis_keys_are_those_of_the_store,
    names::limits_are_those_of_the_code,
    ranges::ranges_are_those_of_the_check,
    ranges::required_keys_are_required,
    readmes::paths_exist,
    readmes::environment_is_whole,
    schema::schema_is_that_of_the_document,
    routes::openapi_is_whole,
    routes::routes_exist_and_are_told,
    twins::twins_are_there,
    twins::both_languages_say_the_same,
    twins::both_languages_name_the_same,
    twins::both_tables_hold_the_same_facts,
    twins::japanese_leads_to_japanese,
];
