//! Resource limits of this process and what it starts (`getrlimit(2)`, `setrlimit(2)`).

use crate::check;
use std::io;

/// A limit that we set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Bytes of a core file.
    CoreFile,
    /// Number of open descriptors.
    OpenFiles,
}

impl Resource {
    const fn code(self) -> libc::__rlimit_resource_t {
        match self {
            Resource::CoreFile => libc::RLIMIT_CORE,
            Resource::OpenFiles => libc::RLIMIT_NOFILE,
        }
    }
}

/// The soft and the hard limit.
///
/// # Errors
/// `getrlimit(2)`'s.
pub fn get(resource: Resource) -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit that the call fills.
    check(unsafe { libc::getrlimit(resource.code(), &raw mut limit) })?;
    Ok((limit.rlim_cur, limit.rlim_max))
}

/// Sets both.
///
/// # Errors
/// `setrlimit(2)`'s.
pub fn set(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the pointer is to a live rlimit that the call reads.
    check(unsafe { libc::setrlimit(resource.code(), &raw const limit) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_reads_back() {
        let (soft, hard) = get(Resource::OpenFiles).unwrap();
        assert!(soft <= hard);
        set(Resource::OpenFiles, soft, hard).unwrap();
        assert_eq!(get(Resource::OpenFiles).unwrap(), (soft, hard));
    }
}
