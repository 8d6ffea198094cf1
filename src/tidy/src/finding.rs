//! What a check has to say.

use std::fmt;

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    is_warning: bool,
    what: String,
    advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_warning { "warning: " } else { "" };
        write!(f, "{}:{}: {kind}{}; {}", self.path, self.line, self.what, self.advice)
    }
}

/// Everything found.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Finding>);

impl Report {
    /// Something that must be put right.
    pub(crate) fn fail(
        &mut self,
        path: &str,
        line: usize,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(path, line, false, what.into(), advice.into());
    }

    /// Something to think about.
    pub(crate) fn warn(
        &mut self,
        path: &str,
        line: usize,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(path, line, true, what.into(), advice.into());
    }

    fn add(&mut self, path: &str, line: usize, is_warning: bool, what: String, advice: String) {
        self.0.push(Finding { path: path.to_owned(), line, is_warning, what, advice });
    }

    pub(crate) fn sort(&mut self) {
        self.0.sort();
    }

    pub(crate) fn findings(&self) -> &[Finding] {
        &self.0
    }

    pub(crate) fn failures(&self) -> usize {
        self.0.iter().filter(|finding| !finding.is_warning).count()
    }

    pub(crate) fn warnings(&self) -> usize {
        self.0.len() - self.failures()
    }
}

#[cfg(test)]
impl Report {
    /// `path:line` of each finding, for tests of the checks.
    pub(crate) fn places(&self) -> Vec<String> {
        self.0.iter().map(|finding| format!("{}:{}", finding.path, finding.line)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_where_what_and_what_to_do() {
        let mut report = Report::default();
        report.warn("b", 2, "it is long", "split it");
        report.fail("a", 1, "it is wrong", "put it right");
        report.sort();
        let lines: Vec<String> = report.findings().iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["a:1: it is wrong; put it right", "b:2: warning: it is long; split it"]);
        assert_eq!((report.failures(), report.warnings()), (1, 1));
    }
}
