"""Fixtures of the integration tests."""

import pytest
from harness import conf
from harness.httpd import Httpd
from harness.leftovers import Leftovers, Watch
from harness.stage import Stage, framework_python


@pytest.fixture(scope="session")
def stage():
    """The folder of this run, with copies of dist/ and the test applications."""
    stage = Stage()
    if conf.PEER == "krait":
        stage.copy_dist()
    yield stage
    stage.remove()


@pytest.fixture(scope="session")
def venv_python():
    """The interpreter that has the frameworks."""
    return framework_python()


@pytest.fixture(scope="module", params=conf.MPMS)
def mpm(request):
    """Each of httpd's ways to serve."""
    return request.param


class Servers:
    """All servers of this run."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.watch = Watch(stage.root, stage.tmp)
        self.all: list[Httpd] = []
        # Processes that are not an Httpd (krait serve): what they started is no leftover while they live.
        self.others: set[int] = set()

    def new(self, **options) -> Httpd:
        """A server that is not yet configured."""
        server = Httpd(self.stage, **options)
        self.all.append(server)
        return server

    def live(self) -> set[int]:
        """Parents that run."""
        return {server.pid for server in self.all if server.running} | self.others

    def check(self) -> None:
        """The check after every test."""
        complaints = [f"{server.root.name}: {text}" for server in self.all for text in server.audit()]
        complaints += self.watch.complaints(self.live())
        if complaints:
            raise Leftovers("\n".join(complaints))


@pytest.fixture(scope="session")
def servers(stage):
    """The registry of servers."""
    return Servers(stage)


@pytest.fixture
def leftovers(servers):
    """After the test: log audit, zombies, and whatever stopped servers left behind."""
    yield servers
    servers.check()


def _launcher(servers: Servers):
    """A function that starts servers, and the generator that stops them."""
    mine = []

    def launch(*lines: str, start: bool = True, **options) -> Httpd:
        server = servers.new(**options)
        mine.append(server)
        server.configure(*lines)
        return server.start() if start else server

    yield launch
    trouble = []
    for server in mine:
        try:
            server.stop()
        except Leftovers as error:
            trouble.append(str(error))
    if trouble:
        raise Leftovers("\n".join(trouble))


@pytest.fixture
def launch(leftovers):
    """Starts servers for one test."""
    yield from _launcher(leftovers)


@pytest.fixture(scope="module")
def launch_shared(servers):
    """Starts servers for all tests of a module."""
    yield from _launcher(servers)
