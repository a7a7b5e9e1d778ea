//! Every way in crossed with every vendor's protocol: the same question reaches each vendor whole,
//! and the same answer comes back whole, plain and streamed, whoever gave it.

/// What vendors say, each in its own protocol.
mod said;

/// What a client reads, on each way in.
mod seen;

use harness::{Client, World};
use infra::config::{Catalogue, Config, Model};
use said::{Case, PROTOCOLS};
use schemas::catalogue::{Capability, Vendor};
use seen::{WAYS, Way};
use serde_json::{Value, json};

/// The models of the harness that stand for their vendors; Azure's is made from OpenAI's.
const MODELS: [(&str, usize); 5] =
    [("keyed", 0), ("fast", 0), ("azure", 0), ("claude", 1), ("gem", 2)];

/// A picture of one pixel.
const PICTURE: &str = "iVBORw0KGgo=";

fn with_azure(config: &mut Config) {
    let models = config.models.iter().map(|model| Model::clone(model));
    let mut models: Vec<Model> = models.collect();
    for model in &mut models {
        if ["keyed", "claude"].contains(&model.name.as_str()) {
            model.capabilities = vec![Capability::Chat, Capability::Tools, Capability::Vision];
        }
    }
    let keyed = models.iter().find(|model| model.name == "keyed").unwrap();
    let azure = Model {
        name: "azure".to_owned(),
        upstream: "azure".to_owned(),
        vendor: Vendor::Azure,
        ..keyed.clone()
    };
    models.push(azure);
    config.models = Catalogue::new(models);
}

async fn world() -> (World, Client) {
    let world = World::builder().config(with_azure).start().await;
    let key = world.key(100_000_000).await;
    let client = world.client(&key);
    (world, client)
}

#[tokio::test]
async fn an_answer_comes_back_the_same_whoever_gave_it() {
    let (world, client) = world().await;
    for case in Case::ALL {
        for way in WAYS.into_iter().filter(|way| way.can(case)) {
            for (model, protocol) in MODELS {
                let reply = PROTOCOLS[protocol];
                world.vendor().next(model, reply(case, false));
                let whole = client.post(way.path(), &way.question(model, false)).await;
                assert_eq!(whole.status, 200, "{case:?} {way:?} {model}: {}", whole.text);
                let whole = way.whole(&whole.json());
                world.vendor().next(model, reply(case, true));
                let mut stream = client.stream_at(way.path(), &way.question(model, true)).await;
                stream.rest().await;
                let told: Vec<Value> = stream.data().cloned().collect();
                let streamed = way.streamed(&told);
                assert_eq!(streamed, whole, "{case:?} {way:?} {model} as a stream");
                let mut expected = case.view(protocol);
                if way == Way::Messages {
                    expected.tokens.reasoning = 0;
                }
                assert_eq!(whole, expected, "{case:?} {way:?} {model}");
            }
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn a_question_reaches_every_vendor_whole() {
    let (world, client) = world().await;
    for way in [Way::Chat, Way::Messages, Way::Responses] {
        for (model, protocol) in MODELS {
            world.vendor().next(model, PROTOCOLS[protocol](Case::Text, false));
            let answer = client.post(way.path(), &way.full_question(model, PICTURE)).await;
            assert_eq!(answer.status, 200, "{way:?} {model}: {}", answer.text);
            let sent = world.vendor().seen().pop().unwrap().body;
            let text = sent.to_string();
            let words = ["規則です", "何が写っていますか", PICTURE, "look_up", "東京", "晴れ🌞"];
            for word in words {
                assert!(text.contains(word), "{way:?} {model}: {word} is not in {sent:#}");
            }
            assert_eq!(said::calls_and_results(protocol, &sent), (1, 1), "{way:?} {model}");
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn thoughts_and_their_signatures_go_there_and_back() {
    let (world, client) = world().await;
    world.vendor().next("claude", said::thought());
    let thinking = json!({"type": "enabled", "budget_tokens": 1_024});
    let mut body = Way::Messages.question("claude", false);
    body["max_tokens"] = 1_000.into();
    body["thinking"] = thinking;
    let first = client.post(Way::Messages.path(), &body).await.json();
    let content = &first["content"];
    assert_eq!(content[0]["thinking"], "考えます", "{first}");
    assert_eq!(content[0]["signature"], "c2lnbmF0dXJl");
    assert_eq!(content[1]["data"], "b3BhcXVl");
    world.vendor().next("claude", said::thought());
    body["messages"] = json!([
        {"role": "user", "content": "質問"},
        {"role": "assistant", "content": content},
        {"role": "user", "content": "続けて"},
    ]);
    let second = client.post(Way::Messages.path(), &body).await;
    assert_eq!(second.status, 200, "{}", second.text);
    let sent = world.vendor().seen().pop().unwrap().body;
    assert_eq!(&sent["messages"][1]["content"], content, "{sent:#}");
    world.vendor().next("claude", said::thought_in_pieces());
    body["stream"] = true.into();
    let mut stream = client.stream_at(Way::Messages.path(), &body).await;
    stream.rest().await;
    let told: Vec<Value> = stream.data().cloned().collect();
    assert_eq!(&seen::put_together(&told)["content"], content, "{told:#?}");
    world.finish().await;
}
