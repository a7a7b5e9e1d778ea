//! Whatever a request says, masking ends, nothing is changed but what was found, and it all comes
//! back. The corpus is texts with values of many kinds and what once was found.

use super::{Masker, Settings};
use fuzz::{corpus, run};
use schemas::openai::ChatRequest;
use std::path::Path;

fn cases() -> Vec<Vec<u8>> {
    corpus(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/privacy"), &[".fuzz"])
}

#[test]
fn a_text_comes_back_whatever_it_is() {
    let masker = Masker::new(Settings::default()).unwrap();
    run("text", &cases(), |case| {
        let text = String::from_utf8_lossy(case);
        let (masked, spans, vault) = masker.mask_text(&text).unwrap();
        assert_eq!(vault.restore(&masked), text);
        assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].start));
        assert!(spans.iter().all(|span| text.get(span.start..span.end).is_some()));
    });
}

#[test]
fn a_request_stays_a_request_of_the_same_shape() {
    let masker = Masker::new(Settings::default()).unwrap();
    run("request", &cases(), |case| {
        let Ok(chat) = serde_json::from_slice::<ChatRequest>(case) else { return };
        let mut masked = chat.clone();
        let vault = masker.mask(&mut masked).unwrap();
        assert_eq!(masked.messages.len(), chat.messages.len());
        let texts = |chat: &ChatRequest| -> Vec<String> {
            let contents = chat.messages.iter().filter_map(|message| message.content.as_ref());
            contents.flat_map(|content| content.texts().map(ToOwned::to_owned)).collect()
        };
        for (before, after) in texts(&chat).iter().zip(texts(&masked)) {
            // JSON inside a text is written anew: it must say the same, though numbers may be
            // strings where a schema doesn't want them.
            let json = |text: &str| {
                let says = serde_json::from_str::<serde_json::Value>(text).ok()?;
                says.is_object().then(|| says.to_string().replace('"', ""))
            };
            match (json(before), json(&vault.restore_json(&after))) {
                (Some(before), Some(after)) => assert_eq!(before, after),
                _ => assert_eq!(&vault.restore(&after), before),
            }
        }
    });
}
