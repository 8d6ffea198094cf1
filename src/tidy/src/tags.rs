//! Log tags: `KRT` and four digits, each written at one place only, so that a line of a log leads to one line of code.
//!
//! A tag is written where a text begins with it, or where the manager's log functions get its number. Elsewhere it is
//! a reference: within a text, in pages and tests, and where the comment `tag reference` says so.

use crate::finding::Report;
use crate::source::{Source, line_at};
use crate::tree::{File, Tree};
use std::collections::BTreeMap;

const MARK: &str = "tag reference";

/// The manager's functions that take a tag's number first.
const BY_NUMBER: [&str; 4] = ["log::error(", "log::warning(", "log::notice(", "log::info("];

/// The tests of the harness itself look at lines that are made up.
const MADE_UP: &str = "tests/functional/test_harness.py";

/// Where a tag stands.
type Place<'a> = (&'a str, usize);

pub(crate) fn check(tree: &Tree, report: &mut Report) {
    let mut written: BTreeMap<String, Vec<Place<'_>>> = BTreeMap::new();
    let mut references: Vec<(String, Place<'_>)> = Vec::new();
    let sources = ["src/", "apache/"].iter().flat_map(|folder| tree.under(folder, &["rs", "c", "h", "py"]));
    for file in sources.filter(|file| !file.path.starts_with("src/tidy/")) {
        read_source(file, &mut written, &mut references);
    }
    let pages = tree.files.iter().filter(|file| file.is_one_of(&["md"]));
    for file in pages.chain(tree.under("tests/", &["py"])).filter(|file| file.path != MADE_UP) {
        for (number, line) in file.lines() {
            references.extend(tags_in(line).map(|(_, tag)| (tag.to_owned(), (file.path.as_str(), number))));
        }
    }
    for (tag, places) in &written {
        if let [(first_path, first_line), others @ ..] = places.as_slice() {
            for (path, line) in others {
                report.fail(
                    path,
                    *line,
                    format!("tag {tag} is written in {first_path}:{first_line} too"),
                    format!(
                        "take a number that is free, or mark it '// {MARK}' if the line only looks for it"
                    ),
                );
            }
        }
    }
    for (tag, (path, line)) in &references {
        if !written.contains_key(tag) {
            report.fail(path, *line, format!("no line of code writes tag {tag}"), "correct the number");
        }
    }
    check_lists(tree, report);
}

fn read_source<'a>(
    file: &'a File,
    written: &mut BTreeMap<String, Vec<Place<'a>>>,
    references: &mut Vec<(String, Place<'a>)>,
) {
    let source = Source::of(file);
    for literal in source.literals.iter().filter(|literal| !source.is_test(literal.line)) {
        let place = (file.path.as_str(), literal.line);
        for (at, tag) in tags_in(&literal.text) {
            if at == 0 && !is_marked(&source, literal.line) {
                written.entry(tag.to_owned()).or_default().push(place);
            } else {
                references.push((tag.to_owned(), place));
            }
        }
    }
    if !file.path.starts_with("src/manager/") {
        return;
    }
    let code = source.code();
    for function in BY_NUMBER {
        for (at, _) in code.match_indices(function) {
            let rest = code.get(at + function.len()..).unwrap_or_default().trim_start();
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            let line = line_at(&code, at);
            if let (Ok(number), false) = (digits.parse::<u16>(), source.is_test(line)) {
                written.entry(format!("KRT{number:04}")).or_default().push((&file.path, line));
            }
        }
    }
}

/// The mark stands in the same line or the one above.
fn is_marked(source: &Source, line: usize) -> bool {
    [line, line.saturating_sub(1)]
        .iter()
        .filter_map(|number| source.line(*number))
        .any(|line| line.comment.contains(MARK))
}

/// `KRT` and exactly four digits.
fn tags_in(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices("KRT").filter_map(move |(at, _)| {
        let tag = text.get(at..at + 7)?;
        let after = text.get(at + 7..)?.chars().next();
        let is_number = tag.bytes().skip(3).all(|byte| byte.is_ascii_digit());
        (is_number && !after.is_some_and(|c| c.is_ascii_digit())).then_some((at, tag))
    })
}

/// A page that lists tags lists each once: table rows that begin with one.
fn check_lists(tree: &Tree, report: &mut Report) {
    let mut rows: BTreeMap<&str, Place<'_>> = BTreeMap::new();
    for file in tree.files.iter().filter(|file| file.is_one_of(&["md"])) {
        for (number, line) in file.lines() {
            let Some(cell) = line.trim_start().strip_prefix('|') else { continue };
            let cell = cell.split('|').next().unwrap_or_default();
            let Some((_, tag)) = tags_in(cell).next() else { continue };
            if let Some((path, first)) = rows.insert(tag, (&file.path, number)) {
                report.fail(
                    &file.path,
                    number,
                    format!("tag {tag} is listed in {path}:{first} already"),
                    "keep one row",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(files: &[(&str, &str)]) -> Vec<String> {
        let mut report = Report::default();
        check(&Tree::of(files), &mut report);
        report.places()
    }

    #[test]
    fn a_tag_is_written_once() {
        let module = "log(\"KRT0001: a\");\nlog(b\"KRT0002 see KRT0001\");\n// KRT0001\n#[cfg(test)]\nmod t { x(\"KRT0001: a\"); }";
        assert_eq!(places(&[("src/module/a.rs", module)]), [""; 0]);
        let twice = [("src/module/a.rs", module), ("apache/shim/x.c", "\nf(\"KRT0002 b\");")];
        assert_eq!(places(&twice), ["apache/shim/x.c:2"]);
    }

    #[test]
    fn the_manager_gives_numbers() {
        let manager = "log::error(\n    310,\n    &x,\n);\nlog::info(number, &x);";
        assert_eq!(
            places(&[("src/manager/src/a.rs", manager), ("src/module/b.rs", "\"KRT0310: x\"")]),
            ["src/module/b.rs:1"]
        );
        let marked = "/// Look for it. // tag reference\nconst A: &str = \"KRT0310\";";
        assert_eq!(places(&[("src/manager/src/a.rs", manager), ("src/cli/src/b.rs", marked)]), [""; 0]);
    }

    #[test]
    fn a_reference_needs_its_tag() {
        let files = [
            ("src/module/a.rs", "\"KRT0001: a, see KRT0009\""),
            ("docs/log.md", "KRT0001\nKRT0002\nKRT00011 KRT001"),
            ("tests/test_x.py", "expect('KRT0003')"),
        ];
        assert_eq!(places(&files), ["src/module/a.rs:1", "docs/log.md:2", "tests/test_x.py:1"]);
    }

    #[test]
    fn a_list_has_each_once() {
        let list = "| `KRT0001` | a |\n| KRT0002 | see KRT0001 |\n| KRT0001 | b |";
        let files = [("src/module/a.rs", "\"KRT0001: a\" \"KRT0002: b\""), ("docs/log.md", list)];
        assert_eq!(places(&files), ["docs/log.md:3"]);
    }
}
