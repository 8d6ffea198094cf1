//! The name of a user number: the local file first, then whatever else the machine knows (`getent`).

use std::fs;
use std::process::{Command, Stdio};

/// The login name of a user; `None` where there is none.
pub(crate) fn name_of(uid: u32) -> Option<String> {
    let local = fs::read_to_string("/etc/passwd").unwrap_or_default();
    find(&local, uid).or_else(|| {
        let asked = Command::new("getent").args(["passwd", &uid.to_string()]).stdin(Stdio::null()).output();
        find(&String::from_utf8(asked.ok()?.stdout).ok()?, uid)
    })
}

/// Looks through lines of `passwd(5)`.
fn find(lines: &str, uid: u32) -> Option<String> {
    lines.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        (number == uid && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_names() {
        assert_eq!(name_of(0).as_deref(), Some("root"));
        assert_eq!(name_of(4_000_000_001), None);
        let lines = "# comment\nalice:x:1000:100::/home/alice:/bin/sh\n1000:x:7:7::/:\n";
        assert_eq!(find(lines, 1000).as_deref(), Some("alice"));
        assert_eq!(find(lines, 7).as_deref(), Some("1000"));
        assert_eq!(find(lines, 100), None);
    }
}
