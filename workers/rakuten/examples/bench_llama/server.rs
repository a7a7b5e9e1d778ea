//! Their side: llama-server as a child, spoken to over loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::{CONTEXT_TOKENS, Question, SLOTS, Side, Times};

pub(crate) struct Server {
    child: Child,
    port: u16,
}

impl Server {
    pub(crate) fn start(program: &str, model: &Path, threads: u16) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let context = CONTEXT_TOKENS * u32::from(SLOTS);
        let child = Command::new(program)
            .args(["--host", "127.0.0.1", "--device", "none", "--model"])
            .arg(model)
            .args(["--port", &port.to_string(), "--threads", &threads.to_string()])
            .args(["--parallel", &SLOTS.to_string(), "--ctx-size", &context.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("llama-server starts");
        let server = Self { child, port };
        while server.get("/health").is_none_or(|text| !text.contains("ok")) {
            std::thread::yield_now();
        }
        server
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    }

    fn post(&self, path: &str, body: &Value) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
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
