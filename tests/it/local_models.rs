//! Models of our own as processes: one that makes vectors beside one that writes, several workers
//! for one model, and files and machines that can't serve it.

use crate::program::{Place, send};
use crate::rakuten::HAS_LLAMA;
use harness::fetched::demo_model;
use harness::{World, wait_until, within};
use rustix::process::Signal;
use serde_json::{Value, json};

const CONFIG: &str = "
models:
  - name: writer
    pool: writer
    vendor: llama
    price: {input: 1, cached_input: 1, cache_write: 1, output: 2}
    context: 1024
    max_output: 900
    capabilities: [chat, json_schema]
    llama: {file: '${WRITER_FILE}', slots: 2}
  - name: vectors
    pool: vectors
    vendor: llama
    price: {input: 1}
    context: 512
    capabilities: [embeddings]
    llama: {file: '${VECTORS_FILE}', slots: 2}
limits: {max_tokens_per_request: 900}
";

/// Address space that holds the program and the model, and not those contexts.
const MEMORY_KIB: u64 = 3 * 1024 * 1024;

async fn place() -> Place {
    Place::with(World::vendor_alone().await, CONFIG)
}

fn file() -> String {
    demo_model().to_str().unwrap().to_owned()
}

fn question(max_tokens: u32) -> Value {
    json!({"model": "writer", "max_tokens": max_tokens, "temperature": 0,
        "messages": [{"role": "user", "content": "Tell me a very long story about Mount Fuji."}]})
}

/// A text that may not end before its tokens do.
fn long_question(max_tokens: u32) -> Value {
    let mut long = question(max_tokens);
    long["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "text",
        "schema": {"type": "string", "minLength": 5_000}}});
    long
}

#[tokio::test]
async fn a_model_that_makes_vectors_stands_beside_one_that_writes() {
    if !HAS_LLAMA {
        return;
    }
    let mut place = place().await;
    place.set("WRITER_FILE", &file());
    place.set("VECTORS_FILE", &file());
    let up = place.up().await;
    let client = up.client();
    let input = ["赤い靴", "Cheap red shoes", "cheap red shoes", "a", "b"];
    let asked = json!({"model": "vectors", "input": input});
    let answer = client.post("/v1/embeddings", &asked).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let made = answer.json();
    let vectors: Vec<Vec<f64>> = made["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| serde_json::from_value(one["embedding"].clone()).unwrap())
        .collect();
    assert_eq!(vectors.len(), input.len());
    for vector in &vectors {
        let length: f64 = vector.iter().map(|number| number * number).sum();
        assert!((length - 1.0).abs() < 1e-3 && vector.len() == vectors[0].len(), "{length}");
    }
    let tokens = made["usage"]["prompt_tokens"].as_u64().unwrap();
    assert!(tokens > 10 && made["usage"]["total_tokens"] == tokens, "{}", made["usage"]);
    let alone = json!({"model": "vectors", "input": input[1], "encoding_format": "base64"});
    let alone = client.post("/v1/embeddings", &alone).await.json();
    assert!(alone["data"][0]["embedding"].as_str().unwrap().len() > vectors[0].len() * 5);

    for (body, param) in [
        (json!({"model": "vectors", "input": "a ".repeat(3_000)}), "input"),
        (json!({"model": "vectors", "input": [1, 2, 999_999]}), "input"),
        (json!({"model": "vectors", "input": "a", "dimensions": 3}), "dimensions"),
    ] {
        let refused = client.post("/v1/embeddings", &body).await;
        assert_eq!(refused.status, 400, "{param}: {}", refused.text);
        assert_eq!(refused.json()["error"]["param"], param, "{}", refused.text);
    }
    let words = client.chat(&question(8)).await;
    assert_eq!(words.status, 200, "{}", words.text);
    let mut wrong = question(8);
    wrong["model"] = "vectors".into();
    assert_eq!(client.chat(&wrong).await.status, 400);
    // A process of its own ends when it is told to.
    place.set("NATS_URL", up.text("nats_url"));
    let serve = ["worker", "rakuten", "--config", "own.yaml", "--name", "vectors"];
    let mut alone = place.start(&serve);
    wait_until("it is known", async || client.get("/ready").await.json()["workers"] == 3).await;
    let id = alone.id().unwrap();
    if cfg!(target_os = "linux") {
        let environment = std::fs::read_to_string(format!("/proc/{id}/environ")).unwrap();
        for set in ["OMP_WAIT_POLICY=passive", "GOMP_SPINCOUNT=1000", "GGML_NO_BACKTRACE=1"] {
            assert!(environment.split('\0').any(|found| found == set), "{set}");
        }
    }
    send(id, Signal::TERM);
    let ended = within("its end", alone.wait()).await.unwrap();
    assert_eq!(ended.code(), Some(0));
    up.finish(&place).await;
}

#[tokio::test]
async fn a_second_worker_takes_what_waits_and_goes_on_when_the_first_is_killed() {
    if !HAS_LLAMA {
        return;
    }
    let mut place = place().await;
    let up = place.up().await;
    place.set("NATS_URL", up.text("nats_url"));
    let serve = ["worker", "rakuten", "--config", "own.yaml", "--name", "writer", "--model"];
    let file = file();
    let serve = [&serve[..], &[file.as_str()]].concat();
    let mut first = place.start(&serve);
    let client = up.client();
    let ready = async |workers: u64| {
        let ready = client.get("/ready").await;
        ready.status == 200 && ready.json()["workers"] == workers
    };
    wait_until("the first worker is known", async || ready(1).await).await;
    let mut running =
        [client.stream(&long_question(900)).await, client.stream(&long_question(899)).await];
    for stream in &mut running {
        stream.next_text().await;
    }
    // Both slots are taken: who comes now is answered by the second worker.
    let second = place.start(&serve);
    let answer = client.chat(&question(8)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    first.kill().await.unwrap();
    for stream in &mut running {
        stream.rest().await;
        assert_eq!(stream.error_code().as_deref(), Some("stream_interrupted"));
    }
    let answer = client.chat(&question(9)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    // `ledger check` of the end speaks with the same servers.
    drop(second);
    up.finish(&place).await;
}

/// What the children of a process have in their environment.
#[cfg(target_os = "linux")]
fn environments_of_children(parent: &Value) -> Vec<String> {
    let line = format!("PPid:\t{parent}\n");
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let is_child = |place: &std::path::PathBuf| {
        std::fs::read_to_string(place.join("status")).is_ok_and(|status| status.contains(&line))
    };
    let children = processes.filter(is_child);
    let environments = children.map(|place| std::fs::read(place.join("environ")).unwrap());
    environments.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', "\n")).collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_process_of_a_local_model_has_its_pools_user_of_nats_and_no_secret_of_up() {
    if !HAS_LLAMA {
        return;
    }
    let config = CONFIG.replace("pool: writer", "pool: rakuten");
    let mut place = Place::with(World::vendor_alone().await, &config);
    place.set("WRITER_FILE", &file());
    place.set("ADMIN_API_KEY", "told-to-nobody-but-the-gateway");
    place.set("OPENAI_API_KEY", "told-to-nobody");
    place.set("OUR_OWN_API_KEY", "told-to-nobody");
    let up = place.up().await;
    let answer = up.client().chat(&question(8)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let children = environments_of_children(&up.banner["pid"]);
    let of_workers = |child: &&String| child.contains("NATS_URL=nats://worker-rakuten:");
    assert_eq!(children.iter().filter(of_workers).count(), 1, "{children:#?}");
    assert!(children.len() >= 3, "nats-server, redis-server and the worker");
    let told = ["told-to-nobody", "NATS_URL=nats://fly-llm:", "REDIS_URL="];
    for child in &children {
        assert!(told.iter().all(|secret| !child.contains(secret)), "{child}");
    }
    up.finish(&place).await;
}

#[tokio::test]
async fn a_file_or_a_machine_that_cannot_serve_is_told_and_ends_the_worker() {
    if !HAS_LLAMA {
        return;
    }
    let mut place = place().await;
    let up = place.up().await;
    place.set("NATS_URL", up.text("nats_url"));
    let whole = std::fs::read(demo_model()).unwrap();
    std::fs::write(place.path("cut.gguf"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(place.path("other.gguf"), b"PK\x03\x04 no model").unwrap();
    let serve = ["worker", "rakuten", "--config", "own.yaml", "--name", "writer", "--model"];
    for (name, reason) in [
        ("cut.gguf", "not usable"),
        ("other.gguf", "not usable"),
        ("missing.gguf", "cannot be read"),
    ] {
        let said = place.run(&[&serve[..], &[name]].concat()).await;
        assert!(said.code.is_some_and(|code| code > 0), "{name}: {said:?}");
        assert!(said.err.contains(name) && said.err.contains(reason), "{said:?}");
    }
    let unknown = ["worker", "rakuten", "--config", "own.yaml", "--name", "nobody"];
    let said = place.run(&unknown).await;
    assert!(said.code.is_some_and(|code| code > 0) && said.err.contains("nobody"), "{said:?}");
    let lit = CONFIG.replacen("slots: 2", "slots: 2, gpu_layers: 1", 1);
    std::fs::write(place.path("own.yaml"), lit).unwrap();
    let file = file();
    let served = [&serve[..], &[file.as_str()]].concat();
    let said = place.run(&served).await;
    assert!(said.code.is_some_and(|code| code > 0), "this build has no GPU: {said:?}");
    assert!(said.err.contains("gpu_layers needs a build"), "{said:?}");
    // 64 contexts of 8,192 tokens take gigabytes. Elsewhere a shell can't limit them.
    if !cfg!(target_os = "linux") {
        return up.finish(&place).await;
    }
    let large = CONFIG.replace("context: 1024", "context: 8192").replace("slots: 2", "slots: 64");
    std::fs::write(place.path("own.yaml"), large).unwrap();
    let said = place.run_with_memory(MEMORY_KIB, &served).await;
    assert!(said.code.is_some_and(|code| code > 0), "no crash, an end: {said:?}");
    assert!(said.err.contains("may need more memory than there is"), "{said:?}");
    up.finish(&place).await;
}
