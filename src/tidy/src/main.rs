//! `krait-tidy`: checks over the whole tree what ARCHITECTURE.md promises and no compiler looks at.
//!
//! Each check is a file with a `check` function that looks at a [`tree::Tree`] and adds [`finding::Finding`]s. Run it
//! anywhere inside the checkout: `cargo run -p krait-tidy`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "findings are for a person at a terminal")]

mod arrows;
mod code_map;
mod directives;
mod finding;
mod markdown;
mod panics;
mod purity;
mod sizes;
mod source;
mod tags;
mod tree;
mod unsafe_places;
mod words;

use finding::Report;
use std::process::ExitCode;
use tree::Tree;

fn main() -> ExitCode {
    let tree = match Tree::read() {
        Ok(tree) => tree,
        Err(error) => {
            eprintln!("krait-tidy: {error}");
            return ExitCode::from(2);
        }
    };
    let mut report = Report::default();
    for check in [
        arrows::check,
        code_map::check,
        directives::check,
        panics::check,
        purity::check,
        sizes::check,
        tags::check,
        unsafe_places::check,
        words::check,
    ] {
        check(&tree, &mut report);
    }
    report.sort();
    for finding in report.findings() {
        println!("{finding}");
    }
    println!(
        "krait-tidy: {} files, {} failures, {} warnings",
        tree.files.len(),
        report.failures(),
        report.warnings()
    );
    if report.failures() > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
