//! What the overview pages name must exist.

use crate::finding::Report;
use crate::markdown::inline_code;
use crate::tree::Tree;

const MAP: &str = "ARCHITECTURE.md";
const PAGES: [&str; 2] = [MAP, "README.md"];

/// Where a name that begins so is a path of the tree.
const FOLDERS: [&str; 8] =
    ["src/", "apache/", "tests/", "docker/", "docs/", "bench/", "scripts/", "examples/"];

pub(crate) fn check(tree: &Tree, report: &mut Report) {
    let Some(map) = tree.file(MAP) else {
        return report.fail(
            MAP,
            1,
            "the map of the code is missing",
            "write it: bird's view, processes, code map, invariants",
        );
    };
    for page in PAGES.iter().filter_map(|path| tree.file(path)) {
        for (number, text) in inline_code(page) {
            for path in paths(text) {
                if !is_there(tree, &path) {
                    report.fail(
                        &page.path,
                        number,
                        format!("'{path}' does not exist"),
                        "name the file that is meant now",
                    );
                }
            }
        }
    }
    // And the other way round: every folder of sources is on the map.
    let mut folders: Vec<&str> = tree
        .files
        .iter()
        .filter_map(|file| file.path.strip_prefix("src/").and_then(|rest| rest.split_once('/')))
        .map(|(folder, _)| folder)
        .collect();
    folders.dedup();
    for folder in folders {
        if !map.text.contains(&format!("src/{folder}/")) {
            report.fail(
                MAP,
                1,
                format!("'src/{folder}/' is not on the map of the code"),
                "say what it is for",
            );
        }
    }
}

/// The paths in a piece of inline code; `{a,b}` stands for several, and a line number or item may follow.
fn paths(text: &str) -> Vec<String> {
    if !FOLDERS.iter().any(|folder| text.starts_with(folder)) || text.contains(char::is_whitespace) {
        return Vec::new();
    }
    let text = text.split([':', '#']).next().unwrap_or_default();
    match text.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?))) {
        Some((before, (choices, after))) => {
            choices.split(',').map(|choice| format!("{before}{}{after}", choice.trim())).collect()
        }
        None => vec![text.to_owned()],
    }
}

/// A path with `*` or `<...>` exists when something begins like it.
fn is_there(tree: &Tree, path: &str) -> bool {
    match path.split_once(['*', '<']) {
        Some((before, _)) => tree.files.iter().any(|file| file.path.starts_with(before)),
        None => tree.exists(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_nothing_are_found() {
        let map = "`src/a/x.rs` and `src/a/` and `src/a/x.rs:12`, `src/a/{x,y}.rs`\n`src/a/gone.rs` `tests/apps/*/app.py`\n\
                   `src/gone/*.rs` `make test` `src/a x`";
        let tree = Tree::of(&[
            ("ARCHITECTURE.md", map),
            ("src/a/x.rs", ""),
            ("src/a/y.rs", ""),
            ("tests/apps/b/app.py", ""),
            ("src/other/z.rs", ""),
        ]);
        let mut report = Report::default();
        check(&tree, &mut report);
        assert_eq!(report.places(), ["ARCHITECTURE.md:2", "ARCHITECTURE.md:3", "ARCHITECTURE.md:1"]);
    }

    #[test]
    fn a_missing_map_is_a_failure() {
        let mut report = Report::default();
        check(&Tree::of(&[]), &mut report);
        assert_eq!(report.failures(), 1);
    }
}
