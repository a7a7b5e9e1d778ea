//! The promises of masking, tried on whole requests. Must never hold a real person's data.

use schemas::openai::ChatRequest;

use super::{Kind, MaskError, Masker, Mode, REQUEST_TEXT_BYTES_MAX, Settings, Vault, code_points};

fn masker() -> Masker {
    Masker::new(Settings::default()).unwrap()
}

fn request(json: serde_json::Value) -> ChatRequest {
    serde_json::from_value(json).unwrap()
}

const TEXTS: [&str; 8] = [
    "氏名：山田太郎\n電話番号：０３－３２１０－９８７６、taro.yamada@example.co.jp",
    "Card 4242 4242 4242 4242, SSN 078-05-1121, ip=203.0.113.9",
    "マイナンバーは123456789018です。〒150-0041",
    "C:\\Users\\taro@example.com \\\\taro@example.com \\taro@example.com",
    "[EMAIL_1] email_1 taro@example.com <EMAIL_2> jiro@example.com EMAIL_3",
    "<taro@example.com>[jiro@example.com]【a@example.com】**b@example.com**",
    "Password: pa\"ss\\w0rd!9\nIBAN NL29 BOFS 2040 2449 10",
    "nothing to see, only & and < and [ and P and \\",
];

#[test]
fn restoring_gives_the_text_back_however_it_is_cut() {
    for text in TEXTS {
        let (masked, spans, vault) = masker().mask_text(text).unwrap();
        assert_eq!(vault.restore(&masked), text, "{masked}");
        for span in spans {
            assert!(!masked.contains(&text[span.start..span.end]), "{masked}");
        }
        for size in 1..7 {
            let mut restorer = vault.restorer();
            let characters: Vec<char> = masked.chars().collect();
            let mut shown = String::new();
            for piece in characters.chunks(size) {
                shown.push_str(&restorer.push(&piece.iter().collect::<String>()));
            }
            shown.push_str(&restorer.finish());
            assert_eq!(shown, text);
        }
    }
}

#[test]
fn a_word_again_and_again_is_no_name() {
    let masker = masker();
    let words = include_str!("data/words.txt").lines().filter(|line| !line.starts_with('#'));
    for word in words.step_by(40).chain(["large", "add", "box", "young"]) {
        let text = format!("{word} ").repeat(60);
        let spans = masker.mask_text(&text).unwrap().1;
        assert!(spans.is_empty(), "{word}");
    }
}

#[test]
fn names_are_told_from_other_names_by_what_stands_around() {
    let masker = masker();
    for (text, name) in [
        ("2009年、リヒテンバウアーは俳優のハンソンと結婚した。", "リヒテンバウアー"),
        ("1998年に宮部澄夫が監督に就任し、翌年に退任した。", "宮部澄夫"),
    ] {
        let spans = masker.mask_text(text).unwrap().1;
        let found =
            |span: &super::Span| span.kind == Kind::Person && text[span.start..span.end] == *name;
        assert!(spans.iter().any(found), "{text}");
    }
    for text in ["2009年、コンビニエンスストアはサービスを開始した。", "国道は市街地を通る。"]
    {
        assert!(masker.mask_text(text).unwrap().1.is_empty(), "{text}");
    }
}

#[test]
fn a_number_is_masked_beside_any_other() {
    for text in [
        "東京都渋谷区神南1-19-11 090-1234-5678",
        "10:15 090-1234-5678 から着信がありました。",
        "〒150-0041 090-1234-5678 山田太郎/090-1234-5678/東京",
        "電話番号一覧\n1 090-1234-5678\n2 090-1234-5678\n3 090-1234-5678",
        "090-1234-5678/090-1234-5678",
        "会員 10023 4111111111111111、4111111111111111/12/27",
        "口座 普通 1234567/山田太郎",
    ] {
        let masked = masker().mask_text(text).unwrap().0;
        for value in ["090-1234-5678", "4111", "1234567"] {
            assert!(!masked.contains(value), "{masked}");
        }
    }
}

#[test]
fn brackets_around_a_number_are_no_part_of_it() {
    for (text, masked) in [
        ("(電話 090-1234-5678)", "(電話 [PHONE_1])"),
        ("（電話：090-1234-5678）", "（電話：[PHONE_1]）"),
        ("山田様 (090-1234-5678) へ", "[PERSON_1]様 ([PHONE_1]) へ"),
        ("(phone: 090-1234-5678)", "(phone: [PHONE_1])"),
        ("Call me (415-555-2671).", "Call me ([PHONE_1])."),
        ("(Tel: +81 90-1234-5678)", "(Tel: [PHONE_1])"),
        ("tel (03) 3210-9876 or ((03) 3210-9876)", "tel [PHONE_1] or ([PHONE_1])"),
        ("fn(tel=090-1234-5678)", "fn(tel=[PHONE_1])"),
    ] {
        assert_eq!(masker().mask_text(text).unwrap().0, masked);
    }
}

fn vault_of(text: &str) -> (String, Vault) {
    let (masked, _, vault) = masker().mask_text(text).unwrap();
    (masked, vault)
}

#[test]
fn what_models_do_to_a_placeholder_is_undone() {
    let (masked, vault) = vault_of("taro@example.com");
    assert_eq!(masked, "[EMAIL_1]");
    for altered in [
        "**[EMAIL_1]**",
        "`[EMAIL_1]`",
        "「[EMAIL_1]」",
        "[EMAIL_1]様",
        "[EMAIL_1]'s",
        "\\[EMAIL\\_1]",
        "[email_1]",
        "[Email_1]",
        "［ＥＭＡＩＬ＿１］",
        "[ EMAIL_1 ]",
        "EMAIL_1",
        "【EMAIL_1】",
        "[EMAIL-1]",
        "[EMAIL 1]",
        "[E\u{200b}MAIL_1]",
        "&lt;EMAIL_1&gt;",
        "<EMAIL_1>",
        "{EMAIL_1}",
    ] {
        let restored = vault.restore(altered);
        assert!(restored.contains("taro@example.com"), "{altered} gave {restored}");
        assert!(!restored.to_lowercase().contains("mail_1"), "{altered} gave {restored}");
    }
    for foreign in ["[EMAIL_2]", "[EMAIL_10]", "[PERSON_1]", "my email_1 x", "email 1", "EMAIL_12"]
    {
        assert_eq!(vault.restore(foreign), foreign);
    }
}

#[test]
fn only_a_possible_placeholder_is_held_back() {
    let (_, vault) = vault_of("taro@example.com");
    let mut restorer = vault.restorer();
    assert_eq!(restorer.push("Hello [EMA"), "Hello ");
    assert_eq!(restorer.push("RK] and [EMAIL_"), "[EMARK] and ");
    assert_eq!(restorer.push("1] done"), "taro@example.com done");
    assert_eq!(restorer.push(" E"), " ");
    assert_eq!(restorer.finish(), "E");
}

#[test]
fn every_string_of_a_request_is_masked() {
    let mail = "taro@example.com";
    let call = format!("{{\"q\": \"{mail}\", \"n\": 1.50}}");
    let body = serde_json::json!({
        "model": "auto", "user": mail, "metadata": {"contact": mail}, "stop": [mail],
        "messages": [
            {"role": "system", "content": format!("customer {mail}")},
            {"role": "user", "name": mail, "content": [{"type": "text", "text": mail}]},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function",
                "function": {"name": "lookup", "arguments": call}}]},
            {"role": "tool", "tool_call_id": "c1", "content": format!("{{\"mail\":\"{mail}\"}}")},
        ],
        "tools": [{"type": "function", "function": {"name": "lookup", "description": mail,
            "parameters": {"type": "object", "properties": {"q": {"enum": [mail]}}}}}],
    });
    let mut masked = request(body);
    let vault = masker().mask(&mut masked).unwrap();
    let text = serde_json::to_string(&masked).unwrap();
    assert!(!text.contains(mail), "{text}");
    assert!(text.contains("1.50"));
    assert_eq!(vault.counts(), vec![(Kind::Email, 1)]);
    let arguments = masked.messages[2].tool_calls.as_ref().unwrap()[0]["function"]["arguments"]
        .as_str()
        .unwrap();
    assert_eq!(arguments, "{\"q\": \"[EMAIL_1]\", \"n\": 1.50}");
    assert_eq!(vault.restore_json(arguments), format!("{{\"q\": \"{mail}\", \"n\": 1.50}}"));
}

#[test]
fn names_of_tools_and_schemas_stay() {
    for name in ["Edit", "Search", "Grace", "Claude", "Sakura", "Julia", "Hanako", "Stripe"] {
        let tools = serde_json::json!([
            {"type": "custom", "custom": {"name": name, "description": "of 氏名：山田太郎"}},
            {"type": "function", "function": {"name": name, "description": "Does it."}},
            {"type": "of_tomorrow", "name": name, "tools": [{"type": "custom", "name": name}]},
        ]);
        let schema = serde_json::json!({"name": name, "description": "of 氏名：山田太郎"});
        let custom = serde_json::json!({"name": name, "input": "taro@example.com"});
        let call = serde_json::json!({"id": "c", "type": "custom", "custom": custom});
        let mut masked = request(serde_json::json!({
            "model": "m", "tools": tools, "functions": [{"name": name}],
            "function_call": {"name": name},
            "response_format": {"type": "json_schema", "json_schema": schema},
            "messages": [{"role": "assistant", "content": null, "tool_calls": [call]}],
        }));
        let vault = masker().mask(&mut masked).unwrap();
        assert_eq!(vault.counts(), [(Kind::Person, 1), (Kind::Email, 1)], "{name}");
        let text = serde_json::to_string(&masked).unwrap();
        assert_eq!(text.matches(&format!(r#""name":"{name}""#)).count(), 8, "{text}");
        assert!(!text.contains("山田") && !text.contains("taro@"), "{text}");
    }
    // What no vendor takes for a name is a text.
    let tool = serde_json::json!({"type": "custom", "custom": {"name": "taro@example.com"}});
    let mut masked = request(serde_json::json!({"model": "m", "messages": [], "tools": [tool]}));
    assert_eq!(masker().mask(&mut masked).unwrap().counts(), [(Kind::Email, 1)]);
}

#[test]
fn end_users_stay_apart_and_the_same() {
    let named = |account: &str, name: &str| {
        let body = serde_json::json!({
            "model": "m", "user": name, "prompt_cache_key": name, "stream_name": name,
            "messages": [{"role": "user", "content": format!("I am {name}")}],
        });
        let mut masked = request(body);
        let vault = masker().for_key(account, None).mask(&mut masked).unwrap();
        assert_eq!(vault.counts().len(), usize::from(name.contains('@')));
        assert_eq!(masked.rest["user"], masked.rest["prompt_cache_key"]);
        masked.rest["user"].as_str().unwrap().to_owned()
    };
    let taro = named("acct_a", "taro@example.com");
    assert!(taro.starts_with("user_") && taro.len() == 37, "{taro}");
    assert_eq!(taro, named("acct_a", "taro@example.com"));
    assert_ne!(taro, named("acct_a", "jiro@example.com"));
    assert_ne!(taro, named("acct_b", "taro@example.com"));
    assert_eq!(named("acct_a", "user-17"), "user-17");
}

#[test]
fn what_is_compared_with_other_requests_keeps_its_placeholders() {
    let masked = |account: &str, texts: &[&str]| {
        let message = |text: &&str| serde_json::json!({"role": "user", "content": text});
        let messages: Vec<_> = texts.iter().map(message).collect();
        let mut masked = request(serde_json::json!({"model": "m", "messages": messages}));
        masker().for_key(account, None).lasting().mask(&mut masked).unwrap();
        let text =
            |at: usize| serde_json::to_value(&masked.messages[at]).unwrap()["content"].clone();
        (0..texts.len()).map(text).collect::<Vec<_>>()
    };
    let (taro, jiro) = ("Contract with taro@example.com", "Contract with jiro@example.com");
    let both = masked("acct_a", &[taro, jiro, taro]);
    assert_eq!(both[0], both[2]);
    assert_ne!(both[0], both[1]);
    assert_eq!(masked("acct_a", &[jiro])[0], both[1], "neighbours change nothing");
    assert_ne!(masked("acct_b", &[jiro])[0], both[1]);
    // What the text itself spells is nobody's placeholder.
    let own = both[1].as_str().unwrap().trim_start_matches("Contract with ");
    let spelled = masked("acct_a", &[jiro, own]);
    assert_eq!(spelled[1], own);
    let other = spelled[0].as_str().unwrap();
    assert!(other.contains("[EMAIL_") && !other.contains(own), "{other}");
}

#[test]
fn tool_arguments_stay_valid_json() {
    let (_, vault) = vault_of("Password: pa\"ss\\w0rd!9");
    let restored = vault.restore_json("{\"p\": \"[SECRET_1]\"}");
    let value: serde_json::Value = serde_json::from_str(&restored).unwrap();
    assert_eq!(value["p"], "pa\"ss\\w0rd!9");
}

#[test]
fn the_letter_of_an_escape_is_no_letter_before_a_placeholder() {
    let (_, vault) = vault_of("mail taro@example.com");
    for (arguments, restored) in [
        (
            r#"{"to":"To:\nEMAIL_1\tEMAIL_1"}"#,
            r#"{"to":"To:\ntaro@example.com\ttaro@example.com"}"#,
        ),
        (r#"{"path":"C:\\nEMAIL_1 nEMAIL_1"}"#, r#"{"path":"C:\\nEMAIL_1 nEMAIL_1"}"#),
        (r#"{"a":"\\\nEMAIL_1"}"#, r#"{"a":"\\\ntaro@example.com"}"#),
    ] {
        assert_eq!(vault.restore_json(arguments), restored);
        let mut restorer = vault.json_restorer();
        let mut told: String = arguments.split("").map(|letter| restorer.push(letter)).collect();
        told.push_str(&restorer.finish());
        assert_eq!(told, restored);
    }
}

#[test]
fn a_value_split_over_messages_is_masked_in_both() {
    let mut masked = request(serde_json::json!({"model": "auto", "messages": [
        {"role": "user", "content": "Card number: 4242 4242"},
        {"role": "user", "content": "4242 4242"},
    ]}));
    masker().mask(&mut masked).unwrap();
    let text = serde_json::to_string(&masked).unwrap();
    assert!(!text.contains("4242"), "{text}");
}

#[test]
fn the_policy_blocks_or_leaves() {
    let body = serde_json::json!({"model": "auto", "messages": [
        {"role": "user", "content": "taro@example.com"}]});
    let block = Settings { mode: Mode::Block, ..Settings::default() };
    let error = Masker::new(block).unwrap().mask(&mut request(body.clone())).err().unwrap();
    assert!(matches!(error, MaskError::Blocked(ref kinds) if kinds == &[Kind::Email]));
    assert!(!error.to_string().contains("taro"));
    let off = Settings { mode: Mode::Off, ..Settings::default() };
    let mut left = request(body.clone());
    assert!(Masker::new(off).unwrap().mask(&mut left).unwrap().is_empty());
    assert_eq!(left, request(body));
}

#[test]
fn a_text_that_begins_like_a_file_is_looked_through() {
    let text = "data:text/plain;base64,aGk= mail taro@example.com";
    let body = serde_json::json!({"model": "auto", "messages": [
        {"role": "user", "content": text}]});
    let mut masked = request(body);
    assert!(!masker().mask(&mut masked).unwrap().is_empty());
    assert!(!serde_json::to_string(&masked).unwrap().contains("taro"));
}

#[test]
fn a_files_bytes_are_no_text_and_have_no_part_in_its_limit() {
    let bytes = "JVBERi0xLjQKJ".repeat(REQUEST_TEXT_BYTES_MAX / 13 + 1);
    let asked = |part: serde_json::Value| {
        let said = serde_json::json!([{"type": "text", "text": "a@example.com"}, part]);
        let message = serde_json::json!({"role": "user", "content": said});
        request(serde_json::json!({"model": "m", "messages": [message]}))
    };
    let file = |name: &str, bytes: &str| {
        asked(serde_json::json!({"type": "file", "file": {"filename": "a.pdf", name: bytes}}))
    };
    let sound = serde_json::json!({"format": "wav", "data": bytes});
    let sound = asked(serde_json::json!({"type": "input_audio", "input_audio": sound}));
    for mut request in [file("file_data", &bytes), sound] {
        assert_eq!(masker().mask(&mut request).unwrap().counts().len(), 1);
        assert!(serde_json::to_string(&request).unwrap().contains(&bytes));
    }
    for mut text in [file("of_tomorrow", &bytes), file("file_data", &"a text ".repeat(700_000))] {
        assert!(matches!(masker().mask(&mut text), Err(MaskError::TooLarge)));
    }
}

#[test]
fn a_small_files_bytes_stay_where_a_vendor_takes_bytes() {
    // Letters that look like a password's label and its value, and like a telephone number.
    let bytes = "UklGRiQA/pwd+xK9zz81qqAbCd0+09012345678/ghp/AbCdEfGhIjKlMnOpQr12345678901234=";
    let asked = |part: serde_json::Value, thoughts: serde_json::Value| {
        request(serde_json::json!({"model": "m", "messages": [
            {"role": "user", "content": [part]},
            {"role": "assistant", "content": "x", "thinking_blocks": [thoughts]}]}))
    };
    let all = |data: &str| {
        let source = serde_json::json!({"type": "base64", "media_type": "a/b", "data": data});
        let nothing = serde_json::Value::Null;
        let redacted = serde_json::json!({"type": "redacted_thinking", "data": data});
        let sound = serde_json::json!({"format": "wav", "data": data});
        let sound = serde_json::json!({"type": "input_audio", "input_audio": sound});
        let file = serde_json::json!({"filename": "a.pdf", "file_data": data});
        let file = serde_json::json!({"type": "file", "file": file});
        let document = serde_json::json!({"type": "document", "source": source});
        let text = serde_json::json!({"type": "text", "text": "x"});
        [
            asked(sound, nothing.clone()),
            asked(file, nothing.clone()),
            asked(document, nothing.clone()),
            asked(redacted.clone(), nothing),
            asked(text, redacted),
        ]
    };
    for mut request in all(bytes) {
        assert!(masker().mask(&mut request).unwrap().is_empty());
        assert!(serde_json::to_string(&request).unwrap().contains(bytes));
    }
    // What is no file's bytes is looked through there, and bytes anywhere else.
    for text in ["09012345678", "call 090-1234-5678 or so, please, as soon as you can, thank you"] {
        for mut request in all(text) {
            assert!(!masker().mask(&mut request).unwrap().is_empty(), "{text}");
        }
    }
    let text = serde_json::json!({"type": "text", "text": bytes});
    assert!(!masker().mask(&mut asked(text, serde_json::Value::Null)).unwrap().is_empty());
}

#[test]
fn own_patterns_and_allowed_values_count() {
    let settings = Settings {
        patterns: vec![r"EMP-\d{4}".into()],
        allow: vec!["info@example.com".into()],
        ..Settings::default()
    };
    let (masked, ..) =
        Masker::new(settings).unwrap().mask_text("EMP-1234 info@example.com").unwrap();
    assert_eq!(masked, "[PRIVATE_1] info@example.com");
}

#[test]
fn own_patterns_uncover_nothing() {
    let with = |kinds: &[(Kind, Mode)]| {
        let patterns = ["acme", "5678", "ACME-[0-9]+.*", "-42 [a-z]+"].map(String::from).into();
        let kinds = kinds.iter().copied().collect();
        Masker::new(Settings { patterns, kinds, ..Settings::default() }).unwrap()
    };
    let masker = with(&[]);
    for (text, masked) in [
        ("mail taro.yamada@acme.co.jp to", "mail [EMAIL_1] to"),
        ("call 090-1234-5678 now", "call [PHONE_1] now"),
        ("password: xK9#acme!zz81", "password: [SECRET_1]"),
        ("ghp_acme5678AbCdEfGhIjKlMnOpQrStUvWxYz12", "[SECRET_1]"),
        ("氏名：山田acme太郎", "氏名：[PERSON_1]"),
        ("by acme, 5678", "by [PRIVATE_1], [PRIVATE_2]"),
        ("see ACME-42 of taro@example.com", "see [PRIVATE_1]"),
        ("see ACME-42 of\nacme", "see [PRIVATE_1]\n[PRIVATE_2]"),
    ] {
        assert_eq!(masker.mask_text(text).unwrap().0, masked);
    }
    let asked = |masker: &Masker, text: &str| {
        let body =
            serde_json::json!({"model": "m", "messages": [{"role": "user", "content": text}]});
        let mut masked = request(body);
        masker.mask(&mut masked).map(|_| serde_json::to_string(&masked.messages).unwrap())
    };
    let blocked = with(&[(Kind::Email, Mode::Block)]);
    for text in ["mail taro.yamada@acme.co.jp", "see ACME-42 of taro@example.com"] {
        let refused = asked(&blocked, text);
        assert!(matches!(refused, Err(MaskError::Blocked(kinds)) if kinds == [Kind::Email]));
    }
    let off = with(&[(Kind::Custom, Mode::Off), (Kind::Secret, Mode::Off)]);
    let masked = asked(&off, "see ACME-42 of taro@example.com, pw=090-1234-5678").unwrap();
    assert!(masked.contains("see ACME-42 of [EMAIL_1], pw=[PHONE_1]"), "{masked}");
}

#[test]
fn offsets_in_code_points() {
    let text = "山田 taro@example.com";
    let spans = masker().detect(text);
    let points = code_points(text, &spans);
    let mail = points.iter().find(|span| span.kind == Kind::Email).unwrap();
    assert_eq!((mail.start, mail.end), (3, 19));
}
