"""The ways in (Location, Directory, .htaccess, dropped scripts), and SCRIPT_NAME and PATH_INFO there."""

import shutil

import pytest
from harness import conf


@pytest.fixture(scope="module")
def server(launch_shared, stage, mpm):
    """All ways in on one server."""
    server = launch_shared(mpm=mpm, start=False)
    facts, hello = stage.apps / "facts/app.py", stage.apps / "hello/app.py"
    root = server.docroot
    for name in ("site/inner", "site/plain", "dropped", "old", "aliased/public", "off"):
        (root / name).mkdir(parents=True)
    for folder, script in (("site", facts), ("site/inner", hello), ("aliased", facts)):
        shutil.copy(script, root / folder / "app.py")
    (root / "site/.htaccess").write_text("KraitApp app.py\n")
    (root / "site/inner/.htaccess").write_text("KraitApp app.py\n")
    (root / "site/data.txt").write_text("a file beside the application\n")
    (root / "off/.htaccess").write_text("KraitApp app.py\n")
    (root / "aliased/public/file.txt").write_text("a public file\n")
    for folder in ("dropped", "old"):
        shutil.copy(facts, root / folder / "facts.wsgi")
        (root / folder / "page.txt").write_text("a page\n")
    return server.configure(
        f'<Directory "{root}/site">\nAllowOverride FileInfo\n</Directory>',
        f'<Directory "{root}/off">\nAllowOverride None\n</Directory>',
        f'Alias "/shop" "{root}/aliased"',
        f'<Directory "{root}/aliased">\nKraitApp "{root}/aliased/app.py"\n</Directory>',
        f'<Directory "{root}/dropped">\nAddHandler krait .wsgi\n</Directory>',
        f'<Directory "{root}/old">\nAddHandler wsgi-script .wsgi\n</Directory>',
        f'<Location "/bare">\nKraitApp "{facts}"\n</Location>',
        f'Alias "/bare/static" "{root}/aliased/public"',
        conf.mount("/handled", facts),
        '<Location "/handled/none">\nKraitApp None\nSetHandler None\n</Location>',
        '<Location "/bare/none">\nKraitApp None\n</Location>',
        conf.mount("/handled/nested", hello),
    ).start()


def check(server, path, script_name, path_info):
    """What the application saw of a path."""
    answer = server.get(path)
    assert answer.status_code == 200, answer.text
    environ = answer.json()["environ"]
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script_name, path_info)


@pytest.mark.parametrize(
    ("path", "script_name", "path_info"),
    [
        ("/handled", "/handled", ""),
        ("/handled/a/b", "/handled", "/a/b"),
        ("/handled/caf%C3%A9", "/handled", "/caf\u00c3\u00a9"),
        ("/bare/a", "/bare", "/a"),
    ],
    ids=["handler", "handler-info", "handler-decoded", "only-kraitapp"],
)
def test_location(server, path, script_name, path_info):
    check(server, path, script_name, path_info)


@pytest.mark.parametrize(
    ("path", "script_name", "path_info"),
    [
        ("/shop/", "/shop", "/"),
        ("/shop/item/7", "/shop", "/item/7"),
        ("/shop/public2", "/shop", "/public2"),
    ],
)
def test_directory_behind_an_alias(server, path, script_name, path_info):
    check(server, path, script_name, path_info)


@pytest.mark.parametrize(
    ("path", "script_name", "path_info"),
    [
        ("/site/", "/site", "/"),
        ("/site/a", "/site", "/a"),
        ("/site/a/b.html", "/site", "/a/b.html"),
        ("/site/plain/x", "/site", "/plain/x"),
        ("/site/%7Eme/x", "/site", "/~me/x"),
    ],
)
def test_htaccess(server, path, script_name, path_info):
    check(server, path, script_name, path_info)


def test_nested_htaccess_has_its_own_application(server):
    assert server.get("/site/inner/x").text == "Hello, world!\n"
    check(server, "/site/innermost", "/site", "/innermost")


def test_nested_location_has_its_own_application(server):
    assert server.get("/handled/nested/x").text == "Hello, world!\n"


@pytest.mark.parametrize("name", ["app.py", "data.txt", ".htaccess"])
def test_files_beside_the_application_are_not_served(server, name):
    server.log.allow("AH01630|AH01797")
    answer = server.get(f"/site/{name}")
    assert "KraitApp" not in answer.text
    assert "start_response" not in answer.text
    assert "a file beside" not in answer.text


@pytest.mark.parametrize("folder", ["dropped", "old"], ids=["handler-krait", "handler-wsgi-script"])
def test_dropped_script(server, folder):
    check(server, f"/{folder}/facts.wsgi", f"/{folder}/facts.wsgi", "")
    check(server, f"/{folder}/facts.wsgi/more/path", f"/{folder}/facts.wsgi", "/more/path")
    assert server.get(f"/{folder}/page.txt").text == "a page\n"
    assert server.get(f"/{folder}/missing.wsgi").status_code == 404


def test_an_alias_claims_its_urls_from_an_application(server):
    assert server.get("/bare/static/file.txt").text == "a public file\n"


@pytest.mark.parametrize("path", ["/handled/none", "/bare/none"])
def test_krait_app_none_ends_an_outer_application(server, path):
    assert server.get(path).status_code == 404


def test_other_urls_stay_httpd_s(server):
    assert server.get("/static.txt").text == "a static file\n"
    assert server.get("/nothing").status_code == 404


def test_htaccess_is_ignored_where_overrides_are_off(server):
    assert server.get("/off/x").status_code == 404
