"""Every integration test ends with the check for leftovers, whether its author thought of it or not."""

import pytest

SHOWN = 40


@pytest.fixture(autouse=True)
def _always_check(leftovers):
    """Uses the check."""
    return leftovers


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows the end of the error log of each server that ran."""
    report = yield
    servers = item.funcargs.get("leftovers") if hasattr(item, "funcargs") else None
    if report.failed and servers:
        for server in servers.all:
            if server.running:
                lines = server.log.text().splitlines()[-SHOWN:]
                report.sections.append((f"error log of {server.root.name}", "\n".join(lines)))
    return report
