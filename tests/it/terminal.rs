//! The terminal: a chat that streams and goes on, completions, and JSON from every tool.

use crate::program::Place;
use harness::Script;

#[tokio::test]
async fn the_terminal_talks_and_every_tool_speaks_json() {
    let mut place = Place::new().await;
    place.vendor.always("fast", Script::says(["東京", "です"]));
    let up = place.up().await;
    let key = up.banner["api_key"].as_str().unwrap().to_owned();
    let url = up.banner["base_url"].as_str().unwrap().to_owned();

    let said = place.run(&["chat", "--model", "fast", "hello"]).await;
    assert_eq!((said.code, said.out.as_str()), (Some(0), "東京です\n"), "{said:?}");
    assert!(said.err.contains("fast · 10 + 5 tokens · $0.00002"), "{said:?}");
    assert!(!said.err.contains('\u{1b}'), "no colours where nobody sees them: {said:?}");
    let talk = ["chat", "--model", "fast", "--json", "--url", &url];
    let lines = place.run_with(&talk, "first\n\nsecond\n").await.json_lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[1]["content"], "東京です");
    assert_eq!(lines[1]["cost_usd"], "0.00002");
    let asked = place.vendor.seen();
    let turns = asked.last().unwrap().body["messages"].as_array().unwrap().len();
    assert_eq!(turns, 3, "a conversation goes on");

    let said = place.run(&["chat", "--model", "no-such-model", "hello"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("no-such-model"), "{said:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = place.run(&["completions", shell]).await;
        assert!(script.code == Some(0) && script.out.contains("healthcheck"), "{shell}");
    }
    assert!(place.run(&["--help"]).await.out.contains("64"), "exit codes are told");
    let listed = place.run(&["keys", "list", "--json"]).await.json_lines();
    let account = listed[0]["account"].as_str().unwrap().to_owned();
    let granted = place.run(&["credits", "grant", &account, "1", "--json"]).await.json();
    assert_eq!(granted["account"], account.as_str());
    let shown = place.run(&["credits", "show", &account, "--json"]).await.json();
    assert_eq!(shown, granted);
    assert_eq!(place.run(&["ledger", "check", "--json"]).await.json()["ok"], true);
    for tool in [["streams", "apply"], ["config", "check"]] {
        let done = place.run(&[&tool[..], &["--config", "own.yaml", "--json"]].concat()).await;
        assert_eq!(done.json()["ok"], true, "{tool:?}");
    }
    let default = place.run(&["config", "default", "--json"]).await.json();
    assert!(default["models"].is_array() && default["limits"].is_object(), "{default}");
    let theirs = "model_list: [{model_name: m, litellm_params: {model: openai/theirs, api_base: \
                  'http://a/v1'}, model_info: {input_cost_per_token: 1.0e-6, \
                  output_cost_per_token: 2.0e-6, max_input_tokens: 9000}}]";
    std::fs::write(place.path("litellm.yaml"), theirs).unwrap();
    let imported = place.run(&["config", "import", "litellm.yaml", "--json"]).await;
    assert!(imported.json_lines()[0]["config"].as_str().unwrap().contains("theirs"));
    assert!(!imported.err.contains('\u{1b}'), "no bar where nobody sees it: {imported:?}");
    let rebuilt = place.run(&["ledger", "rebuild", "--json"]).await;
    assert_eq!(rebuilt.json()["ok"], true);
    assert!(!rebuilt.err.contains('\r'), "no bar where nobody sees it: {rebuilt:?}");
    let ready = url.replace("/v1", "/ready");
    assert!(place.run(&["healthcheck", &ready, "--json"]).await.json().is_object());
    let id = listed[0]["key_id"].as_str().unwrap();
    let deleted = place.run(&["keys", "delete", id, "--json"]).await.json();
    assert_eq!(deleted["deleted"], true);

    place.set("FLY_LLM_API_KEY", &key);
    place.set("FLY_LLM_BASE_URL", &url);
    let refused = place.run(&["chat", "--data", "nowhere", "hello"]).await;
    assert_eq!(refused.code, Some(1), "a deleted key: {refused:?}");
    up.finish(&place).await;
}
