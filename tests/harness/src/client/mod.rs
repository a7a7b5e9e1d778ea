//! A client of the API: requests, and streams read as they come. It judges nothing; a wait that
//! never ends is a failure that says what did not come.

/// A stream's events.
mod stream;

pub use stream::{Event, EventStream};

use crate::ears;
use crate::wait::{WAIT_MAX, within};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// An answer that came whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        let parsed = serde_json::from_str(&self.text);
        parsed.unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text))
    }

    /// A header's value; empty when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The text of the first choice.
    pub fn content(&self) -> String {
        let answer = self.json();
        let content = answer["choices"][0]["message"]["content"].as_str();
        content.unwrap_or_else(|| panic!("no answer: {answer}")).to_owned()
    }

    /// `error.code`, after a look that the error object has exactly its four keys.
    pub fn error_code(&self) -> String {
        error_code(&self.json())
    }
}

/// The code of an error object that has exactly its four keys.
pub(crate) fn error_code(body: &Value) -> String {
    let error = body["error"].as_object().unwrap_or_else(|| panic!("no error: {body}"));
    let keys: Vec<&str> = error.keys().map(String::as_str).collect();
    assert_eq!(keys, ["message", "type", "param", "code"], "{body}");
    assert!(error["message"].is_string() && error["type"].is_string(), "{body}");
    assert!(error["param"].is_string() || error["param"].is_null(), "{body}");
    error["code"].as_str().expect("the code is a text").to_owned()
}

/// Somebody who calls one gateway with one key.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    secret: Option<String>,
}

impl Client {
    pub(crate) fn new(http: reqwest::Client, address: SocketAddr, secret: Option<&str>) -> Self {
        let secret = secret.map(str::to_owned);
        Self { http, base: format!("http://{address}"), secret }
    }

    /// A client of any address, such as that of a process of its own.
    pub fn of(base: &str, secret: &str) -> Self {
        Self { http: http(), base: base.to_owned(), secret: Some(secret.to_owned()) }
    }

    /// The address that it calls, without a path.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The same with another secret.
    #[must_use]
    pub fn with_secret(self, secret: &str) -> Self {
        Self { secret: Some(secret.to_owned()), ..self }
    }

    /// A request that is not sent yet.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.secret {
            Some(secret) => request.bearer_auth(secret),
            None => request,
        }
    }

    /// Sends a request and reads its answer whole.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        learn(&request);
        let response = within("an answer", request.send()).await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = within("a whole body", response.text()).await.expect("a whole body");
        ears::learn_spoken(text.as_bytes());
        Answer { status, headers, text }
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// `POST` with JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// `POST` with a body that Stripe has signed.
    pub async fn post_signed(&self, path: &str, body: String, signature: &str) -> Answer {
        let request = self.request(Method::POST, path).header("stripe-signature", signature);
        self.send(request.header("content-type", "application/json").body(body)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// A chat.
    pub async fn chat(&self, body: &Value) -> Answer {
        self.post("/v1/chat/completions", body).await
    }

    /// One question to a model, answered whole.
    pub async fn ask(&self, model: &str, question: &str) -> Answer {
        self.chat(&question_to(model, question)).await
    }

    /// A chat as a stream; `stream` is added to the body.
    pub async fn stream(&self, body: &Value) -> EventStream {
        self.stream_at("/v1/chat/completions", body).await
    }

    /// The same on another surface.
    pub async fn stream_at(&self, path: &str, body: &Value) -> EventStream {
        let mut body = body.clone();
        body["stream"] = true.into();
        EventStream::open(self.request(Method::POST, path).json(&body)).await
    }

    /// One question to a model, answered as a stream.
    pub async fn ask_stream(&self, model: &str, question: &str) -> EventStream {
        self.stream(&question_to(model, question)).await
    }
}

/// What a request says must not stand in any log.
fn learn(request: &RequestBuilder) {
    let built = request.try_clone().and_then(|request| request.build().ok());
    let body = built.as_ref().and_then(|request| request.body()).and_then(reqwest::Body::as_bytes);
    ears::learn_spoken(body.unwrap_or_default());
}

/// A chat of one question.
pub fn question_to(model: &str, question: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": question}]})
}

/// One HTTP client for a test.
pub(crate) fn http() -> reqwest::Client {
    builder().build().unwrap()
}

/// One that shows where it would be led.
pub(crate) fn http_without_redirects() -> reqwest::Client {
    builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

fn builder() -> reqwest::ClientBuilder {
    infra::net::install_cryptography();
    reqwest::Client::builder().timeout(WAIT_MAX * 2).tls_certs_only([]).no_proxy()
}
