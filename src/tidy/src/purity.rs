//! The crates of pure rules do no I/O: their tests need no httpd, no Python and no root.

use crate::finding::Report;
use crate::source::Source;
use crate::tree::Tree;

const PURE: [&str; 2] = ["src/protocol/", "src/config/"];

const IMPURE: [&str; 6] = ["std::fs", "std::net", "std::process", "std::thread", "std::env", "std::os"];

pub(crate) fn check(tree: &Tree, report: &mut Report) {
    for file in PURE.iter().flat_map(|folder| tree.under(folder, &["rs"])) {
        for (index, line) in Source::of(file).lines.iter().enumerate().filter(|(_, line)| !line.in_test) {
            if let Some(what) = IMPURE.iter().find(|what| line.code.contains(*what)) {
                report.fail(
                    &file.path,
                    index + 1,
                    format!("'{what}' in a crate that does no I/O"),
                    "let the caller do it and pass what it found",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_is_found_outside_tests() {
        let mut report = Report::default();
        let text = "use std::fmt;\nuse std::fs;\n#[cfg(test)]\nmod tests { use std::fs; }";
        check(&Tree::of(&[("src/config/src/a.rs", text), ("src/sys/src/a.rs", "use std::fs;")]), &mut report);
        assert_eq!(report.places(), ["src/config/src/a.rs:2"]);
    }
}
