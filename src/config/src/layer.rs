//! What one section of httpd's configuration says, exactly as typed: every field may be unset.

use crate::directives::{Directive, Id};
use crate::parse;
use crate::target::{self, Application};
use krait_protocol::limits;
use krait_protocol::start::Identity;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Key of the fingerprints; random per process family, so that nobody can prepare a `.htaccess` that looks like
/// another's.
static KEY: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

/// Sets the key. To be called once, before anything is configured.
pub fn set_fingerprint_key(key: [u64; 2]) {
    KEY[0].store(key[0], Ordering::Relaxed);
    KEY[1].store(key[1], Ordering::Relaxed);
}

fn hasher() -> SipHasher13 {
    SipHasher13::new_with_keys(KEY[0].load(Ordering::Relaxed), KEY[1].load(Ordering::Relaxed))
}

/// Where in the URL space an application stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Mount {
    /// Outside every section: the whole server or virtual host.
    Server,
    /// `<Location PATH>`: this prefix of the URL.
    Location(String),
    /// `<Directory PATH>` or `.htaccess` there: the URLs that lead into this directory.
    Directory(String),
    /// A section that names no single place (`LocationMatch`, `Files`, `If`): the URL as a whole is `PATH_INFO`.
    Pattern,
}

/// Circumstances in which a directive is read.
pub struct Context<'a> {
    /// Where relative paths start, absolute.
    pub base: String,
    /// The section it stands in.
    pub mount: Mount,
    /// Looks up a user and an optional group by name.
    pub resolve_user: &'a dyn Fn(&str, Option<&str>) -> Result<Identity, String>,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("base", &self.base)
            .field("mount", &self.mount)
            .finish_non_exhaustive()
    }
}

/// `KraitUser`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    /// httpd's own.
    Server,
    /// Another.
    Named(Identity),
}

/// `KraitApp`, unless `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// As typed, for messages.
    pub text: String,
    /// What it means.
    pub application: Application,
    /// Where it stands.
    pub mount: Mount,
}

/// `KraitManager`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manager {
    /// Start none.
    Off,
    /// This program, absolute path.
    Path(String),
}

/// What one section says.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "one field per directive, described in the table")]
pub struct Layer {
    pub manager: Option<Manager>,
    pub user: Option<User>,
    /// `Some(None)` is `KraitApp None`.
    pub app: Option<Option<App>>,
    pub python: Option<String>,
    pub path: Option<Vec<String>>,
    pub env: Vec<(String, String)>,
    /// Minimum and maximum; without the latter the default holds.
    pub processes: Option<(u32, Option<u32>)>,
    pub threads: Option<u32>,
    pub queue: Option<u32>,
    pub start_timeout: Option<Duration>,
    pub request_timeout: Option<Duration>,
    pub queue_timeout: Option<Duration>,
    /// `Some(None)` is `Off`.
    pub idle_timeout: Option<Option<Duration>>,
    pub grace_timeout: Option<Duration>,
    pub debug: Option<bool>,
    /// Hash of everything applied, in order: equal layers have equal fingerprints, and 0 is an empty layer.
    fingerprint: u128,
}

impl Layer {
    /// Reads one directive into the layer.
    ///
    /// # Errors
    /// A sentence for the administrator; httpd puts file, line and directive before it.
    pub fn apply(
        &mut self,
        directive: &Directive,
        words: &[&str],
        context: &Context<'_>,
    ) -> Result<(), String> {
        let (least, most) = directive.arguments;
        if !(least..=most).contains(&words.len()) {
            return Err(format!(
                "{} arguments are given; the form is: {} {}",
                words.len(),
                directive.word(),
                directive.syntax
            ));
        }
        self.set(directive.id, words, context)
            .map_err(|why| format!("{} {}: {why}", directive.word(), words.join(" ")))?;
        let mut hasher = hasher();
        (self.fingerprint, directive.word(), words, &context.base, &context.mount).hash(&mut hasher);
        self.fingerprint = hasher.finish128().as_u128().max(1);
        Ok(())
    }

    fn set(&mut self, id: Id, words: &[&str], context: &Context<'_>) -> Result<(), String> {
        // `apply` has checked that there is a first word.
        let first = words.first().copied().unwrap_or_default();
        match id {
            Id::Manager => {
                let off = first.eq_ignore_ascii_case("off");
                self.manager =
                    Some(if off { Manager::Off } else { Manager::Path(parse::path(&context.base, first)?) });
            }
            Id::User => self.user = Some(user(first, context)?),
            Id::App => {
                self.app = Some(if first.eq_ignore_ascii_case("none") {
                    None
                } else {
                    let application = target::parse(first, &context.base)?;
                    Some(App { text: first.to_owned(), application, mount: context.mount.clone() })
                });
            }
            Id::Python => self.python = Some(parse::path(&context.base, first)?),
            Id::Path => {
                self.path = Some(
                    words.iter().map(|word| parse::path(&context.base, word)).collect::<Result<_, _>>()?,
                );
            }
            Id::Env => self.set_env(words)?,
            Id::Processes => {
                let least = parse::number(first, 0, limits::MAX_PROCESSES)?;
                let most =
                    words.get(1).map(|word| parse::number(word, 1, limits::MAX_PROCESSES)).transpose()?;
                if most.is_some_and(|most| most < least) {
                    return Err(format!(
                        "the minimum of {least} is above the maximum of {}; write the smaller number first",
                        most.unwrap_or_default()
                    ));
                }
                self.processes = Some((least, most));
            }
            Id::Threads => self.threads = Some(parse::number(first, 1, limits::MAX_THREADS)?),
            Id::Queue => self.queue = Some(parse::number(first, 1, limits::MAX_QUEUE)?),
            Id::StartTimeout => self.start_timeout = Some(parse::duration(first)?),
            Id::RequestTimeout => self.request_timeout = Some(parse::duration(first)?),
            Id::QueueTimeout => self.queue_timeout = Some(parse::duration(first)?),
            Id::IdleTimeout => {
                let off = first.eq_ignore_ascii_case("off");
                self.idle_timeout = Some(if off { None } else { Some(parse::duration(first)?) });
            }
            Id::GraceTimeout => self.grace_timeout = Some(parse::duration(first)?),
            Id::Debug => self.debug = Some(parse::switch(first)?),
        }
        Ok(())
    }

    fn set_env(&mut self, words: &[&str]) -> Result<(), String> {
        let (name, value) = match words {
            [name, value] => (*name, *value),
            [pair] => pair
                .split_once('=')
                .ok_or_else(|| format!("'{pair}' has no value; write KraitEnv {pair} VALUE"))?,
            _ => return Err("a name and a value are needed".to_owned()),
        };
        let is_name = |letter: char| !letter.is_whitespace() && !letter.is_control() && letter != '=';
        if name.is_empty() || !name.chars().all(is_name) || value.contains('\0') {
            return Err(format!("'{name}' cannot be the name of an environment variable"));
        }
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// See the field.
    #[must_use]
    pub fn fingerprint(&self) -> u128 {
        self.fingerprint
    }
}

/// The fingerprint of `inner` laid over `outer`.
#[must_use]
pub fn merged_fingerprint(outer: u128, inner: u128) -> u128 {
    match (outer, inner) {
        (one, 0) | (0, one) => one,
        (outer, inner) => {
            let mut hasher = hasher();
            (outer, inner).hash(&mut hasher);
            hasher.finish128().as_u128().max(1)
        }
    }
}

fn user(text: &str, context: &Context<'_>) -> Result<User, String> {
    if text == "server" {
        return Ok(User::Server);
    }
    let (name, group) = match text.split_once(':') {
        Some((name, group)) => (name, Some(group)),
        None => (text, None),
    };
    if name.is_empty() || group.is_some_and(str::is_empty) {
        return Err(format!("'{text}' is not of the form server, NAME or NAME:GROUP"));
    }
    let identity = (context.resolve_user)(name, group)?;
    if identity.uid == 0 || identity.gid == 0 {
        return Err(format!("'{text}' is root, as which no application runs; name another user"));
    }
    Ok(User::Named(identity))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::directives::DIRECTIVES;

    pub(crate) fn identity(name: &str) -> Identity {
        let id = if name == "root" { 0 } else { 1000 };
        Identity { name: name.into(), uid: id, gid: id, groups: vec![id], home: "/".into() }
    }

    pub(crate) fn apply(layer: &mut Layer, line: &str, mount: Mount) -> Result<(), String> {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap();
        let row = DIRECTIVES.iter().find(|row| row.word() == name).unwrap();
        let user = |name: &str, _: Option<&str>| match name {
            "nobody-such" => Err("no such user".to_owned()),
            name => Ok(identity(name)),
        };
        let context = Context { base: "/srv".into(), mount, resolve_user: &user };
        layer.apply(row, &words.collect::<Vec<_>>(), &context)
    }

    #[test]
    fn wrong_values_are_refused_with_a_sentence() {
        for line in [
            "KraitProcesses 5 2",
            "KraitProcesses 1 999",
            "KraitProcesses -1",
            "KraitProcesses 0 0",
            "KraitThreads 0",
            "KraitThreads many",
            "KraitQueue 0",
            "KraitRequestTimeout soon",
            "KraitDebug maybe",
            "KraitUser root",
            "KraitUser nobody-such",
            "KraitUser :x",
            "KraitApp app.py:create()",
            "KraitApp",
            "KraitEnv NAME",
            "KraitEnv =x",
        ] {
            let error = apply(&mut Layer::default(), line, Mount::Server).unwrap_err();
            assert!(error.len() > 10, "{line}: {error}");
        }
    }

    #[test]
    fn fingerprints_tell_layers_apart_and_recognise_equal_ones() {
        let make = |lines: &[&str], mount: Mount| {
            let mut layer = Layer::default();
            for line in lines {
                apply(&mut layer, line, mount.clone()).unwrap();
            }
            layer.fingerprint()
        };
        let one = make(&["KraitApp a.py", "KraitThreads 2"], Mount::Server);
        assert_eq!(one, make(&["KraitApp a.py", "KraitThreads 2"], Mount::Server));
        assert_ne!(one, make(&["KraitApp a.py", "KraitThreads 3"], Mount::Server));
        assert_ne!(one, make(&["KraitApp a.py", "KraitThreads 2"], Mount::Location("/x".into())));
        assert_eq!(Layer::default().fingerprint(), 0);
        assert_eq!(merged_fingerprint(one, 0), one);
        assert_ne!(merged_fingerprint(one, 2), merged_fingerprint(2, one));
    }
}
