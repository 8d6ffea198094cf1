"""Every supported Python on the machine serves, all of them under one httpd."""

import pytest
from harness import conf
from harness.interpreters import found, made_reachable

SUPPORTED = [one for one in found() if one.supported]


@pytest.fixture(scope="module")
def server(launch_shared, stage):
    """The facts once per interpreter."""
    facts = stage.apps / "facts/app.py"
    mounts = [conf.mount(f"/{one.name}", facts, made_reachable(stage, one)) for one in SUPPORTED]
    return launch_shared(*mounts)


@pytest.mark.parametrize("interpreter", SUPPORTED, ids=[one.name for one in SUPPORTED])
def test_the_application_runs_under_the_named_interpreter(server, interpreter):
    for _ in range(3):
        answer = server.get(f"/{interpreter.name}/x")
        assert answer.status_code == 200
    facts = answer.json()
    assert tuple(facts["version_info"]) == interpreter.version
    assert facts["version"] == interpreter.banner
    assert facts["environ"]["PATH_INFO"] == "/x"


def test_there_is_something_to_test():
    assert SUPPORTED
