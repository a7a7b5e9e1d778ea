//! Their side: llama-server as a child, spoken to over loopback.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::{CONTEXT_TOKENS, Question, SLOTS, Side, Times};

pub(crate) struct Server {
    child: Child,
    address: String,
}

impl Server {
    pub(crate) fn start(program: &str, model: &Path, threads: u16) -> Self {
        let context = CONTEXT_TOKENS * u32::from(SLOTS);
        let mut child = Command::new(program)
            .arg(model)
            .args([threads.to_string(), SLOTS.to_string(), context.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("llama-server starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| Some(line.ok()?.strip_prefix("http://")?.to_owned()));
        Self { child, address: address.expect("llama-server tells its address") }
    }

    fn post(&self, path: &str, body: &Value) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        let body = body.to_string();
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        BufReader::new(stream)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Side for Server {
    fn name(&self) -> &'static str {
        "llama-server"
    }

    fn ask(&self, question: &Question, heard: &(dyn Fn(usize) + Sync)) -> Times {
        let mut body = json!({
            "prompt": question.prompt, "n_predict": question.answer_tokens, "stream": true,
            "temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05, "seed": 1,
            "cache_prompt": true, "ignore_eos": question.schema.is_none(),
        });
        if let Some(schema) = &question.schema {
            body["json_schema"] = schema.clone();
        }
        let mut times = Times { asked: Some(Instant::now()), ..Times::default() };
        for line in self.post("/completion", &body).lines() {
            let Ok(line) = line else { break };
            let Some(event) = line.strip_prefix("data: ") else { continue };
            let event: Value = serde_json::from_str(event).unwrap();
            if event["stop"] == true {
                times.tokens = event["tokens_predicted"].as_u64().unwrap() as u32;
            } else {
                times.pieces.push(Instant::now());
                heard(times.pieces.len());
            }
        }
        times
    }

    fn memory_mib(&self) -> f64 {
        peak_mib(&self.child.id().to_string())
    }

    fn tokens(&self, _: &str) -> Vec<i32> {
        Vec::new()
    }
}

/// The highest resident memory of a process, MiB.
pub(crate) fn peak_mib(process: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap() / 1024.0
}
