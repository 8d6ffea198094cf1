//! The configuration of the private httpd, as text.

use crate::error::CliError;
use crate::httpd::Module;
use crate::settings::Settings;
use crate::state::{PID_FILE, PUBLIC};
use std::fmt::{self, Write};
use std::path::Path;

/// Modules without which the rest makes no sense.
const NEEDED: [&str; 3] = ["unixd", "log_config", "authz_core"];

/// Modules that included files and the usual conventions count on; left out where httpd lacks them. `mod_dir` is not
/// among them: it would look for index files on each request for `/`.
const WELCOME: [&str; 8] =
    ["authn_core", "authz_host", "alias", "mime", "env", "setenvif", "headers", "reqtimeout"];

/// Where the table of file name extensions may be. `mod_mime` does not start without one.
const MIME_TYPES: [&str; 4] = [
    "/etc/mime.types",
    "/etc/apache2/mime.types",
    "/etc/httpd/conf/mime.types",
    "/usr/local/apache2/conf/mime.types",
];

/// Seconds that running requests get to finish when httpd is stopped gracefully.
pub(crate) const GRACE_SECONDS: u64 = 15;

/// Renders the configuration for a state folder, which need not have been made yet.
pub(crate) fn render(settings: &Settings, state: &Path, is_made: bool) -> Result<String, CliError> {
    let modules = load_modules(settings)?;
    let mut out = String::new();
    // Writing into a string does not fail.
    write_all(&mut out, settings, (state, is_made), &modules)
        .map_err(|error| CliError::failure(format!("cannot render the configuration: {error}")))?;
    Ok(out)
}

/// The modules to load: `LoadModule`'s two arguments.
fn load_modules(settings: &Settings) -> Result<Vec<(String, String)>, CliError> {
    let mpm = format!("mpm_{}", settings.mpm.name());
    let needed = std::iter::once(mpm.as_str()).chain(NEEDED).map(|name| (name, true));
    let mut lines = Vec::new();
    for (name, is_needed) in needed.chain(WELCOME.map(|name| (name, false))) {
        match settings.httpd.module(name) {
            Module::Loadable(file) => lines.push((format!("{name}_module"), file.display().to_string())),
            Module::Missing if is_needed => {
                return Err(CliError::failure(format!(
                    "httpd's module '{}' is missing; reinstall httpd",
                    settings.httpd.modules.join(format!("mod_{name}.so")).display()
                )));
            }
            Module::Builtin | Module::Missing => {}
        }
    }
    lines.push(("krait_module".to_owned(), settings.home.join("mod_krait.so").display().to_string()));
    Ok(lines)
}

fn write_all(
    out: &mut String,
    settings: &Settings,
    (state, is_made): (&Path, bool),
    modules: &[(String, String)],
) -> fmt::Result {
    let within = |name: &str| quote_path(&state.join(name));
    let folder = quote_path(state);
    writeln!(out, "# Made by krait {} for {}.", env!("CARGO_PKG_VERSION"), settings.httpd.version)?;
    writeln!(out, "Define {DOLLAR} $")?;
    writeln!(out, "ServerRoot {folder}\nDefaultRuntimeDir {folder}\nPidFile {}", within(PID_FILE))?;
    writeln!(out, "Mutex {}", quote(&format!("default:{}", state.display())))?;
    writeln!(out)?;
    for (name, file) in modules {
        writeln!(out, "LoadModule {name} {}", quote(file))?;
    }
    writeln!(out)?;
    writeln!(out, "ServerName {}:{}", settings.endpoint.host, settings.endpoint.port)?;
    for address in &settings.endpoint.directives {
        writeln!(out, "Listen {address}")?;
    }
    if let Some(identities) = &settings.identities {
        writeln!(
            out,
            "User {}\nGroup {}",
            quote(&identities.httpd_user),
            quote(&format!("#{}", identities.httpd_group))
        )?;
    }
    if is_made {
        writeln!(out, "DocumentRoot {}", within(PUBLIC))?;
    } else {
        writeln!(out, "# DocumentRoot: an empty folder that 'krait serve' makes")?;
    }
    writeln!(out, "GracefulShutdownTimeout {GRACE_SECONDS}")?;
    if modules.iter().any(|(name, _)| name == "mime_module")
        || settings.httpd.module("mime") == Module::Builtin
    {
        let table = MIME_TYPES.iter().find(|path| Path::new(path).is_file()).unwrap_or(&"/dev/null");
        writeln!(out, "TypesConfig {}", quote(table))?;
    }
    writeln!(out)?;
    // krait owns both pipes; by these names root's httpd and anybody else's can open them again on a restart.
    writeln!(out, "ErrorLog \"/proc/self/fd/2\"")?;
    writeln!(out, "LogLevel warn krait:{}", if settings.verbose { "debug" } else { "notice" })?;
    if settings.access_log {
        writeln!(out, "CustomLog \"/proc/self/fd/1\" {}", quote("%h %l %u %t \"%r\" %>s %b"))?;
    }
    writeln!(out)?;
    writeln!(out, "KraitManager {}", quote_path(&settings.home.join("kraitd")))?;
    if let Some(identities) = &settings.identities {
        writeln!(out, "KraitUser {}", quote(&identities.app))?;
    }
    write_application(out, settings)?;
    for file in &settings.includes {
        writeln!(out, "\nInclude {}", quote_path(file))?;
    }
    Ok(())
}

/// The section of the application. It has no `SetHandler`, so that an `Alias` of an included file wins over it.
fn write_application(out: &mut String, settings: &Settings) -> fmt::Result {
    writeln!(out, "\n<Location {}>", quote(settings.mount.as_str()))?;
    writeln!(out, "    KraitApp {}", quote(&settings.app.directive()))?;
    writeln!(out, "    KraitProcesses {} {}", settings.processes.min, settings.processes.max)?;
    writeln!(out, "    KraitThreads {}", settings.threads)?;
    if let Some(python) = &settings.python {
        writeln!(out, "    KraitPython {}", quote_path(python))?;
    }
    if !settings.paths.is_empty() {
        let paths: Vec<String> = settings.paths.iter().map(|path| quote_path(path)).collect();
        writeln!(out, "    KraitPath {}", paths.join(" "))?;
    }
    for variable in &settings.env {
        writeln!(out, "    KraitEnv {} {}", variable.name, quote(&variable.value))?;
    }
    if let Some(time) = &settings.request_timeout {
        writeln!(out, "    KraitRequestTimeout {time}")?;
    }
    // This httpd asks nobody for a password, so what a client sends is for the application.
    writeln!(out, "    CGIPassAuth On")?;
    writeln!(out, "</Location>")
}

/// The variable that stands for a dollar sign: `${` has no escape in httpd's configuration, but what a variable
/// stands for is not looked through again.
const DOLLAR: &str = "KRAIT_DOLLAR";

/// One argument of a directive. A backslash means itself unless a backslash or the quote follows, so all are doubled.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            '$' if chars.peek() == Some(&'{') => {
                quoted.push_str("${");
                quoted.push_str(DOLLAR);
                quoted.push('}');
            }
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn quote_path(path: &Path) -> String {
    // `settings` lets only UTF-8 through.
    quote(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::App;
    use crate::args::{Cli, Command};
    use crate::httpd::Httpd;
    use crate::settings::Identities;
    use clap::Parser;
    use std::fs;
    use std::path::PathBuf;

    #[test]
    fn arguments_are_quoted_for_httpd() {
        for (text, quoted) in [
            ("", r#""""#),
            ("a b", r#""a b""#),
            (r#"say "hi""#, r#""say \"hi\"""#),
            (r"back\slash\", r#""back\\slash\\""#),
            ("$x $ {y}", r#""$x $ {y}""#),
            ("a${B}c", r#""a${KRAIT_DOLLAR}{B}c""#),
            ("$${B}", r#""$${KRAIT_DOLLAR}{B}""#),
            ("it's #1", r#""it's #1""#),
        ] {
            assert_eq!(quote(text), quoted);
        }
    }

    fn settings(modules: &Path, line: &str) -> Settings {
        let words = ["krait", "serve"].into_iter().chain(line.split('|'));
        let Command::Serve(args) = Cli::try_parse_from(words).unwrap().command;
        Settings {
            name: args.app.clone(),
            app: App::find(&args.app, Path::new("/")).unwrap(),
            mount: args.mount.clone(),
            endpoint: args.listen.resolve(false).unwrap(),
            processes: args.processes,
            threads: args.threads,
            python: args.python.as_ref().map(PathBuf::from),
            paths: args.paths.clone(),
            env: args.env.clone(),
            request_timeout: args.request_timeout.as_ref().map(|time| time.as_str().to_owned()),
            includes: args.include.clone(),
            httpd: Httpd {
                program: PathBuf::from("/usr/sbin/httpd"),
                version: "Apache/2.4.1".to_owned(),
                modules: modules.to_owned(),
                builtin: vec!["mod_unixd.c".to_owned(), "mod_log_config.c".to_owned()],
            },
            mpm: args.mpm.unwrap_or(crate::args::Mpm::Event),
            home: PathBuf::from("/opt/krait"),
            identities: None,
            state_dir: None,
            access_log: args.access_log,
            verbose: args.verbose,
        }
    }

    fn modules(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(dir.path().join(format!("mod_{name}.so")), "").unwrap();
        }
        dir
    }

    #[test]
    fn the_application_has_its_section() {
        let dir = modules(&["mpm_event", "authz_core"]);
        let line = "shop.site:app|--listen|127.0.0.1:81|--processes|2-8|--threads|3|--python|/usr/bin/python3|--path|/a b\
                    |--env|A=1 \"2\"|--mount|/shop/|--include|/etc/x.conf|--request-timeout|2m";
        let text = render(&settings(dir.path(), line), Path::new("/run/s"), true).unwrap();
        let section = "\
<Location \"/shop\">
    KraitApp \"shop.site:app\"
    KraitProcesses 2 8
    KraitThreads 3
    KraitPython \"/usr/bin/python3\"
    KraitPath \"/a b\"
    KraitEnv A \"1 \\\"2\\\"\"
    KraitRequestTimeout 2m
    CGIPassAuth On
</Location>

Include \"/etc/x.conf\"
";
        assert!(text.ends_with(section), "{text}");
        for line in [
            "ServerRoot \"/run/s\"",
            "PidFile \"/run/s/httpd.pid\"",
            "Mutex \"default:/run/s\"",
            "Listen 127.0.0.1:81",
            "LoadModule krait_module \"/opt/krait/mod_krait.so\"",
            "KraitManager \"/opt/krait/kraitd\"",
            "LogLevel warn krait:notice",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
        for absent in ["CustomLog", "KraitUser", "\nUser", "unixd", "TypesConfig", "SetHandler"] {
            assert!(!text.contains(absent), "{absent} in\n{text}");
        }
    }

    #[test]
    fn root_names_users() {
        let dir = modules(&["mpm_event", "authz_core", "mime"]);
        let mut settings = settings(dir.path(), "a:b|--access-log|--verbose");
        settings.identities = Some(Identities {
            httpd_user: "www-data".to_owned(),
            httpd_group: 33,
            app: "alice:staff".to_owned(),
        });
        let text = render(&settings, Path::new("/s"), true).unwrap();
        for line in
            ["User \"www-data\"", "Group \"#33\"", "KraitUser \"alice:staff\"", "LogLevel warn krait:debug"]
        {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
        assert!(text.contains("TypesConfig ") && text.contains("CustomLog \"/proc/self/fd/1\""));
    }

    #[test]
    fn a_missing_module_is_named_when_it_is_needed() {
        let dir = modules(&["mpm_event"]);
        let error = render(&settings(dir.path(), "a:b"), Path::new("/s"), true).unwrap_err();
        assert!(error.to_string().contains("mod_authz_core.so"));
    }
}
