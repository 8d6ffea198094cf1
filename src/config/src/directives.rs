//! The table: one row per directive. The command table of the module, the checks, the reference page and a coverage
//! test all come from it.

use std::ffi::CStr;

/// Which directive a row is; [`crate::layer::Layer`] has a field for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is described by its row")]
pub enum Id {
    Manager,
    User,
    App,
    Python,
    Path,
    Env,
    Processes,
    Threads,
    Queue,
    StartTimeout,
    RequestTimeout,
    QueueTimeout,
    IdleTimeout,
    GraceTimeout,
    Debug,
}

/// Where a directive may stand (httpd's `req_override`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Once, outside every section and virtual host.
    Global,
    /// Server, virtual host, Directory, Location; not `.htaccess`.
    Administrator,
    /// Everywhere, `.htaccess` with `AllowOverride FileInfo` included.
    Everywhere,
}

impl Place {
    /// For the reference page, in httpd's words.
    #[must_use]
    pub const fn contexts(self) -> &'static str {
        match self {
            Place::Global => "server config",
            Place::Administrator => "server config, virtual host, directory",
            Place::Everywhere => "server config, virtual host, directory, .htaccess (AllowOverride FileInfo)",
        }
    }
}

/// One directive.
#[derive(Debug)]
pub struct Directive {
    /// Its name, as httpd's command table wants it.
    pub name: &'static CStr,
    /// Which it is.
    pub id: Id,
    /// Fewest and most arguments.
    pub arguments: (usize, usize),
    /// Where it may stand.
    pub place: Place,
    /// Its arguments, for messages and the reference page.
    pub syntax: &'static str,
    /// What holds when it is not given.
    pub default: &'static str,
    /// One line.
    pub summary: &'static str,
    /// The rest of what there is to know.
    pub details: &'static str,
    /// A line that works.
    pub example: &'static str,
}

impl Directive {
    /// The name as text.
    #[must_use]
    pub fn word(&self) -> &'static str {
        self.name.to_str().unwrap_or("")
    }
}

const MANY: usize = 64;

/// Every directive.
pub static DIRECTIVES: [Directive; 15] = [
    Directive {
        name: c"KraitManager",
        id: Id::Manager,
        arguments: (1, 1),
        place: Place::Global,
        syntax: "PATH | Off",
        default: "kraitd beside mod_krait.so",
        summary: "The manager program that httpd starts.",
        details: "A relative path starts at ServerRoot. krait-spawn and the folder python are expected beside it. \
                  Off: no manager is started and no application is served.",
        example: "KraitManager /usr/lib/krait/kraitd",
    },
    Directive {
        name: c"KraitUser",
        id: Id::User,
        arguments: (1, 1),
        place: Place::Administrator,
        syntax: "server | NAME[:GROUP]",
        default: "server",
        summary: "Whom the application runs as.",
        details: "server: httpd's own User and Group. Another name needs a httpd that root started. Without GROUP \
                  the user's own groups hold. root and user id 0 are refused.",
        example: "KraitUser alice",
    },
    Directive {
        name: c"KraitApp",
        id: Id::App,
        arguments: (1, 1),
        place: Place::Everywhere,
        syntax: "FILE[:CALLABLE] | MODULE:CALLABLE | import:MODULE.CALLABLE | FOLDER | None",
        default: "None",
        summary: "The application that answers the URLs of this place.",
        details: "FILE is a script (.py, .wsgi); in a Directory section or .htaccess a relative name starts at \
                  that directory, elsewhere at ServerRoot. MODULE is imported; put the folder it lies in into \
                  KraitPath. A FOLDER is looked through for app.wsgi, wsgi.py, passenger_wsgi.py and app.py. \
                  CALLABLE defaults to application, else app. A name that ends in .wsgi and has a \
                  CALLABLE is a module (shop.wsgi:application); a script of that name is ./shop.wsgi:application. URLs that an Alias, a redirect or a rewrite claims \
                  are left to it; SetHandler krait beside KraitApp takes those too. None ends an outer KraitApp.",
        example: "KraitApp /srv/shop/app.py:application",
    },
    Directive {
        name: c"KraitPython",
        id: Id::Python,
        arguments: (1, 1),
        place: Place::Everywhere,
        syntax: "PATH",
        default: "venv or .venv beside the application, else /usr/bin/python3",
        summary: "The interpreter that runs the application.",
        details: "A CPython of version 3.9 or newer, or the folder of a virtual environment (its bin/python is used). \
                  Relative names start as those of KraitApp.",
        example: "KraitPython /srv/shop/venv",
    },
    Directive {
        name: c"KraitPath",
        id: Id::Path,
        arguments: (1, MANY),
        place: Place::Everywhere,
        syntax: "FOLDER...",
        default: "none",
        summary: "Folders to put before the interpreter's own sys.path.",
        details: "The folder of the script stands first in any case. For a MODULE the first folder given here is \
                  also the working directory. An inner section's KraitPath replaces an outer one.",
        example: "KraitPath /srv/shop/src /srv/shop/lib",
    },
    Directive {
        name: c"KraitEnv",
        id: Id::Env,
        arguments: (1, 2),
        place: Place::Everywhere,
        syntax: "NAME VALUE | NAME=VALUE",
        default: "none",
        summary: "A variable of the application's process environment.",
        details: "Seen by os.environ from the first import on; it is not put into the environ of requests. Nothing \
                  else of httpd's environment reaches the application.",
        example: "KraitEnv DJANGO_SETTINGS_MODULE shop.settings",
    },
    Directive {
        name: c"KraitProcesses",
        id: Id::Processes,
        arguments: (1, 2),
        place: Place::Everywhere,
        syntax: "MIN [MAX]",
        default: "0 4",
        summary: "How many workers stand always, and at the most.",
        details: "Between the two, workers start when requests wait and leave when idle. With MIN above 0 in server \
                  configuration, the application is started with httpd. Without MAX it is 4, or MIN if that is \
                  more. At most 256.",
        example: "KraitProcesses 1 8",
    },
    Directive {
        name: c"KraitThreads",
        id: Id::Threads,
        arguments: (1, 1),
        place: Place::Everywhere,
        syntax: "NUMBER",
        default: "1",
        summary: "Threads of each worker.",
        details: "Each answers one request at a time. With 1, requests run in the interpreter's main thread. At \
                  most 128.",
        example: "KraitThreads 4",
    },
    Directive {
        name: c"KraitQueue",
        id: Id::Queue,
        arguments: (1, 1),
        place: Place::Everywhere,
        syntax: "NUMBER",
        default: "100",
        summary: "How many requests may wait for the application.",
        details: "One more is answered 503 with Retry-After at once. Each that waits holds a thread of httpd, so \
                  this bounds what one application can take from the others. At most 1024.",
        example: "KraitQueue 50",
    },
    Directive {
        name: c"KraitStartTimeout",
        id: Id::StartTimeout,
        arguments: (1, 1),
        place: Place::Everywhere,
        syntax: "TIME",
        default: "60s",
        summary: "How long a start may take, importing the application included.",
        details: "A start that takes longer is ended; requests that wait for it get 500. TIME is a number of \
                  seconds, or a number with ms, s, m or h.",
        example: "KraitStartTimeout 2m",
    },
    Directive {
        name: c"KraitRequestTimeout",
        id: Id::RequestTimeout,
        arguments: (1, 1),
        place: Place::Everywhere,
        syntax: "TIME",
        default: "60s",
        summary: "How long a request may be with a worker before its answer begins and between its parts.",
        details: "A request that takes longer is answered 504, and its worker is replaced.",
        example: "KraitRequestTimeout 20s",
    },
    Directive {
        name: c"KraitQueueTimeout",
        id: Id::QueueTimeout,
        arguments: (1, 1),
        place: Place::Everywhere,
        syntax: "TIME",
        default: "30s",
        summary: "How long a request may wait for a worker.",
        details: "A request that waits longer is answered 503 with Retry-After. A first start counts against \
                  KraitStartTimeout instead.",
        example: "KraitQueueTimeout 10s",
    },
    Directive {
        name: c"KraitIdleTimeout",
        id: Id::IdleTimeout,
        arguments: (1, 1),
        place: Place::Everywhere,
        syntax: "TIME | Off",
        default: "5m",
        summary: "How long a worker above the minimum may be idle before it is stopped.",
        details: "When the last one goes, the application's zygote goes too; the next request starts it again.",
        example: "KraitIdleTimeout 15m",
    },
    Directive {
        name: c"KraitGraceTimeout",
        id: Id::GraceTimeout,
        arguments: (1, 1),
        place: Place::Everywhere,
        syntax: "TIME",
        default: "15s",
        summary: "How long a worker that is being stopped may finish its request.",
        details: "Then it gets SIGTERM, and a moment later SIGKILL.",
        example: "KraitGraceTimeout 30s",
    },
    Directive {
        name: c"KraitDebug",
        id: Id::Debug,
        arguments: (1, 1),
        place: Place::Everywhere,
        syntax: "On | Off",
        default: "Off",
        summary: "Whether a visitor sees the traceback of a failed request.",
        details: "On: the 500 page shows what the application logged for that request. Never on a public site.",
        example: "KraitDebug On",
    },
];

/// The reference page, generated from the table.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(
        "# Directives\n\n<!-- Generated from src/config/src/directives.rs by its test; edit there. -->\n\n\
         TIME is a number of seconds, or a number with `ms`, `s`, `m` or `h`.\n",
    );
    for row in &DIRECTIVES {
        let name = row.word();
        page.push_str(&format!(
            "\n## {name}\n\n{}\n\n| | |\n|---|---|\n| Syntax | `{name} {}` |\n| Default | {} |\n| Context | {} |\n| \
             Example | `{}` |\n\n{}\n",
            row.summary,
            row.syntax.replace('|', "\\|"),
            row.default,
            row.place.contexts(),
            row.example,
            row.details
        ));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{Context, Layer, Mount};
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_every_example_is_accepted() {
        let mut names = HashSet::new();
        for row in &DIRECTIVES {
            assert!(names.insert(row.word()), "{} stands twice", row.word());
            let words: Vec<_> = row.example.split_whitespace().collect();
            assert_eq!(words[0], row.word());
            let user = |name: &str, _: Option<&str>| Ok(crate::layer::tests::identity(name));
            let context = Context { base: "/srv".into(), mount: Mount::Server, resolve_user: &user };
            Layer::default().apply(row, &words[1..], &context).unwrap();
        }
    }

    /// Set `KRAIT_WRITE_DOCS=1` to write the page instead of comparing it.
    #[test]
    fn the_reference_page_is_this_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/directives.md");
        if std::env::var_os("KRAIT_WRITE_DOCS").is_some() {
            std::fs::write(path, reference()).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(path).unwrap_or_default(),
            reference(),
            "run with KRAIT_WRITE_DOCS=1"
        );
    }
}
