//! Our side: the engine in this process.

use std::path::Path;
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use worker_rakuten::engine::{
    CacheType, Engine, EngineOptions, Event, Form, GenerateRequest, Instructions, Sampling,
};

use crate::{CONTEXT_TOKENS, Question, SLOTS, Side, Times};

pub(crate) struct Ours {
    pub(crate) engine: Engine,
}

impl Ours {
    pub(crate) fn load(
        model: &Path,
        threads: u16,
        cache_type: CacheType,
        instructions: Option<Instructions>,
    ) -> Self {
        let options = EngineOptions {
            instructions,
            slots: SLOTS,
            context_tokens_per_slot: CONTEXT_TOKENS,
            threads: Some(threads),
            cache_type,
            ..EngineOptions::new(model)
        };
        Self { engine: Engine::load(options).unwrap() }
    }

    pub(crate) fn request(&self, question: &Question) -> GenerateRequest {
        let form = question.schema.clone().map(Form::Schema);
        // A form ends by itself; a free answer is kept from ending.
        let ends = if form.is_none() { vec![(0, -100.0), (2, -100.0)] } else { Vec::new() };
        GenerateRequest {
            sampling: Sampling { logit_bias: ends, seed: Some(1), ..Sampling::default() },
            tokens_max: Some(question.answer_tokens),
            grammar: form
                .map(|form| self.engine.constrain(form, &CancellationToken::new()).unwrap()),
            ..GenerateRequest::new(self.engine.prompt_of_tokens(&question.prompt))
        }
    }
}

impl Side for Ours {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn ask(&self, question: &Question, heard: &(dyn Fn(usize) + Sync)) -> Times {
        let request = self.request(question);
        let mut times = Times { asked: Some(Instant::now()), ..Times::default() };
        let mut events = self.engine.generate(request).unwrap();
        while let Some(event) = events.blocking_recv() {
            match event {
                Event::Text { .. } => {
                    times.pieces.push(Instant::now());
                    heard(times.pieces.len());
                }
                Event::Finished(finished) => times.tokens = finished.usage.completion_tokens,
                Event::Failed(error) => panic!("{error}"),
                _ => {}
            }
        }
        times
    }

    fn memory_mib(&self) -> f64 {
        crate::server::peak_mib("self")
    }

    fn tokens(&self, text: &str) -> Vec<i32> {
        self.engine.prompt_of_text(text).unwrap().tokens().to_vec()
    }
}
