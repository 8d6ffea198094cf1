//! Where `unsafe` may stand, and that each use says why it is sound.

use crate::finding::Report;
use crate::source::{Source, line_at, words};
use crate::tree::Tree;

/// Beginnings of paths; the whole of it is ARCHITECTURE.md's list.
const PLACES: [&str; 6] = [
    "src/module/httpd/",
    "src/module/ffi.rs",
    "src/module/ffi/",
    "src/scoreboard/",
    "src/sys/",
    "src/worker/src/glue",
];

/// How far above the keyword the reason may begin.
const LINES_ABOVE: usize = 6;

/// What the keyword begins.
#[derive(Debug, PartialEq, Eq)]
enum Use {
    /// A block, an `impl` or an `extern` block: somebody promises something.
    Promise,
    /// A function or trait: callers must promise something.
    Demand,
    /// The type of a function, an attribute, or a function that C calls, with what C's own documentation promises.
    Other,
}

pub(crate) fn check(tree: &Tree, report: &mut Report) {
    for file in tree.files.iter().filter(|file| file.is_one_of(&["rs"])) {
        let source = Source::of(file);
        let code = source.code();
        let is_allowed = PLACES.iter().any(|place| file.path.starts_with(place));
        for (place, _) in words(&code).filter(|(_, word)| *word == "unsafe") {
            let line = line_at(&code, place);
            if !is_allowed {
                report.fail(
                    &file.path,
                    line,
                    "'unsafe' stands outside the places that ARCHITECTURE.md names",
                    "put a safe function into src/sys, src/module/httpd or the worker's glue and call that",
                );
                continue;
            }
            match kind(code.get(place + "unsafe".len()..).unwrap_or_default()) {
                Use::Promise if !says_why(&source, line) => report.fail(
                    &file.path,
                    line,
                    format!("no '// SAFETY:' comment within {LINES_ABOVE} lines above"),
                    "say why the callee's demands are met",
                ),
                Use::Demand if !is_documented(&source, line) => report.fail(
                    &file.path,
                    line,
                    "an unsafe item without a '# Safety' section in its documentation",
                    "say what the caller must see to",
                ),
                _ => {}
            }
        }
    }
}

/// Judges by what follows the keyword.
fn kind(after: &str) -> Use {
    let rest = after.trim_start();
    if rest.starts_with('{') || rest.starts_with("impl") {
        return Use::Promise;
    }
    if let Some(tail) = rest.strip_prefix("extern") {
        // Between the two stands the ABI, emptied.
        let is_block = tail.trim_start_matches(|c: char| c == '"' || c.is_whitespace()).starts_with('{');
        return if is_block { Use::Promise } else { Use::Other };
    }
    match rest.strip_prefix("fn") {
        Some(name) if name.starts_with(char::is_whitespace) => Use::Demand,
        None if rest.starts_with("trait") => Use::Demand,
        _ => Use::Other,
    }
}

fn says_why(source: &Source, line: usize) -> bool {
    (line.saturating_sub(LINES_ABOVE)..=line)
        .filter_map(|number| source.line(number))
        .any(|line| line.comment.contains("SAFETY:"))
}

/// Looks through the comments and attributes right above.
fn is_documented(source: &Source, line: usize) -> bool {
    (1..line)
        .rev()
        .filter_map(|number| source.line(number))
        .take_while(|line| {
            let code = line.code.trim();
            !line.comment.is_empty() || code.starts_with('#') || code.ends_with(")]")
        })
        .any(|line| line.comment.contains("# Safety"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(path: &str, text: &str) -> Vec<String> {
        let mut report = Report::default();
        check(&Tree::of(&[(path, text)]), &mut report);
        report.places()
    }

    #[test]
    fn outside_its_places_any_use_fails() {
        assert_eq!(places("src/cli/a.rs", "\nlet a = unsafe { f() };"), ["src/cli/a.rs:2"]);
        assert_eq!(
            places(
                "src/cli/a.rs",
                "// unsafe\nlet a = \"unsafe\"; let unsafe_b = 1;\n#![forbid(unsafe_code)]"
            ),
            [""; 0]
        );
    }

    #[test]
    fn a_promise_needs_its_reason() {
        assert_eq!(places("src/sys/a.rs", "// SAFETY: so\nunsafe { f() }"), [""; 0]);
        assert_eq!(places("src/sys/a.rs", "unsafe { f() } // SAFETY: so"), [""; 0]);
        assert_eq!(places("src/sys/a.rs", "\nunsafe { f() }"), ["src/sys/a.rs:2"]);
        assert_eq!(
            places("src/sys/a.rs", "// SAFETY: far\n\n\n\n\n\n\nunsafe impl A for B {}"),
            ["src/sys/a.rs:8"]
        );
        assert_eq!(places("src/sys/a.rs", "unsafe extern \"C\" {}"), ["src/sys/a.rs:1"]);
    }

    #[test]
    fn a_demand_needs_its_documentation() {
        assert_eq!(places("src/sys/a.rs", "/// # Safety\n/// x\n#[inline]\npub unsafe fn a() {}"), [""; 0]);
        assert_eq!(places("src/sys/a.rs", "/// Text.\npub unsafe fn a() {}"), ["src/sys/a.rs:2"]);
        assert_eq!(
            places(
                "src/sys/a.rs",
                "type A = unsafe extern \"C\" fn(i32);\nunsafe extern \"C\" fn c() {}\n#[unsafe(no_mangle)]\nfn b() {}"
            ),
            [""; 0]
        );
    }
}
