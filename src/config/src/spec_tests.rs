use super::*;
use crate::layer::tests::{apply, identity};

fn layer(mount: Mount, lines: &[&str]) -> Layer {
    let mut layer = Layer::default();
    for line in lines {
        apply(&mut layer, line, mount.clone()).unwrap();
    }
    layer
}

fn spec(layers: &[&Layer], server: Option<&Identity>) -> Result<AppSpec, String> {
    let effective = Effective::new(layers.to_vec());
    effective.spec(effective.app().unwrap(), server)
}

#[test]
fn the_innermost_layer_that_says_something_holds() {
    let outer = layer(
        Mount::Server,
        &["KraitThreads 2", "KraitProcesses 2", "KraitEnv A 1", "KraitEnv B 1", "KraitPath x y"],
    );
    let inner = layer(
        Mount::Location("/s".into()),
        &["KraitApp a.py", "KraitThreads 3", "KraitEnv B 2", "KraitPath z"],
    );
    let spec = spec(&[&outer, &inner], None).unwrap();
    assert_eq!((spec.plan.threads, spec.processes_min, spec.processes_max), (3, 2, 4));
    assert_eq!(spec.env, [("A".into(), "1".into()), ("B".into(), "2".into())]);
    assert_eq!(spec.plan.path, ["/srv/z"]);
    assert_eq!(spec.plan.directory, "/srv");
    assert_eq!(spec.identity, None);
    let rules = Effective::new(vec![&outer, &inner]).rules(Mount::Server);
    assert_eq!(rules.request_timeout, Duration::from_secs(60));
}

#[test]
fn none_ends_an_outer_application() {
    let outer = layer(Mount::Server, &["KraitApp a.py"]);
    let inner = layer(Mount::Location("/static".into()), &["KraitApp None"]);
    assert!(Effective::new(vec![&outer]).app().is_some());
    assert!(Effective::new(vec![&outer, &inner]).app().is_none());
}

#[test]
fn the_interpreter_is_the_named_one_or_looked_for() {
    let found = spec(&[&layer(Mount::Server, &["KraitApp shop/app.py"])], None).unwrap();
    assert_eq!(found.interpreters[0], "/srv/shop/venv/bin/python");
    assert!(!found.interpreter_named);
    for (line, expected) in [
        ("KraitPython env", "/srv/env"),
        ("KraitPython /opt/python3.12", "/opt/python3.12"),
        ("KraitPython env/bin/python", "/srv/env/bin/python"),
    ] {
        let named = spec(&[&layer(Mount::Server, &["KraitApp a.py", line])], None).unwrap();
        assert_eq!((&named.interpreters[..], named.interpreter_named), (&[expected.to_owned()][..], true));
    }
}

#[test]
fn another_user_needs_root() {
    let layers = layer(Mount::Server, &["KraitApp a.py", "KraitUser alice"]);
    assert!(spec(&[&layers], None).unwrap_err().contains("root"));
    let www = identity("www");
    assert_eq!(spec(&[&layers], Some(&www)).unwrap().identity, Some(identity("alice")));
    let plain = layer(Mount::Server, &["KraitApp a.py"]);
    assert_eq!(spec(&[&plain], Some(&www)).unwrap().identity, Some(www));
}

#[test]
fn a_spec_reads_back_and_a_wrong_one_does_not() {
    let good = spec(&[&layer(Mount::Server, &["KraitApp m:app", "KraitPath p"])], None).unwrap();
    assert_eq!(AppSpec::decode(&good.encode().unwrap()), Ok(good.clone()));
    assert_eq!(good.plan.directory, "/srv/p");
    let mut bytes = good.encode().unwrap();
    bytes.push(0);
    assert_eq!(AppSpec::decode(&bytes), Err(SpecError::Unreadable));
    let break_it = |change: &dyn Fn(&mut AppSpec)| {
        let mut bad = good.clone();
        change(&mut bad);
        AppSpec::decode(&bad.encode().unwrap()).unwrap_err()
    };
    assert_eq!(break_it(&|spec| spec.plan.threads = 0), SpecError::OutOfRange("KraitThreads"));
    assert_eq!(break_it(&|spec| spec.processes_min = 9), SpecError::OutOfRange("KraitProcesses"));
    break_it(&|spec| (spec.processes_max, spec.plan.threads) = (256, 128));
    break_it(&|spec| spec.interpreters = vec!["python".into()]);
    break_it(&|spec| spec.plan.directory = "x".into());
    break_it(&|spec| spec.env = vec![("A=B".into(), String::new())]);
}

#[test]
fn too_large_a_product_is_refused_at_once() {
    let layers = layer(Mount::Server, &["KraitApp a.py", "KraitProcesses 1 256", "KraitThreads 128"]);
    assert!(spec(&[&layers], None).unwrap_err().contains("KraitThreads"));
}
