//! Every format as models publish it, cut at every place; what is no call stays text.

use super::*;
use serde_json::json;

fn offered(more: Value) -> ChatRequest {
    let tool = |name: &str| {
        json!({"type": "function", "function": {"name": name, "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}})
    };
    let mut body = json!({"model": "m", "messages": [], "tools": [tool("weather"), tool("time")]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(body).unwrap()
}

fn calls(format: CallFormat, more: Value) -> Calls {
    Calls::of(&offered(more), format).unwrap().unwrap()
}

/// The words and the calls of an answer that comes in pieces of so many characters.
fn read(calls: &Calls, answer: &str, characters: usize) -> (String, Vec<(String, String)>) {
    let mut reader = calls.reader("call_".into(), calls.grammar(None).is_some());
    let letters: Vec<char> = answer.chars().collect();
    let mut pieces: Vec<Piece> = letters
        .chunks(characters)
        .flat_map(|part| reader.push(&part.iter().collect::<String>()))
        .collect();
    pieces.extend(reader.finish());
    let (mut words, mut called) = (String::new(), Vec::<(String, String)>::new());
    for piece in pieces {
        match piece {
            Piece::Text(text) => words.push_str(&text),
            Piece::Begin { index, id, name } => {
                assert_eq!((index, id), (called.len(), format!("call_{index}")));
                called.push((name, String::new()));
            }
            Piece::Arguments { index, text } => called[index].1.push_str(&text),
        }
    }
    assert_eq!(reader.calls(), called.len());
    (words, called)
}

#[track_caller]
fn gives(calls: &Calls, answer: &str, words: &str, expected: &[(&str, &str)]) {
    for characters in [1, 2, 3, 5, 7, 16, 10_000] {
        let (said, called) = read(calls, answer, characters);
        let called: Vec<(&str, &str)> =
            called.iter().map(|(name, arguments)| (name.as_str(), arguments.as_str())).collect();
        assert_eq!((said.as_str(), called.as_slice()), (words, expected), "{characters}: {answer}");
    }
}

const TOKYO: (&str, &str) = ("weather", "{\"city\":\"東京 \\\"}{\"}");
const OSAKA: (&str, &str) = ("time", "{\"city\":\"大阪\"}");

#[test]
fn hermes_is_read() {
    let calls = calls(CallFormat::Hermes, json!({}));
    let one = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \
               \"東京 \\\"}{\"}}\n</tool_call>";
    let two = "<tool_call>{\"arguments\": {\"city\": \"大阪\"}, \"name\": \"time\"}</tool_call>";
    gives(&calls, one, "", &[TOKYO]);
    gives(&calls, &format!("調べます。\n{one}\n{two}\n"), "調べます。", &[TOKYO, OSAKA]);
    gives(&calls, &format!("{one}終わり"), "終わり", &[TOKYO]);
    gives(&calls, " 5 < 6 and <b>bold</b> ", "5 < 6 and <b>bold</b> ", &[]);
    gives(&calls, "<tool_call>none", "<tool_call>none", &[]);
    let foreign = "<tool_call>\n{\"name\": \"delete\", \"arguments\": {}}\n</tool_call>";
    gives(&calls, foreign, foreign, &[]);
    let broken = "<tool_call>\n{\"name\": \"time\", \"arguments\": {city}}";
    gives(&calls, broken, broken, &[]);
    let cut = "<tool_call>\n{\"name\": \"time\", \"argu";
    gives(&calls, cut, cut, &[]);
    let text = "<tool_call>{\"name\": \"time\", \"arguments\": \"{\\\"city\\\":\\\"大阪\\\"}\"}";
    gives(&calls, text, "", &[OSAKA]);
    gives(&calls, "<tool_call>{\"name\": \"time\"}</tool_call>", "", &[("time", "{}")]);
}

#[test]
fn llama_is_read() {
    let calls = calls(CallFormat::Llama, json!({}));
    let one = "{\"name\": \"weather\", \"parameters\": {\"city\": \"東京 \\\"}{\"}}";
    let two = "{\"name\": \"time\", \"parameters\": {\"city\": \"大阪\"}}";
    gives(&calls, one, "", &[TOKYO]);
    gives(&calls, &format!("<|python_tag|>{one}; {two}"), "", &[TOKYO, OSAKA]);
    gives(&calls, "{\"price\": 5}", "{\"price\": 5}", &[]);
    gives(&calls, "It is {nice}.", "It is {nice}.", &[]);
    gives(&calls, &format!("As JSON: {two}"), &format!("As JSON: {two}"), &[]);
}

#[test]
fn mistral_is_read() {
    let calls = calls(CallFormat::Mistral, json!({}));
    let one = "{\"name\": \"weather\", \"arguments\": {\"city\": \"東京 \\\"}{\"}}";
    let two = "{\"name\": \"time\", \"arguments\": {\"city\": \"大阪\"}, \"id\": \"abcdefghi\"}";
    gives(&calls, &format!("[TOOL_CALLS] [{one}, {two}]"), "", &[TOKYO, OSAKA]);
    gives(&calls, &format!("はい。[TOOL_CALLS][{two}]"), "はい。", &[OSAKA]);
    let newer = "[TOOL_CALLS]time[ARGS]{\"city\":\"大阪\"}";
    gives(&calls, &format!("{newer}{newer}"), "", &[OSAKA, OSAKA]);
    gives(&calls, "[TOOL_CALLS]time[CALL_ID]abcdefghi[ARGS]{\"city\":\"大阪\"}", "", &[OSAKA]);
    gives(&calls, "[TOOLS] none", "[TOOLS] none", &[]);
}

#[test]
fn a_forced_call_streams_its_arguments() {
    let required = json!({"tool_choice": "required"});
    for (format, answer) in [
        (
            CallFormat::Hermes,
            "{\"name\": \"time\", \"arguments\": {\"city\": \"大阪\"}}\n</tool_call>\n<tool_call>\n\
             {\"name\": \"weather\", \"arguments\": {\"city\": \"]}\"}}\n</tool_call>",
        ),
        (
            CallFormat::Llama,
            "{\"name\": \"time\", \"parameters\": {\"city\": \"大阪\"}}; {\"name\": \"weather\", \
             \"parameters\": {\"city\": \"]}\"}}",
        ),
        (
            CallFormat::Mistral,
            "[{\"name\": \"time\", \"arguments\": {\"city\": \"大阪\"}}, {\"name\": \"weather\", \
             \"arguments\": {\"city\": \"]}\"}}]",
        ),
    ] {
        let calls = calls(format, required.clone());
        let expected = [("time", "{\"city\": \"大阪\"}"), ("weather", "{\"city\": \"]}\"}")];
        gives(&calls, answer, "", &expected);
        let mut reader = calls.reader("c".into(), true);
        let half = answer.find("大阪").unwrap();
        let first = reader.push(&answer[..half]);
        assert!(matches!(first.last(), Some(Piece::Arguments { .. })), "{first:?}");
    }
}

#[test]
fn a_call_that_is_cut_is_nobodys_words() {
    let required = json!({"tool_choice": "required"});
    let forced = |format| calls(format, required.clone());
    let (head, closing) = ("{\"name\": \"time\", \"argum", "\n</tool_call>\n<tool_call>\n");
    let one = "{\"name\": \"time\", \"arguments\": {\"city\":\"大阪\"}}";
    gives(&forced(CallFormat::Hermes), head, "", &[]);
    gives(&forced(CallFormat::Hermes), &format!("{one}{closing}{head}"), "", &[OSAKA]);
    gives(&forced(CallFormat::Hermes), &format!("{one}\n</tool_call>\n<tool"), "", &[OSAKA]);
    gives(&forced(CallFormat::Mistral), &format!("[{head}"), "", &[]);
    gives(&forced(CallFormat::Llama), "{\"name\": \"ti", "", &[]);
    let free = calls(CallFormat::Hermes, json!({}));
    gives(&free, &format!("<tool_call>{one}{closing}{head}"), "", &[OSAKA]);
    let instructed = calls(CallFormat::Instructed, json!({}));
    gives(&instructed, &format!("<tool_call>\n{head}"), "", &[]);
}

#[test]
fn one_call_means_one() {
    let calls = calls(CallFormat::Hermes, json!({"parallel_tool_calls": false}));
    let one = "<tool_call>{\"name\": \"time\", \"arguments\": {\"city\": \"大阪\"}}</tool_call>";
    gives(&calls, &format!("{one}{one}"), "", &[OSAKA]);
}

#[test]
fn the_choice_is_understood_or_refused_by_its_name() {
    let read = |more: Value| Calls::of(&offered(more), CallFormat::Hermes);
    assert_eq!(read(json!({})).unwrap().unwrap().choice, Choice::Auto);
    assert_eq!(read(json!({"tool_choice": "none"})).unwrap(), None);
    assert_eq!(read(json!({"tools": []})).unwrap(), None);
    let time = json!({"type": "function", "function": {"name": "time"}});
    let named = read(json!({"tool_choice": time})).unwrap().unwrap();
    assert_eq!((named.choice, named.functions.len(), named.parallel), (Choice::Required, 1, false));
    let allowed = json!({"tool_choice": {"type": "allowed_tools", "allowed_tools":
        {"mode": "auto", "tools": [time]}}});
    let allowed = read(allowed).unwrap().unwrap();
    assert_eq!((allowed.choice, allowed.functions.len()), (Choice::Auto, 1));
    for (more, field) in [
        (json!({"tool_choice": "sometimes"}), "tool_choice"),
        (json!({"tool_choice": {"type": "function", "function": {"name": "x"}}}), "tool_choice"),
        (json!({"tools": [], "tool_choice": "required"}), "tool_choice"),
        (json!({"tools": [{"type": "custom", "custom": {"name": "x"}}]}), "tools"),
        (json!({"tools": [{"type": "function", "function": {}}]}), "tools"),
        (json!({"tools": [time, time]}), "tools"),
        (json!({"tools": vec![time; FUNCTIONS_MAX + 1]}), "tools"),
        (
            json!({"tools": [{"type": "function", "function":
                {"name": "x", "parameters": {"type": "string"}}}]}),
            "tools",
        ),
    ] {
        assert_eq!(read(more.clone()).unwrap_err().0, field, "{more}");
    }
}

#[test]
fn a_grammar_is_only_where_it_is_needed() {
    let auto = |format| calls(format, json!({})).grammar(None);
    assert_eq!(auto(CallFormat::Hermes), None);
    assert!(auto(CallFormat::Instructed).unwrap().contains("start: calls | FREE"));
    let forced = calls(CallFormat::Hermes, json!({"tool_choice": "required"}));
    let grammar = forced.grammar(None).unwrap();
    assert!(grammar.contains("start: calls\n"), "{grammar}");
    assert!(grammar.contains("\"additionalProperties\":false"), "{grammar}");
    assert_eq!(forced.opening(), "<tool_call>\n");
}
