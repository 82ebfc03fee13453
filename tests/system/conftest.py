"""The system tier: a booted systemd, the installed agentctl, real users. `tests/all system` runs it in a throwaway host."""

import os
import pwd
import shutil
import subprocess

import pytest

from agentctl import Account, Agentctl
from http_client import Server, socket_of

HERE = os.path.dirname(os.path.abspath(__file__))


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than 20 s")
    try:
        pwd.getpwnam("tester")
    except KeyError:
        pytest.exit("these tests need a host to themselves: tests/all system", returncode=2)
    if os.getuid() != 0 or not os.path.isdir("/run/systemd/system") or not shutil.which("agentctl"):
        pytest.exit("these tests need root, systemd and an installed agentctl: tests/all system", returncode=2)


def pytest_addoption(parser):
    parser.addoption("--begin-with", metavar="FILE", help="the file whose tests come first; what is before it comes last")


def pytest_collection_modifyitems(config, items):
    """So that two hosts that run all tests at once are not both at the heaviest at the same time."""
    if first := config.getoption("--begin-with"):
        at = [item.path.name for item in items].index(first)
        items[:] = items[at:] + items[:at]


@pytest.fixture(params=["user", "system"])
def agentctl(request):
    """agentctl as a lingering user, and again as root: each test that takes it runs twice."""
    yield from cleaned(Agentctl(Account("tester" if request.param == "user" else "root")))


@pytest.fixture
def user_agentctl():
    """For what concerns a user's manager only."""
    yield from cleaned(Agentctl(Account("tester")))


@pytest.fixture
def other_agentctl():
    """The same host's other lingering user."""
    yield from cleaned(Agentctl(Account("other")))


@pytest.fixture
def system_agentctl():
    """For what concerns root and the system manager only."""
    yield from cleaned(Agentctl(Account("root")))


seen = set()


def cleaned(subject):
    if subject.account.name not in seen:  # what was there before the first test
        seen.add(subject.account.name)
        subject.clean()
    yield subject
    subject.clean()


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """The folder of our small programs, where every user can read it, wherever the repository lies."""
    folder = tmp_path_factory.mktemp("programs")
    shutil.copytree(f"{HERE}/programs", folder, dirs_exist_ok=True)
    for parent in [folder, *folder.parents]:
        if parent.stat().st_uid == 0 and str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    return str(folder)


@pytest.fixture
def folder(request, tmp_path_factory):
    """An empty folder that belongs to whoever the test's agentctl runs as."""
    name = next(name for name in request.fixturenames if name.endswith("agentctl"))
    account = request.getfixturevalue(name).account
    path = tmp_path_factory.mktemp("folder")
    os.chown(path, account.uid, account.gid)
    for parent in path.parents:
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    return str(path)


@pytest.fixture
def server(agentctl):
    subject = Server(agentctl, socket_of(agentctl))
    yield subject
    subject.stop()


@pytest.fixture
def user_server(user_agentctl):
    subject = Server(user_agentctl, socket_of(user_agentctl))
    yield subject
    subject.stop()


@pytest.fixture
def tcp_server(user_agentctl):
    subject = Server(user_agentctl, 7331, "--listen", "127.0.0.1:7331")
    subject.headers = {"Authorization": "Bearer " + user_agentctl.ok("serve", "--token").strip()}
    yield subject
    subject.stop()


@pytest.fixture(scope="session")
def packaged():
    """Skips what only the installed package can show."""
    known = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", "agentctl"], capture_output=True, text=True,
                           check=False)
    if known.stdout != "installed":
        pytest.skip("agentctl was not installed as a package")
