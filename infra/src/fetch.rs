//! One large file from the web, for a model on a volume that is empty at first: whole and
//! right, or not there at all. A download that broke off goes on where it stopped. It never
//! takes a file whose checksum nobody named.

use crate::hexadecimal;
use crate::progress::{Progress, Unit};
use reqwest::header::{HeaderMap, RANGE};
use reqwest::{Client, StatusCode, redirect::Policy};
use sha2::{Digest, Sha256};
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

/// How long the server may be silent.
const SILENT_SECONDS_MAX: Duration = Duration::from_secs(60);

/// How often a download that broke off is taken up again.
const ATTEMPTS_MAX: u32 = 5;

/// The pause before the next attempt.
const ATTEMPT_PAUSE: Duration = Duration::from_secs(2);

/// What is read of a file at once to sum it up, in bytes.
const READ_BYTES: usize = 1 << 20;

/// How an address names the sum that its file has.
const SUM_MARK: &str = "#sha256=";

/// Digits of a SHA-256 in hexadecimal.
const SUM_DIGITS: usize = 64;

/// Where a model hub names it.
const SUM_HEADER: &str = "x-linked-etag";

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The web.
    #[error("{url}: {cause}")]
    Web {
        /// Where.
        url: String,
        /// Why.
        cause: String,
    },
    /// The disk.
    #[error("{file}: {cause}")]
    Disk {
        /// Which file.
        file: String,
        /// Why.
        cause: io::Error,
    },
    /// Nobody says what the file must be.
    #[error("{0} names no checksum: add #sha256=… to the address")]
    NoSum(String),
    /// What is named as a checksum is none.
    #[error("{url}: '{sum}' is no checksum: #sha256= needs 64 hexadecimal digits")]
    NoSha256 {
        /// Where.
        url: String,
        /// What is named.
        sum: String,
    },
    /// It is another file.
    #[error(
        "{url}: what arrived is not what was named, and was thrown away: its sha256 is {arrived}"
    )]
    Wrong {
        /// Where.
        url: String,
        /// The checksum of what came.
        arrived: String,
    },
}

/// Makes sure that the file is there; one that is there is left as it is.
///
/// # Errors
/// When it can't be had whole and right.
pub async fn file(address: &str, to: &Path) -> Result<(), FetchError> {
    let disk = |cause| FetchError::Disk { file: to.display().to_string(), cause };
    if tokio::fs::try_exists(to).await.map_err(disk)? {
        return Ok(());
    }
    let (url, named) = match address.split_once(SUM_MARK) {
        Some((url, sum)) => (url, Some(sum.to_ascii_lowercase())),
        None => (address, None),
    };
    let sum = match named {
        Some(sum) if is_sum(&sum) => sum,
        Some(sum) => return Err(FetchError::NoSha256 { url: url.to_owned(), sum }),
        None => told_sum(url).await?,
    };
    if let Some(folder) = to.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(disk)?;
    }
    let part = part_of(to);
    tracing::info!(%url, file = %to.display(), "downloading");
    let mut attempt = 1;
    while let Err(error) = download(url, &part).await {
        if attempt == ATTEMPTS_MAX {
            return Err(error);
        }
        attempt += 1;
        tracing::warn!(%error, attempt, "the download broke off; it goes on");
        tokio::time::sleep(ATTEMPT_PAUSE).await;
    }
    let arrived = sum_of(&part).await.map_err(disk)?;
    if arrived != sum {
        tokio::fs::remove_file(&part).await.map_err(disk)?;
        return Err(FetchError::Wrong { url: url.to_owned(), arrived });
    }
    tokio::fs::rename(&part, to).await.map_err(disk)?;
    tracing::info!(file = %to.display(), "downloaded");
    Ok(())
}

/// The name that a file has until it is whole.
fn part_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn web(url: &str) -> impl Fn(reqwest::Error) -> FetchError {
    let url = url.to_owned();
    move |error| FetchError::Web { url: url.clone(), cause: error.without_url().to_string() }
}

/// What the server itself says. It says so before it sends us on to where the bytes are.
async fn told_sum(url: &str) -> Result<String, FetchError> {
    let client = Client::builder().redirect(Policy::none()).timeout(SILENT_SECONDS_MAX);
    let client = client.build().map_err(web(url))?;
    let answer = client.head(url).send().await.map_err(web(url))?;
    sum_in(answer.headers()).ok_or_else(|| FetchError::NoSum(url.to_owned()))
}

fn sum_in(headers: &HeaderMap) -> Option<String> {
    let told = headers.get(SUM_HEADER)?.to_str().ok()?.trim_matches('"').to_ascii_lowercase();
    is_sum(&told).then_some(told)
}

fn is_sum(text: &str) -> bool {
    text.len() == SUM_DIGITS && text.chars().all(|digit| digit.is_ascii_hexdigit())
}

async fn download(url: &str, part: &Path) -> Result<(), FetchError> {
    let disk = |cause| FetchError::Disk { file: part.display().to_string(), cause };
    let options = || {
        let mut options = File::options();
        options.create(true).truncate(false).write(true);
        options
    };
    let mut out = options().open(part).await.map_err(disk)?;
    let have = out.seek(SeekFrom::End(0)).await.map_err(disk)?;
    let client = Client::builder()
        .tcp_nodelay(true)
        .connect_timeout(SILENT_SECONDS_MAX)
        .read_timeout(SILENT_SECONDS_MAX)
        .build()
        .map_err(web(url))?;
    let mut asked = client.get(url);
    if have > 0 {
        asked = asked.header(RANGE, format!("bytes={have}-"));
    }
    let mut answer = asked.send().await.map_err(web(url))?;
    match answer.status() {
        StatusCode::PARTIAL_CONTENT => {}
        // It is whole already: its sum decides.
        StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => return Ok(()),
        status if status.is_success() => {
            out.set_len(0).await.map_err(disk)?;
            out.seek(SeekFrom::Start(0)).await.map_err(disk)?;
        }
        status => {
            return Err(FetchError::Web {
                url: url.to_owned(),
                cause: format!("answered {status}"),
            });
        }
    }
    let had = if answer.status() == StatusCode::PARTIAL_CONTENT { have } else { 0 };
    let whole = answer.content_length().map_or(0, |rest| had + rest);
    let mut progress = Progress::begin("downloading", Unit::Bytes, whole);
    let mut done = had;
    while let Some(bytes) = answer.chunk().await.map_err(web(url))? {
        out.write_all(&bytes).await.map_err(disk)?;
        done += bytes.len() as u64;
        progress.at(done);
    }
    progress.end();
    out.sync_all().await.map_err(disk)
}

async fn sum_of(file: &Path) -> io::Result<String> {
    let mut file = File::open(file).await?;
    let (mut sum, mut buffer) = (Sha256::new(), vec![0; READ_BYTES]);
    loop {
        match file.read(&mut buffer).await? {
            0 => break,
            read => sum.update(&buffer[..read]),
        }
    }
    Ok(hexadecimal(&sum.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net;
    use axum::Router;
    use axum::body::Body;
    use axum::http::{HeaderMap as Headers, Response};
    use axum::routing::get;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const CONTENT: &[u8] = b"a model that is not very large";

    fn sum(of: &[u8]) -> String {
        Sha256::digest(of).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A hub; the first download breaks off after ten bytes.
    async fn hub() -> (String, Arc<AtomicUsize>) {
        net::install_cryptography();
        let (asked, counted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&asked);
        let answer = move |headers: Headers| {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            counter.fetch_add(1, Ordering::SeqCst);
            async move {
                let told = format!("\"{}\"", sum(CONTENT));
                let from = headers.get(RANGE).map(|range| range.to_str().unwrap().to_owned());
                let builder = Response::builder().header(SUM_HEADER, told);
                match from.as_deref() {
                    Some("bytes=10-") => {
                        builder.status(206).body(Body::from(&CONTENT[10..])).unwrap()
                    }
                    Some(_) => builder.status(416).body(Body::empty()).unwrap(),
                    None if number < 2 => {
                        let pieces =
                            [Ok(&CONTENT[..10]), Err(io::Error::other("the line is broken"))];
                        let body = Body::from_stream(futures::stream::iter(pieces));
                        builder.body(body).unwrap()
                    }
                    None => builder.body(Body::from(CONTENT)).unwrap(),
                }
            }
        };
        let listener = net::PromptListener::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let url = format!("http://{}/model.gguf", listener.local_address().unwrap());
        let router = Router::new().route("/model.gguf", get(answer));
        let tasks = crate::tasks::Tasks::new();
        tasks.spawn("hub", async move { axum::serve(listener, router).await });
        (url, asked)
    }

    #[tokio::test]
    async fn a_file_arrives_whole_although_the_line_breaks() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("models/model.gguf");
        let (url, asked) = hub().await;
        file(&url, &to).await.unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), CONTENT);
        assert!(!part_of(&to).exists());
        let before = asked.load(Ordering::SeqCst);
        file(&url, &to).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), before, "what is there is not asked for");
    }

    #[tokio::test]
    async fn another_file_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("model.gguf");
        let (url, _) = hub().await;
        let wrong = format!("{url}{SUM_MARK}{}", sum(b"another"));
        let error = file(&wrong, &to).await.unwrap_err().to_string();
        assert!(error.contains(&sum(CONTENT)), "{error}");
        assert!(!to.exists() && !part_of(&to).exists());
        let right = format!("{url}{SUM_MARK}{}", sum(CONTENT).to_uppercase());
        file(&right, &to).await.unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), CONTENT);
    }

    #[tokio::test]
    async fn what_is_no_sum_is_refused_before_anything_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("model.gguf");
        let (url, asked) = hub().await;
        for sum in ["", "zzz", &"0".repeat(66), &"g".repeat(64)] {
            let error = file(&format!("{url}{SUM_MARK}{sum}"), &to).await.unwrap_err();
            assert!(matches!(error, FetchError::NoSha256 { .. }), "{error}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn only_a_whole_sum_counts() {
        let mut headers = HeaderMap::new();
        assert_eq!(sum_in(&headers), None);
        headers.insert(SUM_HEADER, "\"d41d8cd98f\"".parse().unwrap());
        assert_eq!(sum_in(&headers), None);
        headers.insert(SUM_HEADER, format!("\"{}\"", sum(b"x")).parse().unwrap());
        assert_eq!(sum_in(&headers), Some(sum(b"x")));
    }
}
