//! Who runs the services: processes of this machine, or containers where `make test-compose`
//! asks for them. The clients see no difference.

use crate::compose::Variables;
use crate::containers::Containers;
use crate::stack::Stack;
use infra::environment::Environment;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

/// `docker` for containers.
const WHICH: &str = "FLY_LLM_COMPOSE";

/// What runs the services.
pub(crate) enum Engine {
    Processes(Stack),
    Docker(Containers),
}

/// Whether containers are asked for.
pub(crate) fn is_docker() -> bool {
    Environment::of_process().get(WHICH) == Some("docker")
}

impl Engine {
    /// Nothing runs yet; `model` is what the local model's volume holds.
    pub(crate) fn new(variables: &Variables, model: &Path) -> Self {
        if is_docker() {
            return Self::Docker(Containers::new(variables, model));
        }
        let stack = Stack::new(variables);
        let file = stack.volume("models").join("rakuten.gguf");
        let linked = std::fs::hard_link(model, &file);
        linked.or_else(|_| std::fs::copy(model, &file).map(|_| ())).unwrap();
        Self::Processes(stack)
    }

    /// Everything that has no profile, and well.
    pub(crate) async fn up(&mut self) {
        match self {
            Self::Processes(stack) => stack.up().await,
            Self::Docker(containers) => containers.up(),
        }
    }

    /// Where a container port of a service is reached, for each of its containers.
    pub(crate) fn addresses(&self, name: &str, port: u16) -> Vec<String> {
        match self {
            Self::Processes(stack) => stack.addresses(name, port),
            Self::Docker(containers) => containers.addresses(name, port),
        }
    }

    /// Runs a tool of the program beside them.
    pub(crate) async fn tool(&self, words: &[&str]) -> Output {
        match self {
            Self::Processes(stack) => stack.tool(words).await,
            Self::Docker(containers) => containers.tool(words),
        }
    }

    /// More or fewer of a service.
    pub(crate) async fn scale(&mut self, name: &str, count: usize) {
        match self {
            Self::Processes(stack) => stack.scale(name, count).await,
            Self::Docker(containers) => containers.scale(name, count),
        }
    }

    /// `kill -9` of one, and another in its place.
    pub(crate) async fn kill(&mut self, name: &str, which: usize) {
        match self {
            Self::Processes(stack) => stack.kill(name, which).await,
            Self::Docker(containers) => containers.kill(name, which),
        }
    }

    /// What each service holds of memory, in KiB; nothing where the system doesn't tell.
    pub(crate) fn memory_kib(&self) -> BTreeMap<String, u64> {
        match self {
            Self::Processes(stack) => stack.memory_kib(),
            Self::Docker(_) => BTreeMap::new(),
        }
    }

    /// What a service wrote.
    pub(crate) fn log(&self, name: &str) -> String {
        match self {
            Self::Processes(stack) => stack.log(name),
            Self::Docker(containers) => containers.log(name),
        }
    }

    /// Ends everything in good order.
    pub(crate) async fn down(self) {
        match self {
            Self::Processes(stack) => stack.down().await,
            Self::Docker(containers) => containers.down(),
        }
    }
}
