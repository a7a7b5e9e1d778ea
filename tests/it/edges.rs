//! The edges of HTTP: packed bodies, both versions, browsers, reused connections, and bodies that
//! nobody sends in good faith. Whatever comes, the answer is JSON and the server lives.

use harness::client::question_to;
use harness::{Answer, World, within};
use reqwest::{Method, Version};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CHAT: &str = "/v1/chat/completions";

/// Bytes packed as gzip, without making them smaller.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let size = u16::try_from(bytes.len()).unwrap();
    packed.push(1);
    packed.extend(size.to_le_bytes());
    packed.extend((!size).to_le_bytes());
    packed.extend(bytes);
    let mut check = u32::MAX;
    for byte in bytes {
        check ^= u32::from(*byte);
        for _ in 0..8 {
            check = (check >> 1) ^ (0xEDB8_8320 & (check & 1).wrapping_neg());
        }
    }
    packed.extend((!check).to_le_bytes());
    packed.extend(u32::from(size).to_le_bytes());
    packed
}

#[tokio::test]
async fn a_packed_body_is_unpacked_within_its_limit() {
    let world =
        World::builder().config(|config| config.gateway.body_bytes_max = 10_000).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let send = async |encoding: &str, body: Vec<u8>| {
        let request = client.request(Method::POST, CHAT).header("content-encoding", encoding);
        client.send(request.header("content-type", "application/json").body(body)).await
    };
    let plain = question_to("fast", "こんにちは🙂").to_string().into_bytes();
    let answer = send("gzip", gzip(&plain)).await;
    assert_eq!(
        (answer.status, answer.content().as_str()),
        (200, "こんにちは🙂"),
        "{}",
        answer.text
    );
    let large = question_to("fast", &"x".repeat(20_000)).to_string().into_bytes();
    assert_eq!(send("gzip", gzip(&large)).await.error_code(), "payload_too_large");
    let mut broken = gzip(&plain);
    broken.truncate(plain.len() / 2);
    assert_eq!(send("gzip", broken).await.error_code(), "invalid_request");
    assert_eq!(send("gzip", plain.clone()).await.error_code(), "invalid_request");
    for same in ["GZIP", "x-gzip", "X-Gzip"] {
        assert_eq!(send(same, gzip(&plain)).await.status, 200, "{same}");
    }
    for unknown in ["br", "deflate", "gzip, gzip"] {
        let refused = send(unknown, plain.clone()).await;
        assert_eq!(
            (refused.status, refused.error_code().as_str()),
            (415, "unsupported_media_type")
        );
        assert!(refused.header("x-request-id").starts_with("req_"));
    }
    assert_eq!(send("identity", plain).await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn both_versions_of_http_are_spoken() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let builder = reqwest::Client::builder().tls_certs_only([]).no_proxy();
    let newer = builder.http2_prior_knowledge().build().unwrap();
    for streamed in [false, true] {
        let mut body = question_to("fast", "こんにちは🙂");
        body["stream"] = streamed.into();
        let request = newer.post(format!("{}{CHAT}", client.base())).bearer_auth(&key.secret);
        let answer = within("an answer", request.json(&body).send()).await.unwrap();
        assert_eq!((answer.version(), answer.status().as_u16()), (Version::HTTP_2, 200));
        let text = within("its body", answer.text()).await.unwrap();
        assert_eq!(text.ends_with("data: [DONE]\n\n"), streamed, "{text}");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_browser_on_another_site_may_call() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let ask = client
        .request(Method::OPTIONS, CHAT)
        .header("origin", "https://app.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type,x-stainless-os");
    let allowed = client.send(ask).await;
    assert!((200..300).contains(&allowed.status), "{}", allowed.status);
    assert_eq!(allowed.header("access-control-allow-origin"), "*");
    let headers = allowed.header("access-control-allow-headers").to_ascii_lowercase();
    assert!(headers.contains("authorization") && headers.contains("x-stainless-os"), "{headers}");
    for body in [question_to("fast", "x"), question_to("nobody", "x")] {
        let request = client.request(Method::POST, CHAT).header("origin", "https://app.example");
        let answer = client.send(request.json(&body)).await;
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        let exposed = answer.header("access-control-expose-headers").to_ascii_lowercase();
        for name in ["x-request-id", "x-fly-cost-usd", "x-fly-dropped-params", "retry-after-ms"] {
            assert!(exposed.contains(name), "{name}: {exposed}");
        }
    }
    // No page has to do with the operator's routes.
    for path in ["/api/keys", "/api/accounts/a", "/api/workers", "/api/feedback"] {
        for method in [Method::GET, Method::OPTIONS] {
            let ask = client.request(method, path).header("origin", "https://app.example");
            let answer = client.send(ask.header("access-control-request-method", "GET")).await;
            assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn other_methods_get_json_and_no_5xx() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    for path in [CHAT, "/v1/embeddings", "/v1/messages", "/v1/completions", "/v1/responses"] {
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = client.send(client.request(method.clone(), path)).await;
            assert_eq!(answer.status, 405, "{method} {path}: {}", answer.text);
            assert!(answer.json()["error"].is_object(), "{method} {path}: {}", answer.text);
        }
        for method in [Method::HEAD, Method::OPTIONS] {
            let answer = client.send(client.request(method.clone(), path)).await;
            assert!(answer.status < 500, "{method} {path}: {}", answer.status);
        }
    }
    let head = client.send(client.request(Method::HEAD, "/v1/models")).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    world.finish().await;
}

#[tokio::test]
async fn bodies_of_bad_faith_harm_nobody() {
    let world = World::start().await;
    let key = world.key(10_000_000).await;
    let client = world.client(&key);
    let post = async |body: Vec<u8>| -> Answer {
        let request = client.request(Method::POST, CHAT).header("content-type", "application/json");
        client.send(request.body(body)).await
    };
    let message = |text: &str| {
        format!("{{\"model\":\"fast\",\"messages\":[{{\"role\":\"user\",\"content\":{text}}}]}}")
    };
    let mut invalid = message("\"~~\"").into_bytes();
    invalid.iter_mut().filter(|byte| **byte == b'~').for_each(|byte| *byte = 0xff);
    let bodies: Vec<Vec<u8>> = vec![
        message("\"\\ud800\"").into(),
        message("\"\\u0000 \\udc00\\ud800\"").into(),
        message("5").into(),
        message("[5]").into(),
        message("{}").into(),
        "[".repeat(200_000).into(),
        format!("{}1{}", "{\"a\":".repeat(50_000), "}".repeat(50_000)).into(),
        message(&format!("{}1{}", "[".repeat(1_000), "]".repeat(1_000))).into(),
        invalid,
        question_to(&"m".repeat(10_000), "x").to_string().into(),
        question_to("fast\r\nx-injected: 1", "x").to_string().into(),
        question_to("auto\u{0}", "x").to_string().into(),
        json!({"model": "fast", "messages": {"role": "user"}}).to_string().into(),
        json!({"model": "fast", "messages": [null]}).to_string().into(),
        json!({"model": ["fast"], "messages": []}).to_string().into(),
        b"1e999999".to_vec(),
    ];
    for (number, body) in bodies.into_iter().enumerate() {
        let answer = post(body).await;
        assert!(answer.status < 500, "{number}: {} {}", answer.status, answer.text);
        assert_eq!(answer.header("x-injected"), "");
        assert!(answer.json().is_object(), "{number}");
    }
    assert_eq!(client.ask("fast", "NUL \u{0} and 🙂").await.content(), "NUL \u{0} and 🙂");
    world.finish().await;
}

/// One connection, written and read by hand.
struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    async fn open(base: &str) -> Self {
        let address = base.trim_start_matches("http://");
        Self { stream: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }

    async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until a text has come, and takes everything up to its end.
    async fn until(&mut self, wanted: &str) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.read).into_owned();
            if let Some(place) = text.find(wanted) {
                let end = place + wanted.len();
                self.read = text.as_bytes()[end..].to_vec();
                return text[..end].to_owned();
            }
            let mut more = [0; 4096];
            let size = within(wanted, self.stream.read(&mut more)).await.unwrap();
            assert_ne!(size, 0, "the connection ended before {wanted}: {text}");
            self.read.extend_from_slice(&more[..size]);
        }
    }
}

#[tokio::test]
async fn a_connection_serves_many_requests_and_waits_for_its_bodies() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let mut raw = Raw::open(client.base()).await;
    let body: Value = question_to("fast", "x");
    let head = |more: &str| {
        let secret = &key.secret;
        format!(
            "POST {CHAT} HTTP/1.1\r\nhost: h\r\nauthorization: BEARER {secret}\r\n\
             content-type: application/json\r\n{more}\r\n"
        )
    };
    let sized = format!("content-length: {}\r\n", body.to_string().len());
    for _ in 0..3 {
        raw.write(&(head(&sized) + &body.to_string())).await;
        assert!(raw.until("\r\n\r\n").await.starts_with("HTTP/1.1 200 "));
        raw.until("\"total_tokens\":15}}").await;
    }
    raw.write(&head(&(sized + "expect: 100-continue\r\n"))).await;
    assert!(raw.until("\r\n\r\n").await.starts_with("HTTP/1.1 100 "));
    raw.write(&body.to_string()).await;
    assert!(raw.until("\r\n\r\n").await.starts_with("HTTP/1.1 200 "));
    raw.until("\"total_tokens\":15}}").await;
    let chunked = head("transfer-encoding: chunked\r\n");
    let (first, second) = (body.to_string(), String::new());
    raw.write(&format!("{chunked}{:x}\r\n{first}\r\n0\r\n{second}\r\n", first.len())).await;
    assert!(raw.until("\r\n\r\n").await.starts_with("HTTP/1.1 200 "));
    world.wait_for_ends(5, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn a_stream_is_never_packed_or_held_back() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let mut body = question_to("fast", "x");
    body["stream"] = true.into();
    let request = client.request(Method::POST, CHAT).header("accept-encoding", "gzip, br");
    let answer = client.send(request.json(&body)).await;
    assert_eq!(answer.header("content-encoding"), "");
    assert_eq!(answer.header("content-length"), "");
    assert_eq!(answer.header("x-accel-buffering"), "no");
    assert!(answer.text.ends_with("data: [DONE]\n\n"), "{}", answer.text);
    world.finish().await;
}

/// A few bytes become a hundred in memory: what nobody needs is refused before it does.
#[tokio::test]
async fn what_would_cost_much_memory_is_refused_before_it_does() {
    let world = World::start().await;
    let key = world.key(10_000_000).await;
    let client = world.client(&key);
    let post = async |beside: &str, text: &str| -> Answer {
        let message = format!(r#""messages":[{{"role":"user","content":"{text}"}}]"#);
        let body = format!(r#"{{"model":"fast",{message}{beside}}}"#);
        let request = client.request(Method::POST, CHAT).header("content-type", "application/json");
        client.send(request.body(body)).await
    };
    let pieces = |piece: &str| format!(r#","a":[{}0]"#, piece.repeat(160_000));
    // Masking is given a field's name with each of its strings.
    let name = "n".repeat(1_000);
    let named = format!(r#","{name}":[{}"x"]"#, r#""x","#.repeat(40_000));
    for (beside, text) in [
        (pieces(r#""a","#), "x"),
        (pieces("[0],"), "x"),
        (pieces(r#"{"":0},"#), "x"),
        (pieces("0,0,0,0,"), "x"),
        (named, "x"),
        (String::new(), &*"x y ".repeat(1_100_000)),
    ] {
        let answer = post(&beside, text).await;
        let told = (answer.status, answer.error_code());
        assert_eq!(told, (413, "payload_too_large".into()), "{}", answer.text);
    }
    assert_eq!(post("", "x").await.status, 200);
    // A file's bytes are no text.
    let url = ["data:image/png;base64,", &"A".repeat(5_000_000)].concat();
    let picture = json!([{"type": "image_url", "image_url": {"url": url}}]);
    let body = json!({"model": "fast", "messages": [{"role": "user", "content": picture}]});
    let answer = client.chat(&body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    world.finish().await;
}
