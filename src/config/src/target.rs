//! What `KraitApp` may say (and `krait serve` after it).

use crate::parse;
use krait_protocol::start::Target;

/// What to load and what to call in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Application {
    /// What to load.
    pub target: Target,
    /// The callable; `None`: `application`, else `app`.
    pub callable: Option<String>,
}

/// Reads `FILE[:CALLABLE]`, `MODULE:CALLABLE`, `import:MODULE.CALLABLE` or `FOLDER`; relative paths start at `base`.
///
/// # Errors
/// A sentence that says what is wrong and what to write instead.
pub fn parse(text: &str, base: &str) -> Result<Application, String> {
    if let Some(dotted) = text.strip_prefix("import:") {
        let (module, callable) = dotted
            .rsplit_once('.')
            .filter(|(module, callable)| is_dotted(module) && is_dotted(callable))
            .ok_or_else(|| format!("'{text}' is not of the form import:MODULE.CALLABLE"))?;
        return Ok(Application {
            target: Target::Module(module.to_owned()),
            callable: Some(callable.to_owned()),
        });
    }
    let (place, callable) = match text.rsplit_once(':') {
        Some((place, callable)) if is_dotted(callable) => (place, Some(callable.to_owned())),
        Some((_, callable)) => {
            return Err(format!(
                "'{callable}' in '{text}' is not the name of a callable; write a Python name such as application, \
                 not a call"
            ));
        }
        None => (text, None),
    };
    // `shop.wsgi:application` is what every Django project calls its module; a script of that name is `./shop.wsgi`.
    let is_script = place.ends_with(".py") || (place.ends_with(".wsgi") && callable.is_none());
    if is_script || place.contains('/') || place == "." || (callable.is_none() && !is_dotted(place)) {
        return Ok(Application { target: Target::Path(parse::path(base, place)?), callable });
    }
    if callable.is_none() {
        // `shop` may be a folder or a module: a name without callable is a folder, as a module would need one.
        return Ok(Application { target: Target::Path(parse::path(base, place)?), callable });
    }
    if !is_dotted(place) {
        return Err(format!("'{place}' in '{text}' is neither a script's path nor a module's dotted name"));
    }
    Ok(Application { target: Target::Module(place.to_owned()), callable })
}

/// Python identifiers joined by dots. Letters beyond ASCII are left to Python to judge.
fn is_dotted(text: &str) -> bool {
    text.split('.').all(|part| {
        let mut letters = part.chars();
        letters.next().is_some_and(|first| first == '_' || first.is_alphabetic())
            && letters.all(|letter| letter == '_' || letter.is_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_are_told_apart() {
        let path = |path: &str, callable: Option<&str>| Application {
            target: Target::Path(path.into()),
            callable: callable.map(str::to_owned),
        };
        let module = |name: &str, callable: &str| Application {
            target: Target::Module(name.into()),
            callable: Some(callable.into()),
        };
        for (text, expected) in [
            ("app.py", path("/b/app.py", None)),
            ("app.py:main", path("/b/app.py", Some("main"))),
            ("/x/y.wsgi:a.b", path("/x/y.wsgi", Some("a.b"))),
            ("shop.wsgi:application", module("shop.wsgi", "application")),
            ("./shop.wsgi:application", path("/b/shop.wsgi", Some("application"))),
            ("shop.wsgi", path("/b/shop.wsgi", None)),
            ("shop.web:app", module("shop.web", "app")),
            ("import:shop.web.app", module("shop.web", "app")),
            (".", path("/b", None)),
            ("shop", path("/b/shop", None)),
            ("shop/", path("/b/shop", None)),
            ("../up", path("/up", None)),
            ("my-shop", path("/b/my-shop", None)),
        ] {
            assert_eq!(parse(text, "/b"), Ok(expected), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_a_sentence() {
        for text in
            ["app.py:create()", "shop:", "shop:a b", "import:shop", "import:", "a-b:app", "app:1x", ""]
        {
            let error = parse(text, "/b").unwrap_err();
            assert!(error.len() > 10, "{text}: {error}");
        }
    }
}
