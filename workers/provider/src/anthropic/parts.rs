//! The parts of a message as blocks: texts, images, files. A part that the API has no block for is
//! refused with its place; a block of Anthropic's own passes as it came. Nothing is ever fetched.

use crate::media::data_url;
use crate::problem;
use schemas::anthropic::{Block, KnownBlock, marks};
use schemas::error::Problem;
use schemas::openai::{Content, Part};
use serde_json::{Map, Value, json};

/// The images that the API reads.
const IMAGE_TYPES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// All parts of a content, blank texts left out.
pub(super) fn blocks(content: &Content, place: &str) -> Result<Vec<Block>, Problem> {
    Ok(slots(content, place)?.into_iter().flatten().collect())
}

/// The same, with nothing in the place of a blank text.
pub(super) fn slots(content: &Content, place: &str) -> Result<Vec<Option<Block>>, Problem> {
    match content {
        Content::Text(text) => Ok(vec![text_block(text, Map::new())]),
        Content::Parts(parts) => {
            let parts = parts.iter().enumerate();
            let block = |(number, part)| block(part, &format!("{place}.content[{number}]"));
            parts.map(block).collect()
        }
    }
}

fn block(part: &Part, place: &str) -> Result<Option<Block>, Problem> {
    match part.kind.as_str() {
        "text" => Ok(text_block(part.text.as_deref().unwrap_or_default(), marks(&part.rest))),
        "refusal" => {
            let text = part.rest.get("refusal").and_then(Value::as_str).unwrap_or_default();
            Ok(text_block(text, Map::new()))
        }
        "image_url" => image(part, place).map(Some),
        "file" => file(part, place).map(Some),
        "input_audio" => Err(problem::cannot(
            place,
            "このモデルは音声入力に対応していません。",
            "This model takes no audio.",
        )),
        _ => Ok(Some(opaque(part))),
    }
}

fn text_block(text: &str, rest: Map<String, Value>) -> Option<Block> {
    let is_blank = text.trim().is_empty();
    (!is_blank).then(|| Block::Known(KnownBlock::Text { text: text.to_owned(), rest }))
}

fn image(part: &Part, place: &str) -> Result<Block, Problem> {
    let image = part.rest.get("image_url");
    // Some clients send the address itself in the place of its object.
    let url = image.and_then(|image| image.get("url").unwrap_or(image).as_str());
    let url = url.unwrap_or_default();
    let source = match data_url(url) {
        Some((kind, data)) => {
            let kind = if kind == "image/jpg" { "image/jpeg" } else { kind.as_str() };
            if !IMAGE_TYPES.contains(&kind) {
                return Err(bad_image(place));
            }
            json!({"type": "base64", "media_type": kind, "data": data})
        }
        None if url.starts_with("https://") => json!({"type": "url", "url": url}),
        None => return Err(bad_image(place)),
    };
    Ok(Block::Known(KnownBlock::Image { source, rest: marks(&part.rest) }))
}

fn bad_image(place: &str) -> Problem {
    problem::cannot(
        format!("{place}.image_url.url"),
        "画像は https の URL か、JPEG・PNG・GIF・WebP の data: URL（base64）で指定してください。",
        "An image must be an https URL or a base64 data: URL of JPEG, PNG, GIF or WebP.",
    )
}

/// A PDF or a plain text that comes with its bytes; a file that is only named lies at another
/// vendor.
fn file(part: &Part, place: &str) -> Result<Block, Problem> {
    let file = part.rest.get("file");
    let field = |name| file.and_then(|file| file.get(name)).and_then(Value::as_str);
    let given = field("file_data").and_then(data_url);
    let Some((_, data)) = given.filter(|(kind, _)| kind == "application/pdf") else {
        return Err(problem::cannot(
            format!("{place}.file"),
            "ファイルは PDF の data: URL（base64）を file_data に入れてください。",
            "A file must be a PDF as a base64 data: URL in file_data.",
        ));
    };
    let source = json!({"type": "base64", "media_type": "application/pdf", "data": data});
    let mut block = Map::new();
    block.insert("type".into(), "document".into());
    block.insert("source".into(), source);
    if let Some(name) = field("filename") {
        block.insert("title".into(), name.into());
    }
    block.extend(marks(&part.rest));
    Ok(Block::Other(block))
}

/// A block of a kind that only Anthropic knows, which its own surface put here.
fn opaque(part: &Part) -> Block {
    let mut block = Map::new();
    block.insert("type".into(), part.kind.clone().into());
    if let Some(text) = &part.text {
        block.insert("text".into(), text.clone().into());
    }
    block.extend(part.rest.clone());
    Block::Other(block)
}
