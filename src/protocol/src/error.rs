//! Why a message was refused.

/// A message that breaks the protocol. The receiver drops the conversation; nothing of the message is used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The message ends before the field that was being read.
    #[error("message ends inside its {0}")]
    Truncated(&'static str),
    /// Bytes follow the last field.
    #[error("{0} bytes follow the end of the message")]
    Trailing(usize),
    /// A length or a count is beyond its limit.
    #[error("{what} of {size} is over the limit of {limit}")]
    TooLarge {
        /// The field.
        what: &'static str,
        /// Its size as sent.
        size: usize,
        /// The limit it breaks.
        limit: usize,
    },
    /// A code that this version does not know.
    #[error("unknown {what} {code}")]
    Unknown {
        /// The field.
        what: &'static str,
        /// Its value as sent.
        code: u64,
    },
    /// A value that the field may not have.
    #[error("bad {0}")]
    Bad(&'static str),
    /// A control message that cannot be read.
    #[error("unreadable control message")]
    Control,
}
