//! What the chat template must give for the formats models publish.
//!
//! Needs no model file: the tokens' side of it is tested on real vocabularies in `tests/`.

use serde_json::json;

use super::*;

/// The published format of RakutenAI-2.0-mini-instruct.
const RAKUTEN: &str = concat!(
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}",
    "{% set loop_messages = messages[1:] %}",
    "{% set system_message = messages[0]['content'] + ' ' %}{% else %}",
    "{% set loop_messages = messages %}{% set system_message = 'A chat between a curious user ",
    "and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite ",
    "answers to the user\\'s questions. ' %}{% endif %}{% for message in loop_messages %}",
    "{% if loop.index0 == 0 %}{{ system_message }}{% endif %}{% if message['role'] == 'user' %}",
    "{{ 'USER: ' + message['content'].strip() }}{% elif message['role'] == 'assistant' %}",
    "{{ ' ASSISTANT: ' + message['content'].strip() + eos_token }}{% endif %}{% endfor %}",
    "{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}",
);

fn render(source: &str, messages: Json, tools: Option<Json>) -> Result<String, EngineError> {
    let template = ChatTemplate::compile(source, "<s>", "</s>")?;
    let messages = messages.as_array().unwrap().clone();
    let break_end = |text: &str, mark: char| text.replace("</s>", &format!("<{mark}/s>"));
    let options = PromptOptions::default();
    Ok(template.render(&messages, tools.as_ref(), &options, break_end)?.text)
}

#[test]
fn rakuten_without_a_system_message() {
    let text = render(RAKUTEN, json!([{"role": "user", "content": " 楽天とは? "}]), None).unwrap();
    assert_eq!(
        text,
        "<s>A chat between a curious user and an artificial intelligence assistant. The assistant \
         gives helpful, detailed, and polite answers to the user's questions. USER: 楽天とは? \
         ASSISTANT:"
    );
}

#[test]
fn rakuten_with_a_system_message_and_a_history() {
    let messages = json!([
        {"role": "system", "content": "短く答える。"},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": [{"type": "text", "text": "c"}, {"type": "text", "text": "d"}]},
    ]);
    let text = render(RAKUTEN, messages, None).unwrap();
    assert_eq!(text, "<s>短く答える。 USER: a ASSISTANT: b</s>USER: c\nd ASSISTANT:");
}

#[test]
fn a_typed_control_token_reaches_the_template_broken() {
    let text = render(RAKUTEN, json!([{"role": "user", "content": "x</s>y"}]), None).unwrap();
    assert!(text.contains("x<\u{fdd0}/s>y"), "{text}");
}

#[test]
fn the_mark_is_a_code_point_no_message_uses() {
    let text = render(RAKUTEN, json!([{"role": "user", "content": "\u{fdd0}</s>"}]), None).unwrap();
    assert!(text.contains("\u{fdd0}<\u{fdd1}/s>"), "{text}");
}

#[test]
fn blocks_are_trimmed_as_transformers_does() {
    let source = "a\n  {% if true %}\nb\n  {% endif %}\nc";
    assert_eq!(render(source, json!([]), None).unwrap(), "a\nb\nc");
}

#[test]
fn json_is_printed_as_python_prints_it_and_in_the_clients_order() {
    let tools = json!([{"z": "日本 <b> & 'q'", "a": [1, 2.5, null, true], "é\n": {}}]);
    let text = render("{{ tools | tojson }}", json!([]), Some(tools.clone())).unwrap();
    assert_eq!(text, r#"[{"z": "日本 <b> & 'q'", "a": [1, 2.5, null, true], "é\n": {}}]"#);
    let text = render("{{ tools[0].a | tojson(indent=1) }}", json!([]), Some(tools)).unwrap();
    assert_eq!(text, "[\n 1,\n 2.5,\n null,\n true\n]");
}

#[test]
fn arguments_of_tool_calls_become_json() {
    let messages = json!([
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "1", "type": "function",
             "function": {"name": "f", "arguments": "{\"b\": 1, \"a\": 2}"}}]},
        {"role": "function", "content": "r"},
    ]);
    let source = "{% for m in messages %}{{ m.role }}:{{ m.content }}\
                  {% for c in m.tool_calls %}{{ c.function.arguments | tojson }}{% endfor %};\
                  {% endfor %}";
    assert_eq!(render(source, messages, None).unwrap(), r#"assistant:{"b": 1, "a": 2};tool:r;"#);
}

#[test]
fn a_template_may_refuse_and_says_why() {
    let source = "{{ raise_exception('roles must alternate') }}";
    let error = render(source, json!([{"role": "user", "content": "secret"}]), None).unwrap_err();
    assert!(error.to_string().contains("roles must alternate"), "{error}");
    assert!(!error.to_string().contains("secret"));
    assert!(error.is_client_error());
}

#[test]
fn todays_date_is_there() {
    let text = render("{{ strftime_now('%Y-%m-%d') }}", json!([]), None).unwrap();
    assert_eq!(text.len(), "2026-01-31".len(), "{text}");
    let text = render("{{ strftime_now('%d %b %Y') }}", json!([]), None).unwrap();
    assert_eq!(text.split(' ').count(), 3, "{text}");
}

#[test]
fn what_is_not_a_chat_is_refused() {
    for messages in [
        json!(["text"]),
        json!([{"content": "x"}]),
        json!([{"role": "im_end|>", "content": "x"}]),
        json!([{"role": "user", "content": 1}]),
        json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]),
    ] {
        let error = render(RAKUTEN, messages, None).unwrap_err();
        assert!(matches!(error, EngineError::InvalidRequest { .. }), "{error}");
    }
}

#[test]
fn a_template_that_loops_is_stopped() {
    let source = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
    assert!(matches!(render(source, json!([]), None), Err(EngineError::Template(_))));
}

#[test]
fn a_broken_template_does_not_compile() {
    assert!(matches!(ChatTemplate::compile("{% if %}", "", ""), Err(EngineError::Template(_))));
}
