//! Why a call ended badly, and the exit code for it: the one place that knows both.

use std::process::ExitCode;
use thiserror::Error;

/// Why `krait` gives up. The texts name the object, the cause and what to do next.
#[derive(Debug, Error)]
pub(crate) enum CliError {
    /// The call itself is wrong: nothing was started. Exit code 2, like clap's own errors.
    #[error("{0}")]
    Usage(String),
    /// httpd or the application could not run. Exit code 1.
    #[error("{0}")]
    Failure(String),
    /// Likewise, but the reader knows already. Exit code 1.
    #[error("the reason stands above")]
    AlreadyTold,
}

impl CliError {
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        CliError::Usage(text.into())
    }

    pub(crate) fn failure(text: impl Into<String>) -> Self {
        CliError::Failure(text.into())
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            CliError::Usage(_) => ExitCode::from(2),
            CliError::Failure(_) | CliError::AlreadyTold => ExitCode::from(1),
        }
    }
}
