//! One table row, one test and one entry in the manual for each directive.

use crate::finding::Report;
use crate::source::{Source, words};
use crate::tree::Tree;
use std::collections::{HashMap, HashSet};

const TABLE: &str = "src/config/src/directives.rs";
const MANUAL: &str = "docs/directives.md";

pub(crate) fn check(tree: &Tree, report: &mut Report) {
    let Some(table) = tree.file(TABLE) else {
        return report.fail(
            TABLE,
            1,
            "the table of directives is missing",
            "correct its place in src/tidy/src/directives.rs",
        );
    };
    let source = Source::of(table);
    let mut rows = HashMap::new();
    for literal in source.literals.iter().filter(|literal| !source.is_test(literal.line)) {
        // A row's name is a C string in its field `name`.
        let is_name =
            source.line(literal.line).is_some_and(|line| line.code.trim_start().starts_with("name: c\""));
        if !is_name || !is_directive(&literal.text) {
            continue;
        }
        if let Some(first) = rows.insert(literal.text.as_str(), literal.line) {
            report.fail(
                TABLE,
                literal.line,
                format!("directive '{}' has a row in line {first} already", literal.text),
                "keep one of them",
            );
        }
    }
    if rows.is_empty() {
        report.fail(
            TABLE,
            1,
            "no row was found",
            "a row begins with 'name: c\"Krait...\"', or src/tidy must learn its form",
        );
    }
    let mut tested = HashSet::new();
    for file in tree.under("tests/", &["py"]) {
        tested.extend(words(&file.text).map(|(_, word)| word).filter(|word| is_directive(word)));
    }
    let headings: HashMap<&str, usize> = tree.file(MANUAL).map_or_else(HashMap::new, |file| {
        file.lines().filter_map(|(number, line)| Some((line.strip_prefix("## ")?.trim(), number))).collect()
    });
    for (name, line) in &rows {
        if !tested.contains(name) {
            report.fail(
                TABLE,
                *line,
                format!("no test in tests/ names directive '{name}'"),
                "write one that shows what it does",
            );
        }
        if !headings.contains_key(name) {
            report.fail(
                TABLE,
                *line,
                format!("directive '{name}' is not in {MANUAL}"),
                "generate the page: KRAIT_WRITE_DOCS=1 cargo test -p krait-config",
            );
        }
    }
    for (name, line) in headings.iter().filter(|(name, _)| is_directive(name) && !rows.contains_key(*name)) {
        report.fail(
            MANUAL,
            *line,
            format!("directive '{name}' has no row in {TABLE}"),
            "generate the page again",
        );
    }
    check_pages(tree, &rows, report);
}

/// Directives that pages and configuration files use must exist.
fn check_pages(tree: &Tree, rows: &HashMap<&str, usize>, report: &mut Report) {
    for file in &tree.files {
        let is_configuration = file.path.starts_with("apache/") || file.is_one_of(&["conf", "load"]);
        if !is_configuration && !file.is_one_of(&["md"]) {
            continue;
        }
        for (number, line) in file.lines() {
            for (_, word) in words(line).filter(|(_, word)| is_directive(word) && !rows.contains_key(word)) {
                let (what, advice) =
                    (format!("'{word}' is no directive"), "write the name that the table has");
                if is_configuration && !file.is_one_of(&["c", "h"]) {
                    report.fail(&file.path, number, what, advice);
                } else {
                    report.warn(&file.path, number, what, advice);
                }
            }
        }
    }
}

/// `Krait` and a further word.
fn is_directive(word: &str) -> bool {
    word.strip_prefix("Krait").is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_uppercase()) && rest.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str = "Directive {\n    name: c\"KraitApp\",\n    example: \"KraitApp x\",\n},\nDirective {\n    name: c\"KraitPath\",\n}";

    #[test]
    fn a_complete_directive_passes() {
        let tree = Tree::of(&[
            (TABLE, ROWS),
            ("tests/a/test_x.py", "'KraitApp x'\nconf('KraitPath')"),
            (MANUAL, "# Directives\n## KraitApp\n## KraitPath\n"),
        ]);
        let mut report = Report::default();
        check(&tree, &mut report);
        assert_eq!(report.findings(), []);
    }

    #[test]
    fn gaps_are_found() {
        let rows = format!("{ROWS}\n    name: c\"KraitApp\",");
        let tree = Tree::of(&[
            (TABLE, &rows),
            ("tests/x.py", "KraitApps KraitPath"),
            (MANUAL, "## KraitApp\n## KraitPath\n## KraitOld"),
            ("apache/conf/krait.conf", "KraitNew on"),
        ]);
        let mut report = Report::default();
        check(&tree, &mut report);
        report.sort();
        let manual = format!("{MANUAL}:3");
        let (twice, untested) = (format!("{TABLE}:8"), format!("{TABLE}:8"));
        assert_eq!(report.places(), ["apache/conf/krait.conf:1", &manual, &manual, &twice, &untested]);
    }
}
