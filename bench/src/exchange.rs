//! One request on an open connection, and its answer: read to its end, every token checked, the
//! usage compared with what the vendor has said.

use crate::cell::Answer;
use crate::load::Target;
use crate::vendor::{INPUT_TOKENS, on_its_way};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A kilobyte such as people write, with things that are to be masked.
const PROMPT: &str = "次の問い合わせに丁寧に返信してください。お客様は山田花子様で、連絡先は\
     hanako.yamada@example.jp、電話は090-1234-5678です。先週ご注文いただいた商品がまだ届いていない\
     とのことで、配送状況の確認と、今後のお届け予定日の案内を希望されています。あわせて、返品の条件と\
     返金までの日数についても質問がありました。Please answer in Japanese, keep the tone polite and \
     friendly, and do not promise a date that we can not keep. The parcel left our warehouse on \
     Monday and the carrier reports a delay because of heavy snow in the north of the country. If \
     the customer would rather cancel, explain the two steps on the order page, and tell her that \
     the money comes back within five working days. Close with our opening hours.";

/// What one answer told.
#[derive(Default)]
pub(crate) struct Told {
    /// From the request to the first token.
    pub(crate) first: Option<Duration>,
    /// Between two tokens.
    pub(crate) gaps: Vec<Duration>,
    /// From the vendor to here, of each token.
    pub(crate) ways: Vec<Duration>,
    tokens: u64,
    usage: Option<(u64, u64)>,
    done: bool,
}

/// An open connection.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    _driver: JoinSet<()>,
}

impl Connection {
    /// Opens one.
    pub(crate) async fn open(target: &Target) -> Result<Self, String> {
        let socket = TcpStream::connect(target.address).await.map_err(|error| error.to_string())?;
        socket.set_nodelay(true).map_err(|error| error.to_string())?;
        let opened = http1::handshake(TokioIo::new(socket)).await;
        let (sender, connection) = opened.map_err(|error| error.to_string())?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Its requests tell what went wrong.
            let _ = connection.await;
        });
        Ok(Self { sender, _driver: driver })
    }

    /// Asks and reads the answer to its end.
    pub(crate) async fn ask(
        &mut self,
        target: &Target,
        answer: Answer,
        number: u64,
    ) -> Result<Told, String> {
        let sent = Instant::now();
        let asked = tokio::time::timeout(PATIENCE, self.exchange(target, answer, number, sent));
        let told = asked.await.map_err(|_| "no end within a minute".to_owned())??;
        told.check(answer)?;
        Ok(told)
    }

    async fn exchange(
        &mut self,
        target: &Target,
        answer: Answer,
        number: u64,
        sent: Instant,
    ) -> Result<Told, String> {
        let request = request(target, answer, number);
        self.sender.ready().await.map_err(|error| error.to_string())?;
        let response = self.sender.send_request(request).await;
        let response = response.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        if status != 200 {
            let body = response.into_body().collect().await.map(|body| body.to_bytes());
            let body = body.unwrap_or_default();
            return Err(format!("{status}: {}", String::from_utf8_lossy(&body)));
        }
        if answer == Answer::Plain {
            let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
            return Told::of_plain(&body.to_bytes());
        }
        read_stream(response.into_body(), sent).await
    }
}

/// A number in letters: in digits it could be a card's, behind whose placeholder all questions with
/// such numbers are equal, and kept answers are free.
fn letters(mut number: u64) -> String {
    let mut letters = String::new();
    while number > 0 {
        letters.push(char::from(b'a' + u8::try_from(number % 26).unwrap_or_default()));
        number /= 26;
    }
    letters
}

fn request(target: &Target, answer: Answer, number: u64) -> Request<Full<Bytes>> {
    let model = answer.model();
    let streams = r#","stream":true,"stream_options":{"include_usage":true}"#;
    let more = if answer.is_stream() { streams } else { "" };
    let (tokens, name) = (answer.tokens(), letters(number));
    let body = format!(
        "{{\"model\":\"{model}\",\"max_tokens\":{tokens},\
         \"messages\":[{{\"role\":\"user\",\"content\":\"{name}. {PROMPT}\"}}]{more}}}"
    );
    Request::post("/v1/chat/completions")
        .header("host", target.address.to_string())
        .header("authorization", &target.authorization)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .unwrap()
}

async fn read_stream(mut body: Incoming, sent: Instant) -> Result<Told, String> {
    let (mut told, mut rest, mut last) = (Told::default(), Vec::new(), None::<Instant>);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| error.to_string())?;
        let Some(bytes) = frame.data_ref() else { continue };
        rest.extend_from_slice(bytes);
        let now = Instant::now();
        let mut read = 0;
        while let Some(end) = rest[read..].windows(2).position(|pair| pair == b"\n\n") {
            let event = std::str::from_utf8(&rest[read..read + end]).map_err(|e| e.to_string())?;
            let before = told.tokens;
            told.take_event(event)?;
            if told.tokens > before {
                match last.replace(now) {
                    None => told.first = Some(now - sent),
                    Some(last) => told.gaps.push(now - last),
                }
            }
            read += end + 2;
        }
        rest.drain(..read);
    }
    if rest.is_empty() { Ok(told) } else { Err("ends within an event".to_owned()) }
}

impl Told {
    fn of_plain(body: &[u8]) -> Result<Self, String> {
        let body = std::str::from_utf8(body).map_err(|error| error.to_string())?;
        let mut told = Self { done: true, usage: usage_of(body), ..Self::default() };
        let text = string_after(body, "\"content\":\"").ok_or("no content")?;
        for token in text.split_inclusive(' ') {
            told.take_token(token)?;
        }
        Ok(told)
    }

    fn take_event(&mut self, event: &str) -> Result<(), String> {
        let Some(data) = event.strip_prefix("data: ") else {
            return if event.starts_with(':') { Ok(()) } else { Err(format!("event: {event}")) };
        };
        if data == "[DONE]" {
            self.done = true;
        } else if data.contains("\"error\":") {
            return Err(data.to_owned());
        }
        if let Some(text) = string_after(data, "\"content\":\"") {
            for token in text.split_inclusive(' ') {
                self.take_token(token)?;
            }
        }
        self.usage = usage_of(data).or(self.usage);
        Ok(())
    }

    fn take_token(&mut self, text: &str) -> Result<(), String> {
        let way = on_its_way(text, self.tokens);
        self.ways.push(way.ok_or_else(|| format!("token {} is {text:?}", self.tokens))?);
        self.tokens += 1;
        Ok(())
    }

    fn check(&self, answer: Answer) -> Result<(), String> {
        let tokens = answer.tokens();
        if self.tokens != tokens {
            return Err(format!("{} tokens instead of {tokens}", self.tokens));
        }
        if self.usage != Some((INPUT_TOKENS, tokens)) {
            return Err(format!("usage {:?}", self.usage));
        }
        if self.done { Ok(()) } else { Err("no [DONE]".to_owned()) }
    }
}

/// The string that begins here; ours have nothing escaped in them.
fn string_after<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once('"').map(|(string, _)| string)
}

fn usage_of(text: &str) -> Option<(u64, u64)> {
    let number = |name: &str| {
        let (_, rest) = text.split_once(name)?;
        let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
        digits.parse().ok()
    };
    Some((number("\"prompt_tokens\":")?, number("\"completion_tokens\":")?))
}
