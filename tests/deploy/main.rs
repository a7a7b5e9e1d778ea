//! The files that run Fly-LLM elsewhere: Dockerfile, compose, Fly.io, Kubernetes, Prometheus,
//! Grafana. Commands in them are read by the program's own parser, names are those of the code,
//! and what compose says is run for real, as processes, from the file itself.

/// The program's own command line.
#[path = "../../src/command_line.rs"]
mod command_line;

/// Files of the repository, and what is read out of them.
#[cfg(test)]
mod files;

/// docker-compose.yml.
#[cfg(test)]
mod compose;

/// What compose's services are, checked.
#[cfg(test)]
mod compose_file;

/// The Dockerfile and the file system of its images.
#[cfg(test)]
mod image;

/// fly.toml and its siblings.
#[cfg(test)]
mod fly;

/// .env.sample and what makes .env.
#[cfg(test)]
mod env_file;

/// compose's services as processes.
#[cfg(test)]
mod stack;

/// Clients against those processes.
#[cfg(test)]
mod running;

/// Alerts and the dashboard.
#[cfg(test)]
mod monitoring;

/// The same as containers.
#[cfg(test)]
mod containers;

/// Which of the two.
#[cfg(test)]
mod engine;

/// `make test-compose` without an engine.
#[cfg(test)]
mod test_compose;

/// An OpenTelemetry collector.
#[cfg(test)]
mod collector;

/// Manifests for Kubernetes.
#[cfg(test)]
mod kubernetes;

/// A long run.
#[cfg(test)]
mod soak;

/// The list of what the program is made of.
#[cfg(test)]
mod sbom;

/// Three servers of NATS.
#[cfg(test)]
mod cluster;
