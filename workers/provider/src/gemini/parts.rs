//! The parts of a message: texts, images, audio, files. Bytes go inline, addresses as they are;
//! nothing is ever fetched. A part that the API has no word for is refused with its place.

use crate::media::data_url;
use crate::problem;
use schemas::error::Problem;
use schemas::openai::{Content, Part};
use serde_json::{Value, json};

/// What an address ends with when it is an image's. Gemini wants to know the type.
const IMAGES: [(&str, &str); 7] = [
    (".png", "image/png"),
    (".jpg", "image/jpeg"),
    (".jpeg", "image/jpeg"),
    (".webp", "image/webp"),
    (".gif", "image/gif"),
    (".heic", "image/heic"),
    (".heif", "image/heif"),
];

/// All parts of a content, empty texts left out.
pub(super) fn parts(content: &Content, place: &str) -> Result<Vec<Value>, Problem> {
    match content {
        Content::Text(text) => Ok(self::text(text).into_iter().collect()),
        Content::Parts(parts) => {
            let mut all = Vec::with_capacity(parts.len());
            for (number, part) in parts.iter().enumerate() {
                all.extend(self::part(part, &format!("{place}.content[{number}]"))?);
            }
            Ok(all)
        }
    }
}

fn part(part: &Part, place: &str) -> Result<Option<Value>, Problem> {
    match part.kind.as_str() {
        "text" => Ok(text(part.text.as_deref().unwrap_or_default())),
        "refusal" => Ok(text(part.rest.get("refusal").and_then(Value::as_str).unwrap_or_default())),
        "image_url" => image(part, place).map(Some),
        "input_audio" => audio(part, place).map(Some),
        "file" => file(part, place).map(Some),
        _ => Err(problem::cannot(
            place,
            "このモデルでは使えない種類のパートです。",
            "This model takes no part of that type.",
        )),
    }
}

fn text(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| json!({"text": text}))
}

fn inline(kind: &str, data: &str) -> Value {
    json!({"inlineData": {"mimeType": kind, "data": data}})
}

fn image(part: &Part, place: &str) -> Result<Value, Problem> {
    let image = part.rest.get("image_url");
    // Some clients send the address itself in the place of its object.
    let url = image.and_then(|image| image.get("url").unwrap_or(image).as_str());
    let url = url.unwrap_or_default();
    if let Some((kind, data)) = data_url(url) {
        let kind = if kind == "image/jpg" { "image/jpeg" } else { kind.as_str() };
        return Ok(inline(kind, data));
    }
    if !url.starts_with("https://") && !url.starts_with("gs://") {
        return Err(problem::cannot(
            format!("{place}.image_url.url"),
            "画像は https の URL か data: URL（base64）で指定してください。",
            "An image must be an https URL or a base64 data: URL.",
        ));
    }
    let path = url.split(['?', '#']).next().unwrap_or(url).to_ascii_lowercase();
    let mut data = json!({"fileUri": url});
    if let Some((_, kind)) = IMAGES.iter().find(|(end, _)| path.ends_with(end)) {
        data["mimeType"] = (*kind).into();
    }
    Ok(json!({"fileData": data}))
}

fn audio(part: &Part, place: &str) -> Result<Value, Problem> {
    let field = |name| {
        part.rest.get("input_audio").and_then(|audio| audio.get(name)).and_then(Value::as_str)
    };
    match (field("data"), field("format")) {
        (Some(data), Some(format)) if format.chars().all(|c| c.is_ascii_alphanumeric()) => {
            Ok(inline(&format!("audio/{format}"), data))
        }
        _ => Err(problem::cannot(
            format!("{place}.input_audio"),
            "input_audio には data（base64）と format を入れてください。",
            "'input_audio' needs data (base64) and format.",
        )),
    }
}

fn file(part: &Part, place: &str) -> Result<Value, Problem> {
    let data = part.rest.get("file").and_then(|file| file.get("file_data")).and_then(Value::as_str);
    match data.and_then(data_url) {
        Some((kind, data)) => Ok(inline(&kind, data)),
        None => Err(problem::cannot(
            format!("{place}.file"),
            "ファイルは data: URL（base64）を file_data に入れてください。",
            "A file must come as a base64 data: URL in file_data.",
        )),
    }
}
