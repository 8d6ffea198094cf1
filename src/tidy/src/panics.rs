//! No `unwrap` and no `expect` where a panic would cost more than the request that met it.

use crate::finding::Report;
use crate::source::Source;
use crate::tree::Tree;

const FOLDERS: [&str; 4] = ["src/module/", "src/manager/", "src/spawn/", "src/protocol/"];

pub(crate) fn check(tree: &Tree, report: &mut Report) {
    for file in FOLDERS.iter().flat_map(|folder| tree.under(folder, &["rs"])) {
        for (index, line) in Source::of(file).lines.iter().enumerate().filter(|(_, line)| !line.in_test) {
            for call in [".unwrap()", ".expect("] {
                if line.code.contains(call) {
                    report.fail(
                        &file.path,
                        index + 1,
                        format!("'{call}' outside tests"),
                        "return an error that names the object and the cause",
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwraps_are_found_outside_tests() {
        let mut report = Report::default();
        let text = "a.unwrap();\nb.unwrap_or(1); // .unwrap()\nc\n    .expect(\"x\");\n#[cfg(test)]\nmod tests { d.unwrap(); }";
        check(&Tree::of(&[("src/manager/src/a.rs", text), ("src/sys/src/a.rs", "a.unwrap()")]), &mut report);
        assert_eq!(report.places(), ["src/manager/src/a.rs:1", "src/manager/src/a.rs:4"]);
    }
}
