//! Users and groups: the local files first, then whatever else the machine knows (`getent`).

use std::fs;
use std::process::{Command, Stdio};

/// A user, as far as a configuration needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

pub(crate) fn user_by_name(name: &str) -> Option<Account> {
    find("passwd", name, 0).and_then(|line| parse_user(&line))
}

pub(crate) fn user_by_uid(uid: u32) -> Option<Account> {
    find("passwd", &uid.to_string(), 2).and_then(|line| parse_user(&line))
}

pub(crate) fn group_exists(name: &str) -> bool {
    find("group", name, 0).is_some()
}

pub(crate) fn group_name(gid: u32) -> Option<String> {
    find("group", &gid.to_string(), 2).and_then(|line| line.split(':').next().map(str::to_owned))
}

/// The line of a database whose field number `field` is `key`.
fn find(database: &str, key: &str, field: usize) -> Option<String> {
    let matches = |line: &&str| !key.is_empty() && line.split(':').nth(field) == Some(key);
    let local = fs::read_to_string(format!("/etc/{database}")).unwrap_or_default();
    if let Some(line) = local.lines().find(matches) {
        return Some(line.to_owned());
    }
    let answer = Command::new("getent")
        .args([database, "--", key])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let text = String::from_utf8(answer.ok()?.stdout).ok()?;
    // `getent` takes a number for an id and a name alike.
    text.lines().find(matches).map(str::to_owned)
}

fn parse_user(line: &str) -> Option<Account> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    let _password = fields.next()?;
    Some(Account { name, uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_by_name_and_number() {
        let root = Account { name: "root".to_owned(), uid: 0, gid: 0 };
        assert_eq!(user_by_name("root"), Some(root.clone()));
        assert_eq!(user_by_uid(0), Some(root));
        assert_eq!(group_name(0).as_deref(), Some("root"));
        assert!(group_exists("root"));
    }

    #[test]
    fn nobody_is_made_up() {
        for name in ["", "0", "no such user", "root:", "--help"] {
            assert_eq!(user_by_name(name), None, "{name}");
        }
        assert_eq!(user_by_uid(4_000_000_001), None);
    }
}
