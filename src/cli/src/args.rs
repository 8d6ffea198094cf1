//! What can be typed: names, help and the form of each value. What a value means is [`crate::settings`]'s business.

use crate::listen::Listen;
use clap::{Args, Parser, Subcommand, ValueEnum};
use krait_config::{Context, DIRECTIVES, Id, Layer};
use krait_protocol::limits::{MAX_PROCESSES, MAX_THREADS};
use std::path::PathBuf;
use std::str::FromStr;

/// Python web applications under a real Apache httpd.
#[derive(Debug, Parser)]
#[command(name = "krait", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve an application from a private httpd in the foreground
    Serve(Box<ServeArgs>),
}

const SERVE_HELP: &str = "\
APP is one of
  module:callable        an importable module, found from --chdir or the current folder
  path/to/file.py        a script; its callable is 'application', else 'app'
  path/to/file.py:name   a script and its callable
  import:module.name     another way to write module:name
  a folder               that holds app.wsgi, wsgi.py, passenger_wsgi.py or app.py

Signals: Ctrl-C (or SIGTERM) lets running requests finish and stops; a second Ctrl-C stops at once;
SIGHUP restarts httpd gracefully.

Exit codes: 0 stopped cleanly; 1 httpd or the application could not run; 2 wrong use.

Examples:
  krait serve shop.wsgi:application
  krait serve ./app.py --listen 0.0.0.0:8080 --processes 2-8
  krait serve . --python venv/bin/python --env DEBUG=1
  krait serve app:app --print-config > httpd.conf";

/// Serve an application from a private httpd in the foreground: the real httpd, a generated configuration, logs on the
/// terminal. Ctrl-C stops it and leaves nothing behind.
#[derive(Debug, Args)]
#[command(after_long_help = SERVE_HELP, after_help = "See 'krait serve --help' for the forms of APP and examples.")]
pub(crate) struct ServeArgs {
    /// The application: module:callable, path/to/file.py[:callable], import:module.callable or a folder
    #[arg(value_name = "APP")]
    pub(crate) app: String,

    /// Where to listen: host:port, [v6]:port, tcp://host:port/, port (loopback only) or :port (every interface);
    /// port 0 takes a free one
    #[arg(short, long, value_name = "ADDR", default_value = "127.0.0.1:8000")]
    pub(crate) listen: Listen,

    /// Worker processes: a number, or least and most
    #[arg(short, long, value_name = "MIN[-MAX]", default_value = "1-4")]
    pub(crate) processes: Processes,

    /// Threads per worker process, one request at a time each
    #[arg(short, long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_THREADS)))]
    pub(crate) threads: u32,

    /// The Python to run the application with: a program or a virtual environment; without it the application's own
    /// venv or .venv, else the system's
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Option<String>,

    /// The application's folder, where modules are found and relative paths start
    #[arg(long, value_name = "DIR")]
    pub(crate) chdir: Option<PathBuf>,

    /// A further folder to import from; may be repeated
    #[arg(long = "path", value_name = "DIR")]
    pub(crate) paths: Vec<PathBuf>,

    /// A variable of the application's process environment; may be repeated
    #[arg(short, long = "env", value_name = "NAME=VALUE")]
    pub(crate) env: Vec<Variable>,

    /// The URL under which the application answers
    #[arg(long, value_name = "/PREFIX", default_value = "/")]
    pub(crate) mount: Mount,

    /// httpd's way of handling connections; without it the first of these that httpd has
    #[arg(long, value_name = "MPM")]
    pub(crate) mpm: Option<Mpm>,

    /// httpd configuration to add after the application's; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) include: Vec<PathBuf>,

    /// Longest time of one request, such as 30s, 500ms or 2m
    #[arg(long, value_name = "DURATION")]
    pub(crate) request_timeout: Option<Duration>,

    /// Whom the application runs as, when krait runs as root; without it the owner of APP
    #[arg(long, value_name = "NAME[:GROUP]")]
    pub(crate) user: Option<String>,

    /// Where httpd keeps its files while it runs; without it a temporary folder
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,

    /// The httpd program to run; without it apache2 or httpd, wherever it is installed
    #[arg(long, value_name = "PATH")]
    pub(crate) httpd: Option<PathBuf>,

    /// Print a line for each request on standard output
    #[arg(long)]
    pub(crate) access_log: bool,

    /// Tell more: httpd's notices, and what the module decides
    #[arg(short, long)]
    pub(crate) verbose: bool,

    /// Print the configuration for httpd and leave; nothing is started or created
    #[arg(long)]
    pub(crate) print_config: bool,
}

/// httpd's multi-processing modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mpm {
    /// Threads, and idle connections cost none
    Event,
    /// Threads
    Worker,
    /// Processes only
    Prefork,
}

impl Mpm {
    /// In the order of preference.
    pub(crate) const ALL: [Mpm; 3] = [Mpm::Event, Mpm::Worker, Mpm::Prefork];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Mpm::Event => "event",
            Mpm::Worker => "worker",
            Mpm::Prefork => "prefork",
        }
    }
}

/// `MIN` or `MIN-MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Processes {
    pub(crate) min: u32,
    pub(crate) max: u32,
}

impl FromStr for Processes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number =
            |part: &str| part.parse::<u32>().map_err(|_| format!("'{part}' is no number of processes"));
        let (min, max) = match text.split_once('-') {
            Some((min, max)) => (number(min)?, number(max)?),
            None => (number(text)?, number(text)?),
        };
        if max == 0 || max > MAX_PROCESSES {
            return Err(format!("the most processes must be between 1 and {MAX_PROCESSES}, not {max}"));
        }
        if min > max {
            return Err(format!("the least, {min}, is more than the most, {max}; write '{max}-{min}'?"));
        }
        Ok(Processes { min, max })
    }
}

/// `NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl FromStr for Variable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((name, value)) = text.split_once('=') else {
            return Err(format!(
                "'{text}' has no value; write '{text}=value', or '{text}=' for an empty one"
            ));
        };
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(good) {
            return Err(format!("'{name}' is no name of a variable; use letters, digits and '_'"));
        }
        if value.contains(['\n', '\r']) {
            return Err(format!(
                "the value of '{name}' has a line break, which httpd's configuration cannot carry; \
                 put it into a file and give the file's name"
            ));
        }
        Ok(Variable { name: name.to_owned(), value: value.to_owned() })
    }
}

/// A URL path without a slash at its end, except `/` itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount(String);

impl Mount {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Mount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err(format!("'{text}' must begin with '/'"));
        }
        // The first ones are patterns to <Location>, the others end its argument or never stand in a URL's path.
        if let Some(c) =
            text.chars().find(|c| "*?[]\"\\<>#%".contains(*c) || c.is_whitespace() || c.is_control())
        {
            return Err(format!("'{c}' cannot stand in it; use letters, digits, '-', '_', '.' and '/'"));
        }
        if text.split('/').any(|part| part == "." || part == "..") || text.contains("//") {
            return Err(format!("'{text}' has an empty, '.' or '..' part, which no URL that httpd maps has"));
        }
        let trimmed = text.trim_end_matches('/');
        Ok(Mount(if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() }))
    }
}

/// A time as `KraitRequestTimeout` takes it. Kept as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Duration(String);

impl Duration {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let nobody = |_: &str, _: Option<&str>| Err(String::new());
        let context =
            Context { base: "/".to_owned(), mount: krait_config::Mount::Server, resolve_user: &nobody };
        if let Some(row) = DIRECTIVES.iter().find(|row| row.id == Id::RequestTimeout) {
            Layer::default().apply(row, &[text], &context)?;
        }
        Ok(Duration(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_is_taken() {
        let line = "krait serve app:app --listen :80 --processes 0-3 --threads 2 --python /p --chdir /c --path a --path b \
                    --env A=1 --env B=2 --mount /x --mpm worker --include f --state-dir s --print-config \
                    --request-timeout 500ms --user u:g --httpd /h --access-log --verbose";
        let Command::Serve(args) = Cli::try_parse_from(line.split_whitespace()).unwrap().command;
        assert_eq!(args.processes, Processes { min: 0, max: 3 });
        assert_eq!((args.paths.len(), args.env.len(), args.threads), (2, 2, 2));
        assert_eq!(args.mpm, Some(Mpm::Worker));
    }

    #[test]
    fn wrong_use_has_clap_code_2() {
        for line in ["krait", "krait serve", "krait serve a:b --processes 5-2", "krait serve a:b --threads 0"]
        {
            assert_eq!(Cli::try_parse_from(line.split_whitespace()).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn processes() {
        assert_eq!("4".parse(), Ok(Processes { min: 4, max: 4 }));
        assert_eq!("0-4".parse(), Ok(Processes { min: 0, max: 4 }));
        for wrong in ["", "0", "-1", "1-", "5-2", "1-2-3", "many", "1-100000", "+1x"] {
            assert!(wrong.parse::<Processes>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn variables() {
        let parsed: Variable = "A_1=x=y z".parse().unwrap();
        assert_eq!((parsed.name.as_str(), parsed.value.as_str()), ("A_1", "x=y z"));
        assert_eq!("E=".parse::<Variable>().unwrap().value, "");
        for wrong in ["A", "=x", "1A=x", "A B=x", "A=x\ny", "A=\r"] {
            assert!(wrong.parse::<Variable>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn mounts() {
        for (text, meant) in
            [("/", "/"), ("/shop", "/shop"), ("/shop/", "/shop"), ("/a/b", "/a/b"), ("/é", "/é")]
        {
            assert_eq!(text.parse::<Mount>().unwrap().as_str(), meant);
        }
        for wrong in ["", "shop", "/a*", "/a b", "/a\"", "/../x", "/a//b", "/a>", "/%20"] {
            assert!(wrong.parse::<Mount>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations() {
        for good in ["30", "30s", "500ms", "2m", "1h"] {
            assert_eq!(good.parse::<Duration>().unwrap().as_str(), good);
        }
        for wrong in ["", "s", "-1s", "1d", "0", "1.5s", "5 s", "200h"] {
            assert!(wrong.parse::<Duration>().is_err(), "{wrong}");
        }
    }
}
