//! A script's call, written right into the command that is sent. The library's own keeps each key
//! and argument apart before it does, and a request sends about a hundred of them.

use redis::aio::ConnectionLike;
use redis::{
    Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, Script, ServerErrorKind,
    ToRedisArgs,
};

/// Room for about so many arguments beside the keys.
const ARGUMENTS: usize = 24;

/// And for about so many bytes of them.
const ARGUMENT_BYTES: usize = 512;

/// A script with what it is given.
pub(super) struct Call<'a> {
    script: &'a Script,
    command: Cmd,
}

impl<'a> Call<'a> {
    /// A call with these keys, and no argument yet.
    pub(super) fn new(script: &'a Script, keys: &[impl AsRef<str>]) -> Self {
        let bytes: usize = keys.iter().map(|key| key.as_ref().len()).sum();
        let mut command = Cmd::with_capacity(keys.len() + ARGUMENTS, bytes + ARGUMENT_BYTES);
        command.arg("EVALSHA").arg(script.get_hash()).arg(keys.len());
        for key in keys {
            command.arg(key.as_ref());
        }
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
        then: Cmd,
        connection: &mut impl ConnectionLike,
    ) -> RedisResult<T> {
        let Self { script, command } = self;
        let mut both = Pipeline::with_capacity(2);
        both.atomic().add_command(command).add_command(then).ignore();
        let (answer,): (T,) = match both.query_async(connection).await {
            Err(error) if is_unknown(&error) => {
                script.load_async(connection).await?;
                both.query_async(connection).await?
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
