//! Files that one can read in one go.

use crate::finding::Report;
use crate::tree::Tree;

const EXTENSIONS: [&str; 5] = ["rs", "py", "sh", "c", "h"];

/// From here on a file wants to be two.
const WARN_ABOVE: usize = 450;
const FAIL_ABOVE: usize = 700;

/// The C between httpd and Rust has no logic, so it stays small: all of its files together.
const SHIM: &str = "apache/shim/";
const SHIM_LINES: usize = 200;

/// Files that may be long, because they are one regular table; with the reason.
const TABLES: [(&str, &str); 1] = [("src/config/src/directives.rs", "one row per directive")];

pub(crate) fn check(tree: &Tree, report: &mut Report) {
    for file in tree.files.iter().filter(|file| file.is_one_of(&EXTENSIONS)) {
        let lines = file.text.lines().count();
        if TABLES.iter().any(|(path, _)| *path == file.path) {
            continue;
        }
        let what = format!("{lines} lines");
        if lines > FAIL_ABOVE {
            report.fail(
                &file.path,
                lines,
                what,
                format!("at most {FAIL_ABOVE} are allowed: split it by what it is about"),
            );
        } else if lines > WARN_ABOVE {
            report.warn(&file.path, lines, what, format!("above {WARN_ABOVE} it may be about two things"));
        }
    }
    let shim: usize = tree.under(SHIM, &["c", "h"]).map(|file| file.text.lines().count()).sum();
    if shim > SHIM_LINES {
        report.fail(
            SHIM,
            1,
            format!("{shim} lines of C"),
            format!("at most {SHIM_LINES} are allowed: move logic into Rust"),
        );
    }
    for (path, reason) in TABLES {
        if tree.file(path).is_none() {
            report.warn(
                path,
                1,
                format!("this exception ({reason}) has no file"),
                "remove it from src/tidy/src/sizes.rs",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_are_found() {
        let (long, longer) = ("x\n".repeat(451), "x\n".repeat(701));
        let tree = Tree::of(&[
            ("a.rs", &long),
            ("b.py", &longer),
            ("c.md", &longer),
            ("d.rs", "x\n"),
            ("src/config/src/directives.rs", &longer),
        ]);
        let mut report = Report::default();
        check(&tree, &mut report);
        assert_eq!(report.places(), ["a.rs:451", "b.py:701"]);
        assert_eq!((report.failures(), report.warnings()), (1, 1));
    }

    #[test]
    fn the_shim_is_counted_as_a_whole() {
        let half = "x\n".repeat(101);
        let mut report = Report::default();
        check(&Tree::of(&[("apache/shim/a.c", &half), ("apache/shim/a.h", &half)]), &mut report);
        assert_eq!(report.failures(), 1);
    }
}
