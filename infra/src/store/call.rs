//! A script's call, written right into the command that is sent. The library's own keeps each key
//! and argument apart before it does, and a request sends about a hundred of them.

use redis::aio::ConnectionLike;
use redis::{
    Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, RedisWrite, Script,
    ServerErrorKind, ToRedisArgs,
};
use std::io;

/// Room for about so many arguments beside the keys.
const ARGUMENTS: usize = 24;

/// And for about so many bytes of them.
const ARGUMENT_BYTES: usize = 512;

/// Some of a script's keys or arguments, in one piece of memory. Two are equal when they are so
/// word for word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Words {
    bytes: Vec<u8>,
    /// Where each word ends.
    ends: Vec<usize>,
}

impl Words {
    /// None yet, with room for so many of about 64 bytes.
    pub(super) fn with_capacity(words: usize) -> Self {
        Self { bytes: Vec::with_capacity(64 * words), ends: Vec::with_capacity(words) }
    }

    /// Adds a word.
    pub(super) fn add(&mut self, word: impl ToRedisArgs) -> &mut Self {
        word.write_redis_args(self);
        self
    }

    /// How many they are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }
}

impl RedisWrite for Words {
    fn write_arg(&mut self, word: &[u8]) {
        self.bytes.extend_from_slice(word);
        self.ends.push(self.bytes.len());
    }

    fn writer_for_next_arg(&mut self) -> impl io::Write + '_ {
        Writer(self)
    }
}

/// Writes one word, which ends when this is dropped.
struct Writer<'a>(&'a mut Words);

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        self.0.ends.push(self.0.bytes.len());
    }
}

impl ToRedisArgs for Words {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let mut start = 0;
        for end in &self.ends {
            out.write_arg(self.bytes.get(start..*end).unwrap_or_default());
            start = *end;
        }
    }

    fn num_of_args(&self) -> usize {
        self.len()
    }
}

/// A script with what it is given.
pub(super) struct Call<'a> {
    script: &'a Script,
    command: Cmd,
}

impl<'a> Call<'a> {
    /// A call with these keys, and no argument yet.
    pub(super) fn new(script: &'a Script, keys: &[impl AsRef<str>]) -> Self {
        let bytes: usize = keys.iter().map(|key| key.as_ref().len()).sum();
        let mut this = Self::begin(script, keys.len(), bytes);
        for key in keys {
            this.arg(key.as_ref());
        }
        this
    }

    /// The same, with keys that lie in several pieces.
    pub(super) fn with_keys<'b>(
        script: &'a Script,
        keys: impl Iterator<Item = &'b Words> + Clone,
    ) -> Self {
        let (count, bytes) = keys
            .clone()
            .fold((0, 0), |(count, bytes), some| (count + some.len(), bytes + some.bytes.len()));
        let mut this = Self::begin(script, count, bytes);
        for some in keys {
            this.arg(some);
        }
        this
    }

    fn begin(script: &'a Script, keys: usize, bytes: usize) -> Self {
        let mut command = Cmd::with_capacity(keys + ARGUMENTS, bytes + ARGUMENT_BYTES);
        command.arg("EVALSHA").arg(script.get_hash()).arg(keys);
        Self { script, command }
    }

    /// Adds an argument.
    pub(super) fn arg(&mut self, argument: impl ToRedisArgs) -> &mut Self {
        self.command.arg(argument);
        self
    }

    /// Asks, and tells Redis the script first when it doesn't know it. In the same transaction
    /// `then` is done after it, whatever the script says, so nobody looks between them.
    pub(super) async fn ask_and<T: FromRedisValue>(
        self,
        then: impl Iterator<Item = Cmd>,
        connection: &mut impl ConnectionLike,
    ) -> RedisResult<T> {
        let Self { script, command } = self;
        let mut all = Pipeline::with_capacity(1 + then.size_hint().0);
        all.atomic().add_command(command);
        for command in then {
            all.add_command(command).ignore();
        }
        let (answer,): (T,) = match all.query_async(connection).await {
            Err(error) if is_unknown(&error) => {
                script.load_async(connection).await?;
                all.query_async(connection).await?
            }
            answer => answer?,
        };
        Ok(answer)
    }

    /// Asks, and tells Redis the script first when it doesn't know it.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        connection: &mut impl ConnectionLike,
    ) -> RedisResult<T> {
        match self.command.query_async(connection).await {
            Err(error) if is_unknown(&error) => {
                self.script.load_async(connection).await?;
                self.command.query_async(connection).await
            }
            answer => answer,
        }
    }
}

/// Whether Redis doesn't know the script.
fn is_unknown(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
