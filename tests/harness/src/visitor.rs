//! A browser without a screen: keeps cookies, sends forms with what the page hides in them, follows
//! no redirect by itself. It judges nothing.

use crate::client::{Answer, http_without_redirects};
use crate::wait::within;
use reqwest::{Method, RequestBuilder};
use std::collections::BTreeMap;

/// One visitor of one gateway.
#[derive(Clone)]
pub struct Visitor {
    http: reqwest::Client,
    base: String,
    language: &'static str,
    site: &'static str,
    cookies: BTreeMap<String, String>,
    /// What the last page hid in its forms.
    token: String,
}

impl Visitor {
    /// Comes to an address, reading one language.
    pub fn new(base: &str, language: &'static str) -> Self {
        Self {
            http: http_without_redirects(),
            base: base.to_owned(),
            language,
            site: "same-origin",
            cookies: BTreeMap::new(),
            token: String::new(),
        }
    }

    /// The token of the last page that had one.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Sends what follows from a page of another site, as that page could.
    pub fn comes_from(&mut self, site: &'static str) {
        self.site = site;
    }

    /// Says another token from now on, as somebody who has to guess.
    pub fn forget_token(&mut self) {
        self.token = "guessed".to_owned();
    }

    /// A request with the visitor's cookies that is not sent yet.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let pairs: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.http.request(method, format!("{}{path}", self.base));
        let request = request.header("accept-language", self.language);
        request.header("sec-fetch-site", self.site).header("cookie", pairs.join("; "))
    }

    /// Sends a request, keeps the cookies of the answer.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn send(&mut self, request: RequestBuilder) -> Answer {
        let response = within("a page", request.send()).await.expect("a page");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        for line in headers.get_all("set-cookie") {
            let pair = line.to_str().unwrap().split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let text = within("a whole page", response.text()).await.expect("a whole page");
        if let Some((_, rest)) = text.split_once("name=\"token\" value=\"") {
            self.token = rest.split('"').next().unwrap_or_default().to_owned();
        }
        Answer { status, headers, text }
    }

    /// Opens a stream of events.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn follow(&self, path: &str) -> Following {
        let request = self.request(Method::GET, path);
        let response = within("a stream", request.send()).await.expect("a stream");
        Following { response, text: String::new() }
    }

    /// Opens a page.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// Sends a form, with the last page's token.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("token", &self.token).extend_pairs(fields);
        let request = self.request(Method::POST, path).body(body.finish());
        let kind = "application/x-www-form-urlencoded";
        self.send(request.header("content-type", kind)).await
    }
}

/// A stream of events that is being read. Dropping it hangs up.
pub struct Following {
    response: reqwest::Response,
    text: String,
}

impl Following {
    /// Reads until a text has come, and gives all that came before and with it.
    ///
    /// # Panics
    /// When the stream ends or is silent before that.
    pub async fn next_containing(&mut self, text: &str) -> String {
        while !self.text.contains(text) {
            let read = within("more of a stream", self.response.chunk()).await;
            let bytes = read.expect("a stream that goes on").expect("a stream without an end");
            self.text.push_str(&String::from_utf8_lossy(&bytes));
        }
        std::mem::take(&mut self.text)
    }
}
