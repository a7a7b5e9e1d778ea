//! Values that are encoded, and numbers beside their keys: what is masked, what comes back, and
//! what only looks like them. Must never hold a real person's data.

use super::{Kind, Masker, Mode, Settings};
use serde_json::{Value, json};

fn masker() -> Masker {
    Masker::new(Settings::default()).unwrap()
}

/// What of a text is masked, with its kind.
fn found(masker: &Masker, text: &str) -> Vec<(Kind, String)> {
    let spans = masker.detect(text);
    spans.iter().map(|span| (span.kind, text[span.start..span.end].to_owned())).collect()
}

const NAME: &str = "%E5%B1%B1%E7%94%B0%E5%A4%AA%E9%83%8E";

#[test]
fn an_encoded_value_is_found_whole_and_comes_back() {
    let masker = masker();
    for (text, kind, value) in [
        // URLs.
        (
            "https://x.example/?email=taro.y%40example.co.jp&a=1",
            Kind::Email,
            "taro.y%40example.co.jp",
        ),
        ("GET /users/taro%40example.com/orders HTTP/1.1", Kind::Email, "taro%40example.com"),
        ("mailto:taro%40example.com?subject=Hello%20there", Kind::Email, "taro%40example.com"),
        (
            "https://x.example/cb?to=taro%2Bnews%40example.com",
            Kind::Email,
            "taro%2Bnews%40example.com",
        ),
        (
            "/r?u=https%3A%2F%2Fx.example%2F%3Fm%3Da.b%2540example.com",
            Kind::Email,
            "a.b%2540example.com",
        ),
        ("a=1&tel=%2B819012345678&b=2", Kind::Phone, "%2B819012345678"),
        ("tel=090%2D1234%2D5678", Kind::Phone, "090%2D1234%2D5678"),
        ("tel=%2B81-90-1234-5678", Kind::Phone, "%2B81-90-1234-5678"),
        ("x%3D1%26phone%3D09012345678%26y%3D2", Kind::Phone, "09012345678"),
        ("/pay?card=4111%201111%201111%201111", Kind::CreditCard, "4111%201111%201111%201111"),
        // HTML.
        ("<a>taro&#64;example.com</a>", Kind::Email, "taro&#64;example.com"),
        ("<a>taro&#x40;example&#46;com</a>", Kind::Email, "taro&#x40;example&#46;com"),
        ("write to taro&commat;example.com.", Kind::Email, "taro&commat;example.com"),
        ("&lt;taro&amp;#64;example.com&gt;", Kind::Email, "taro&amp;#64;example.com"),
        ("Tel. 03&#45;3210&#45;9876", Kind::Phone, "03&#45;3210&#45;9876"),
        (
            "氏名：&#23665;&#30000;&#22826;&#37070;<br>",
            Kind::Person,
            "&#23665;&#30000;&#22826;&#37070;",
        ),
        // JSON within a text, source code.
        (
            r#"log {"name": "\u5c71\u7530\u592a\u90ce", "n": 1} end"#,
            Kind::Person,
            r"\u5c71\u7530\u592a\u90ce",
        ),
        (r#"log {"mail": "taro\u0040example.com"}"#, Kind::Email, r"taro\u0040example.com"),
        (r#"s = b"taro\x40example.com""#, Kind::Email, r"taro\x40example.com"),
        (
            r#"b'\xe5\xb1\xb1\xe7\x94\xb0\xe5\xa4\xaa\xe9\x83\x8e\xe6\xa7\x98'"#,
            Kind::Person,
            r"\xe5\xb1\xb1\xe7\x94\xb0\xe5\xa4\xaa\xe9\x83\x8e",
        ),
    ] {
        assert_eq!(found(&masker, text), [(kind, value.to_owned())], "{text}");
        let (masked, _, vault) = masker.mask_text(text).unwrap();
        assert!(!masked.contains(value), "{masked}");
        assert_eq!(vault.restore(&masked), text);
    }
}

#[test]
fn a_value_behind_a_break_is_found_alone_and_comes_back() {
    let masker = masker();
    for (kind, value) in [
        (Kind::Email, "taro@example.com"),
        (Kind::Phone, "090-1234-5678"),
        (Kind::Phone, "+81-90-1234-5678"),
        (Kind::Phone, "０３－３２１０－９８７６"),
        (Kind::CreditCard, "4111111111111111"),
        (Kind::IpAddress, "203.0.113.9"),
        (Kind::Iban, "DE89370400440532013000"),
        (Kind::Secret, "AKIAIOSFODNN7EXAMPL2"),
        (Kind::Secret, "ghp_0123456789abcdefghijABCDEFGHIJ012345"),
        (Kind::Secret, "sk_live_4eC39HqLyjWDarjtT1zdp7dc"),
    ] {
        for escape in
            ["\\n", "\\t", "\\r\\n", "\\\\n", "\\\\\\\\r", "\\u000a", "\\\\u0020", "\\x0a"]
        {
            for before in ["", "boot", "echo \"", "{\"log\":\"x", "東京"] {
                let text = format!("{before}{escape}{value}{escape}end");
                assert_eq!(found(&masker, &text), [(kind, value.to_owned())], "{text}");
                let (masked, _, vault) = masker.mask_text(&text).unwrap();
                assert_eq!(vault.restore(&masked), text);
            }
        }
    }
    // Called what it is in the same line.
    let text = r#"log "boot\npassword: xK9zz81qq ok\n個人番号: 123456789018\nend""#;
    let values = [(Kind::Secret, "xK9zz81qq"), (Kind::MyNumber, "123456789018")];
    assert_eq!(found(&masker, text), values.map(|(kind, value)| (kind, value.to_owned())));
    // JSON in JSON, twice.
    let inner = json!({"log": "boot\n090-1234-5678\n4111111111111111", "n": "山田太郎様"});
    let middle = json!({"result": inner.to_string()}).to_string();
    for text in [&middle, &json!({"result": middle}).to_string()] {
        let (masked, vault) = as_tool_result(text);
        assert_eq!(vault.counts().len(), 3, "{masked}");
        assert_eq!(vault.restore_json(&masked), *text);
    }
    let (masked, vault) = as_tool_result(&json!({"log": r"boot\ntaro@example.com"}).to_string());
    assert_eq!(masked, r#"{"log":"boot\\n[EMAIL_1]"}"#);
    assert_eq!(vault.restore_json("{\"to\":\"[EMAIL_1]\"}"), "{\"to\":\"taro@example.com\"}");
}

#[test]
fn paths_and_letters_behind_backslashes_are_nobodys() {
    let masker = masker();
    for text in [
        r"C:\new\table\report 2024\readme.txt C:\\temp\\names\\n10\\t1",
        r"\\server\nakama\tools\rates, \text{total} \tau \nu_1 \rho^2 \nabla f",
        r#"printf("%d\n%s\t%5.2f\n", a, b, c); "id\tname\tprice\n1\tapple\t120\n""#,
        r"s/\r\n/\n/g; \d+\n\w+ \t1\t2\t3 \n1700000000\n1700000001",
    ] {
        assert_eq!(found(&masker, text), [], "{text}");
    }
}

#[test]
fn a_key_of_a_url_calls_a_person() {
    let masker = masker();
    for key in ["name", "customer_name", "user[name]", "%E6%B0%8F%E5%90%8D", "shippingName"] {
        let text = format!("https://x.example/?a=%20b&{key}={NAME}&z=1");
        assert_eq!(found(&masker, &text), [(Kind::Person, NAME.to_owned())], "{text}");
    }
    let home = "%E6%9D%B1%E4%BA%AC%E9%83%BD%E6%B8%8B%E8%B0%B7%E5%8C%BA%E7%A5%9E%E5%8D%971-19-11";
    let text = format!("/order?address={home}&n=1");
    assert_eq!(found(&masker, &text), [(Kind::Address, home.to_owned())]);
    let text = "/order?name=Margaret+Whitfield&mail=m.w%40example.com&note=a%20b";
    let values = [(Kind::Person, "Margaret+Whitfield"), (Kind::Email, "m.w%40example.com")];
    assert_eq!(found(&masker, text), values.map(|(kind, value)| (kind, value.to_owned())));
    assert_eq!(found(&masker, "/order?n=1&name=Margaret+Whitfield").len(), 1);
    // What is plain beside something encoded is found as ever.
    let text = "住所は東京都渋谷区神南1-19-11%20です";
    assert_eq!(found(&masker, text).len(), 1);
}

#[test]
fn what_is_encoded_and_nobodys_is_left() {
    let masker = masker();
    let search = format!("https://x.example/search?q={NAME}+%E6%AD%8C%E8%A9%9E&hl=ja");
    let product = format!("https://x.example/item?product_name={NAME}&sku=4901234567894");
    for text in [
        search.as_str(),
        product.as_str(),
        "https://ja.wikipedia.org/wiki/%E6%B8%8B%E8%B0%B7%E5%8C%BA#%E6%AD%B4%E5%8F%B2",
        "https://shop.example/dp/B09XYZ1234?ref_=pd%5Fsbs%5F1&pd_rd_i=B0%2C1&th=1",
        "https://x.example/?utm_source=a%20b&gclid=EAIaIQobChMI0%2Db%2Dx&fbclid=IwAR0a%5Fb",
        "https://x.example/find?q=red%20shoes%20size%2042&page=2&id=1234567890123%2D4",
        "https://maps.example/@35.6581%2C139.7017,17z?entry=ttu%26x",
        "https://x.example/a%20b%20c/report%20%28final%29.pdf?v=20240701%5F12",
        "https://x.example/find?q=red+shoes+size+42&title=John+Wick+4&x=%20",
        "name = first+last; a.name=b+c; total=price+tax; x+=1; c++ && d",
        "SELECT '%40', '50%20off', \"100%25\" FROM t WHERE a LIKE '%20%'",
        "printf(\"%20s %40d %5.2f%%\\n\", a, b, c); 50%20名",
        "if (/[\\u4e00-\\u9fff\\u3040-\\u309f]/.test(s)) return \"\\u3042\";",
        "echo -e '\\x1b[31mred\\x1b[0m' \\u00e9 \\u2028 \\ud83d\\ude00",
        "<p>Tom &amp; Jerry&nbsp;&copy; 2024 &#169; &#8212; caf&eacute; &lt;b&gt; it&#39;s</p>",
        "title=\\u6771\\u4eac\\u30bf\\u30ef\\u30fc\\u306e\\u6599\\u91d1\\u8868",
        "C:\\users\\x40\\u5c and \\\\server\\u0\\x4",
    ] {
        assert_eq!(found(&masker, text), [], "{text}");
    }
}

/// The content of a tool's message as the model sees it, and the vault.
fn as_tool_result(content: &str) -> (String, super::Vault) {
    as_tool_result_with(content, &Value::Null)
}

/// The same where a tool takes these properties.
fn as_tool_result_with(content: &str, properties: &Value) -> (String, super::Vault) {
    let message = json!({"role": "tool", "tool_call_id": "c", "content": content});
    let mut request = json!({"model": "m", "messages": [message]});
    if properties.is_object() {
        let parameters = json!({"type": "object", "properties": properties});
        request["functions"] = json!([{"name": "f", "parameters": parameters}]);
    }
    let mut request = serde_json::from_value(request).unwrap();
    let vault = masker().mask(&mut request).unwrap();
    let masked = request.messages[0].content.as_ref().unwrap().texts().next().unwrap();
    (masked.to_owned(), vault)
}

#[test]
fn a_number_under_its_key_is_masked_and_is_a_number_again() {
    for record in [
        json!({"phone": 9012345678_u64, "my_number": 123456789018_u64}),
        json!({"card": 4111111111111111_u64, "faxNumber": 312345678}),
        json!({"tel_home": 312345678, "contactPhones": [9012345678_u64, 8012345678_u64]}),
        json!({"phone1": 9012345678_u64, "tel2": 312345678, "zip1": 1500041, "fax1": 312345679}),
        json!({"tel": {"home": 312345678, "work": 312345679}, "zip": {"home": 1500041}}),
        json!({"emergency_contact": 9012345678_u64, "contact_no": 312345678}),
        json!({"user": {"phoneNumber": 9012345678_u64, "ssn": 78051120, "zip_code": 600001}}),
        json!([{"携帯電話": 9012345678_u64, "口座番号": 1234567}, {"郵便番号": 1500041}]),
    ] {
        let text = record.to_string();
        let (masked, vault) = as_tool_result(&text);
        let mut numbers = masked.split(|c: char| !c.is_ascii_digit());
        assert!(numbers.all(|digits| digits.len() < 2), "{masked}");
        assert!(serde_json::from_str::<Value>(&masked).is_ok(), "{masked}");
        assert_eq!(vault.restore_json(&masked), text);
        for size in 1..8 {
            let mut restorer = vault.json_restorer();
            let characters: Vec<char> = masked.chars().collect();
            let pieces = characters.chunks(size).map(|piece| piece.iter().collect::<String>());
            let mut shown: String = pieces.map(|piece| restorer.push(&piece)).collect();
            shown.push_str(&restorer.finish());
            assert_eq!(shown, text);
        }
    }
}

#[test]
fn a_number_is_one_only_where_it_may_be() {
    let (masked, vault) = as_tool_result("{\"phone\": 9012345678}");
    assert_eq!(masked, "{\"phone\": \"[PHONE_1]\"}");
    for (said, restored) in [
        ("{\"to\":\"[PHONE_1]\"}", "{\"to\":9012345678}"),
        ("{\"to\": [\"[PHONE_1]\" , 1]}", "{\"to\": [9012345678 , 1]}"),
        ("{\"to\":\"PHONE_1\"}", "{\"to\":9012345678}"),
        ("{\"to\":[PHONE_1]}", "{\"to\":9012345678}"),
        ("\"[PHONE_1]\"", "9012345678"),
        // Within more, and as a name.
        ("{\"to\":\"tel [PHONE_1]\"}", "{\"to\":\"tel 9012345678\"}"),
        ("{\"to\":\"\\\"[PHONE_1]\\\"\"}", "{\"to\":\"\\\"9012345678\\\"\"}"),
        ("{\"to\":\"\\\"[PHONE_1]\"}", "{\"to\":\"\\\"9012345678\"}"),
        ("{\"[PHONE_1]\" : 1}", "{\"9012345678\" : 1}"),
        ("{\"a\":\"[PHONE_2]\",\"b\":\"", "{\"a\":\"[PHONE_2]\",\"b\":\""),
    ] {
        assert_eq!(vault.restore_json(said), restored);
        let mut restorer = vault.json_restorer();
        let one_by_one = said.chars().map(|character| restorer.push(&character.to_string()));
        let shown = one_by_one.collect::<String>() + &restorer.finish();
        assert_eq!(shown, restored);
    }
    // Where there is a schema, only in a field that it wants to be a number.
    let properties = json!({"to": {"type": "integer"}, "電話": {"type": "string"},
        "all": {"type": "array", "items": {"type": "integer"}}});
    let (_, told) = as_tool_result_with("{\"phone\": 9012345678}", &properties);
    for (said, restored) in [
        ("{\"to\":\"[PHONE_1]\"}", "{\"to\":9012345678}"),
        ("{\"all\":[{\"x\":1},\"[PHONE_1]\"]}", "{\"all\":[{\"x\":1},9012345678]}"),
        ("{\"new\":\"[PHONE_1]\"}", "{\"new\":\"9012345678\"}"),
        ("{\"電話\":\"[PHONE_1]\"}", "{\"電話\":\"9012345678\"}"),
        ("{\"\\u96fb\\u8a71\":\"[PHONE_1]\"}", "{\"\\u96fb\\u8a71\":\"9012345678\"}"),
        ("{\"new\":[{\"to\":1},\"[PHONE_1]\"]}", "{\"new\":[{\"to\":1},\"9012345678\"]}"),
        ("[\"[PHONE_1]\"]", "[\"9012345678\"]"),
    ] {
        assert_eq!(told.restore_json(said), restored);
    }
    assert_eq!(vault.restore("\"[PHONE_1]\""), "\"9012345678\"", "a text is no JSON");
    // What was between quotes somewhere stays so.
    let (masked, vault) = as_tool_result("{\"phone\": 9012345678, \"tel\": \"9012345678\"}");
    assert_eq!(vault.restore_json(&masked), "{\"phone\": \"9012345678\", \"tel\": \"9012345678\"}");
}

#[test]
fn numbers_of_other_things_are_left() {
    for record in [
        json!({"id": 9012345678_u64, "order_id": 4111111111111111_u64, "tel": ""}),
        json!({"user_id": 123456789018_u64}),
        json!({"created": 1700000000, "timestamp": 1700000000000_u64}),
        json!({"jan": 4901234567894_u64, "isbn": 9784101010014_u64, "qty": 100000}),
        json!({"lng": 139.7017123, "bbox": [139.70171234, -35.65812345], "tel": ""}),
        json!({"mobile": true, "seed": 4078606767_u64, "lng": 139.70171, "v": 2065550147.25}),
        json!({"card": null, "jan_code": 4901234567894_u64, "tracking_number": 40000000000002_u64}),
        json!({"card": null, "product_id": 1234567890123452_u64, "ts_us": 1720000000000040_u64}),
        json!({"contact_id": 9012345678_u64, "contact_form": 312345678, "zip64": 1500041}),
        json!({"phone_id": 9012345678_u64, "mobile_sessions": 90123456}),
        json!({"price": 9012345678_u64, "tel_fee": 312345678, "電話料金": 312345678}),
        json!({"phone_model": 312345678, "cells": 1048576}),
        json!({"tweet_id": 1234567890123456789_u64, "rows": [100000, 4294967296_u64]}),
    ] {
        let (masked, vault) = as_tool_result(&record.to_string());
        assert!(vault.is_empty(), "{masked}");
    }
}

#[test]
fn no_key_hides_what_is_surely_somebodys() {
    let masker = masker();
    let (phone, card) = ("09012345678", "4111111111111111");
    for before in [
        // What follows an id in a line is not the id's.
        "user_id=1234567, ",
        "customer_id=100234, 5555555555554444, ",
        "created_at=20240101, ",
        "product_code=4901234567894,",
        "\"count\": 123456, ",
        "log_id: 202401011\n, ",
        "会員ID=100234, ",
        "{\"ids\": [1234567], \"x\": [1234567, ",
        // A telephone number or a card is what it is under any key.
        "user_id=",
        "login-id: ",
        "customer_key: ",
        "contact_at=",
        "連絡先-at: ",
        "{\"ref\": ",
        "{\"account_id\":",
        "ids=[1234567, ",
    ] {
        for value in [phone, card] {
            let text = format!("{before}{value} です");
            let found = found(&masker, &text);
            assert!(found.iter().any(|(_, found)| found == value), "{text}: {found:?}");
        }
    }
    for text in
        ["{\"カードID\": 1234567890123452}", "カードid=1234567890123452", "sent_at: +819012345678"]
    {
        assert_eq!(found(&masker, text).len(), 1, "{text}");
    }
    // With signs between its digits.
    assert_eq!(found(&masker, "tel; user_ids=206555 0147").len(), 1);
    // Within a list that its key opened, and right behind it, digits alone are nobody's.
    for text in [
        "tel; user_ids=[1234567, 2065550147]",
        "tel; user_id=2065550147",
        "tel; {\"ids\":\n[2065550147]}",
    ] {
        assert_eq!(found(&masker, text), [], "{text}");
    }
}

#[test]
fn names_of_fields_that_are_values_are_masked() {
    let text = json!({
        "taro@example.com": {"n": 1}, "090-1234-5678": 2, "4111 1111 1111 1111": 3,
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc": 4, "plain_name": 5,
    });
    let (masked, vault) = as_tool_result(&text.to_string());
    let fields: serde_json::Map<String, Value> = serde_json::from_str(&masked).unwrap();
    let names = ["[EMAIL_1]", "[PHONE_1]", "[CARD_1]", "[SECRET_1]", "plain_name"];
    assert_eq!(Vec::from_iter(fields.keys()), names);
    assert_eq!(vault.restore_json(&masked), text.to_string());
}

#[test]
fn a_placeholder_in_a_url_comes_back_as_a_url_says_it() {
    let (_, _, vault) =
        masker().mask_text("taro+x@example.com https://h/?m=jiro%40example.com").unwrap();
    for said in ["?m=%5BEMAIL_1%5D&n=%5bEMAIL_2%5d", "?m=%5BEMAIL_1%5D&n=[EMAIL_2]"] {
        let restored = "?m=taro%2Bx%40example.com&n=jiro%40example.com";
        assert_eq!(vault.restore(said), restored);
        assert_eq!(vault.restore_json(said), restored);
    }
    assert_eq!(vault.restore("100%, 5%5"), "100%, 5%5");
}

#[test]
fn what_a_policy_says_of_one_reading_holds_beside_the_other() {
    let masked = |kind, mode, text: &str| {
        let kinds = [(kind, mode)].into();
        let masker = Masker::new(Settings { kinds, ..Settings::default() }).unwrap();
        let request = json!({"model": "m", "messages": [{"role": "user", "content": text}]});
        let mut request = serde_json::from_value(request).unwrap();
        let vault = masker.mask(&mut request).ok()?;
        let text = request.messages[0].content.as_ref().unwrap().texts().next().unwrap();
        Some((text.to_owned(), vault.is_local_only()))
    };
    let (token, phone) = ("ghp_0123456789abcdefghijABCDEFGHIJ0123", "090-1234-5678");
    let log = format!("log: token={token}%40x.example");
    for (text, value) in [(&log, token), (&format!("?mail={phone}%40docomo.ne.jp"), phone)] {
        let (masked, _) = masked(Kind::Email, Mode::Off, text).unwrap();
        assert!(!masked.contains(value), "{masked}");
    }
    assert_eq!(masked(Kind::Secret, Mode::Block, &log), None);
    assert!(masked(Kind::Secret, Mode::Local, &log).unwrap().1);
}

#[test]
fn what_is_allowed_is_allowed_however_it_is_written() {
    let settings = Settings { allow: vec!["info@example.com".into()], ..Settings::default() };
    let masker = Masker::new(settings).unwrap();
    assert_eq!(found(&masker, "?m=info%40example.com"), []);
    assert_eq!(found(&masker, "info&#64;example.com"), []);
}
