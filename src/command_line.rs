//! What can be typed. Others script against it: names and meanings stay.

use clap::builder::Styles;
use clap::builder::styling::{AnsiColor, Style};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::net::SocketAddr;
use std::path::PathBuf;

/// How help looks on a terminal; elsewhere it is plain.
const STYLES: Styles = Styles::styled()
    .header(Style::new().bold())
    .usage(Style::new().bold())
    .literal(AnsiColor::Green.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default())
    .valid(AnsiColor::Green.on_default())
    .invalid(AnsiColor::Yellow.on_default())
    .error(AnsiColor::Red.on_default().bold());

/// What scripts may rely on.
const EXIT_CODES: &str = "終了コード / Exit codes: 0 成功 done, 1 失敗 or \"no\" \
     (ledger check, healthcheck), 2 コマンドの誤り wrong command line, \
     64 設定の誤り wrong configuration or environment.";

/// 多数のLLMを一つのOpenAI互換APIで / One OpenAI-compatible API in front of many models.
#[derive(Debug, Parser)]
#[command(name = "fly-llm", version, propagate_version = true)]
#[command(styles = STYLES, after_help = EXIT_CODES)]
pub(crate) struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// 一台で全部を起動 / Everything on this machine: NATS, Redis and every role.
    Up(Up),
    /// HTTP in, jobs out, tokens back.
    Gateway(Gateway),
    /// A worker: provider, rakuten or billing.
    #[command(subcommand)]
    Worker(Worker),
    /// Checks or prints configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Makes, lists or deletes API keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Gives or shows credit.
    #[command(subcommand)]
    Credits(CreditsCommand),
    /// Checks the balances against the ledger, or rebuilds them from it.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Makes or mends the NATS streams.
    #[command(subcommand)]
    Streams(StreamsCommand),
    /// Prints what is known of vendors' models: prices, context, dates, sources.
    Models {
        /// Prints one line of JSON a model.
        #[arg(long)]
        json: bool,
    },
    /// Chooses models for chats on standard input (JSONL), without calling any.
    Route(Route),
    /// Masks texts on standard input (JSONL).
    Mask(Lines),
    /// Says which questions of a file the cache would take for one another, without calling any.
    Similar(Similar),
    /// Talks to a model from the terminal, streaming.
    Chat(Chat),
    /// Prints what completes commands in a shell: bash, zsh, fish, elvish or powershell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Exits 0 when a gateway is ready.
    Healthcheck {
        /// The URL to ask.
        #[arg(default_value = "http://127.0.0.1:8080/ready")]
        url: String,
        /// Prints the gateway's own JSON.
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    /// What a process of this command is called; a tool that ends soon is called nothing.
    pub(crate) fn role(&self) -> Option<&'static str> {
        match self {
            Self::Up(_) => Some("up"),
            Self::Gateway(_) => Some("gateway"),
            Self::Worker(Worker::Provider(_)) => Some("provider"),
            Self::Worker(Worker::Rakuten(_)) => Some("rakuten"),
            Self::Worker(Worker::Billing(_)) => Some("billing"),
            _ => None,
        }
    }
}

/// Where the configuration is.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ConfigFile {
    /// Configuration file; ./config.yaml when it is there, else the built-in default.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Where `up` keeps its data, for tools that look for a running one.
#[derive(Debug, Clone, Args)]
pub(crate) struct DataFolder {
    /// The data folder of `fly-llm up`; NATS_URL and REDIS_URL win over it.
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub(crate) data: PathBuf,
}

/// Arguments of `up`.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// The configuration.
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// Where keys, balances and streams are kept.
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub(crate) data: PathBuf,
    /// Where the API listens.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Where Prometheus reads.
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Prints the banner as one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `gateway`.
#[derive(Debug, Args)]
pub(crate) struct Gateway {
    /// The configuration.
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// Where the API listens.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Where Prometheus reads.
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics_listen: Option<SocketAddr>,
}

/// Which worker.
#[derive(Debug, Subcommand)]
pub(crate) enum Worker {
    /// Calls OpenAI, Anthropic and every OpenAI-compatible vendor.
    Provider(Plain),
    /// llama.cpp: RakutenAI-2.0-mini-instruct, or any GGUF.
    Rakuten(Rakuten),
    /// Applies ledger events to balances, and voids what nobody settled.
    Billing(Plain),
}

/// Arguments of a worker that has no others.
#[derive(Debug, Args)]
pub(crate) struct Plain {
    /// The configuration.
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// The port for Prometheus.
    #[command(flatten)]
    pub(crate) port: MetricsPort,
}

/// A worker's port, which it has only when it is told.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct MetricsPort {
    /// Where Prometheus reads, and health checks ask; nowhere unless told.
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics_listen: Option<SocketAddr>,
}

/// Arguments of `worker rakuten`.
#[derive(Debug, Args)]
pub(crate) struct Rakuten {
    /// The configuration.
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// The port for Prometheus.
    #[command(flatten)]
    pub(crate) port: MetricsPort,
    /// The configured model to serve; the first one of vendor llama when absent.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The GGUF to serve instead of the configured one.
    #[arg(long, value_name = "FILE")]
    pub(crate) model: Option<PathBuf>,
    /// Downloads the GGUF from here when its file isn't there yet.
    #[arg(long, value_name = "URL")]
    pub(crate) fetch: Option<String>,
    /// Ends when standard input ends: for a parent that may be killed.
    #[arg(long, hide = true)]
    pub(crate) end_with_parent: bool,
}

/// Arguments of `chat`.
#[derive(Debug, Args)]
pub(crate) struct Chat {
    /// What to ask; without it each line of standard input is one question of a conversation.
    pub(crate) message: Vec<String>,
    /// Which model.
    #[arg(long, short, default_value = "auto")]
    pub(crate) model: String,
    /// A system prompt.
    #[arg(long)]
    pub(crate) system: Option<String>,
    /// The API, ending in /v1; FLY_LLM_BASE_URL when absent, else a running `up`.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Prints one line of JSON for each answer.
    #[arg(long)]
    pub(crate) json: bool,
    /// Where a running `up` is.
    #[command(flatten)]
    pub(crate) data: DataFolder,
}

/// `config …`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Explains every mistake with its line.
    Check {
        /// The configuration.
        #[command(flatten)]
        config: ConfigFile,
        /// Prints one line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints the commented default.
    Default {
        /// Prints its values as one line of JSON, without comments.
        #[arg(long)]
        json: bool,
    },
    /// Prints the JSON schema for editors.
    Schema,
    /// Reads LiteLLM's config.yaml and prints ours; tells what could not be carried over.
    Import {
        /// LiteLLM's config.yaml.
        file: PathBuf,
        /// Prices and limits of models, in the format of LiteLLM's price file.
        #[arg(long, value_name = "FILE")]
        prices: Option<PathBuf>,
        /// Prints one line of JSON: the configuration, what was not carried over, what is wrong.
        #[arg(long)]
        json: bool,
    },
}

/// `keys …`
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Makes a key; its secret is shown once.
    Create {
        /// What its owner calls it.
        #[arg(long)]
        name: String,
        /// Credit for its account, in USD.
        #[arg(long, value_name = "USD")]
        credit: Option<String>,
        /// An existing account; a new one is made otherwise.
        #[arg(long)]
        account: Option<String>,
        /// Prints one line of JSON.
        #[arg(long)]
        json: bool,
        /// Where a running `up` is.
        #[command(flatten)]
        data: DataFolder,
    },
    /// Lists all live keys.
    List {
        /// Prints one line of JSON a key.
        #[arg(long)]
        json: bool,
        /// Where a running `up` is.
        #[command(flatten)]
        data: DataFolder,
    },
    /// Deletes a key.
    Delete {
        /// Its `key_id`.
        key: String,
        /// Prints one line of JSON.
        #[arg(long)]
        json: bool,
        /// Where a running `up` is.
        #[command(flatten)]
        data: DataFolder,
    },
}

/// `credits …`
#[derive(Debug, Subcommand)]
pub(crate) enum CreditsCommand {
    /// Gives credit to an account.
    Grant {
        /// The account.
        account: String,
        /// How much, in USD.
        usd: String,
        /// Why, for the statement.
        #[arg(long, default_value = "granted by the operator")]
        note: String,
        /// Names the grant, so that repeating the command gives nothing; random when absent.
        #[arg(long)]
        unique: Option<String>,
        /// Prints one line of JSON.
        #[arg(long)]
        json: bool,
        /// Where a running `up` is.
        #[command(flatten)]
        data: DataFolder,
    },
    /// Shows an account's balance.
    Show {
        /// The account.
        account: String,
        /// Prints one line of JSON.
        #[arg(long)]
        json: bool,
        /// Where a running `up` is.
        #[command(flatten)]
        data: DataFolder,
    },
}

/// `ledger …`
#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Proves that every balance is its last snapshot and the events since; else exits 1.
    Check {
        /// Reads the ledger from its beginning, and proves the snapshots, too.
        #[arg(long)]
        whole: bool,
        /// Prints one line of JSON.
        #[arg(long)]
        json: bool,
        /// Where a running `up` is.
        #[command(flatten)]
        data: DataFolder,
    },
    /// Asks Stripe for payments, refunds and disputes of the last hours, and writes what the ledger
    /// lacks: for after a backup was restored.
    Reconcile {
        /// The configuration.
        #[command(flatten)]
        config: ConfigFile,
        /// How far back, in hours; billing itself looks back 72.
        #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u64).range(1..=8_760))]
        hours: u64,
        /// Prints one line of JSON.
        #[arg(long)]
        json: bool,
        /// Where a running `up` is.
        #[command(flatten)]
        data: DataFolder,
    },
    /// Forgets all balances and has the billing worker rebuild them from the last closed month on.
    Rebuild {
        /// Rebuilds them from the ledger's beginning.
        #[arg(long)]
        whole: bool,
        /// Prints one line of JSON.
        #[arg(long)]
        json: bool,
        /// Where a running `up` is.
        #[command(flatten)]
        data: DataFolder,
    },
}

/// `streams …`
#[derive(Debug, Subcommand)]
pub(crate) enum StreamsCommand {
    /// Makes or mends all streams, buckets and consumers.
    Apply {
        /// The configuration.
        #[command(flatten)]
        config: ConfigFile,
        /// Prints one line of JSON.
        #[arg(long)]
        json: bool,
        /// Where a running `up` is.
        #[command(flatten)]
        data: DataFolder,
    },
}

/// Arguments of the tools that read lines.
#[derive(Debug, Args)]
pub(crate) struct Lines {
    /// The configuration.
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// JSONL in, JSONL out (the only form there is).
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `route`.
#[derive(Debug, Args)]
pub(crate) struct Route {
    /// What all such tools take.
    #[command(flatten)]
    pub(crate) lines: Lines,
    /// Tells what each decision took, in microseconds: the quickest of three.
    #[arg(long)]
    pub(crate) micros: bool,
}

/// Arguments of `similar`.
#[derive(Debug, Args)]
pub(crate) struct Similar {
    /// JSONL or a table with tabs and a line of names: sentence1, sentence2 and label, or prompt.
    pub(crate) file: PathBuf,
    /// The configuration.
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// From this label on two sentences mean the same.
    #[arg(long, value_name = "LABEL", default_value_t = 1.0)]
    pub(crate) same: f64,
    /// Lists every two questions of a list that would share an answer.
    #[arg(long)]
    pub(crate) distinct: bool,
    /// Prints one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }
}
