"""Every example of a --help and of the man pages works as it stands there."""

import gzip
import json
import os
import re
import socket
import subprocess

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))


def ask(*words):
    return subprocess.run(["agentctl", *words], check=True, capture_output=True, text=True).stdout


def all_verbs():
    """As the program lists them, so that none is forgotten: a verb's own verbs ("flow run") follow it."""
    found = []
    for verb in ask("__complete", "verbs").split():
        own = re.findall(r"^  ([a-z]+) {2,}", ask(verb, "--help").partition("\nOptions:")[0], re.MULTILINE)
        found += [verb] + [f"{verb} {name}" for name in own]
    return found


def examples_of(verb):
    text = ask(*verb.split(), "--help").partition("\nExamples:\n")[2]
    return [line.strip() for line in text.splitlines() if line.strip()]


EXAMPLES = [(verb, example) for verb in all_verbs() for example in examples_of(verb)]

LIVE = ["agentctl run -n web -p shop --ttl 1h -- sh -c 'echo hello; sleep 60'"]
AT_ITS_GATE = ["agentctl flow run release.json", "until agentctl flow status release | grep -q waiting; do sleep 0.05; done"]

# What is done before the examples of a verb, or of all verbs of that verb, or before one of them; else LIVE.
PREPARE = {
    "run": [],
    "restart": ["agentctl run -n web --ttl 1h -- sh -c 'echo hello; sleep 60'"],
    "agentctl restart -e TOKEN web": ["agentctl run -n web -e TOKEN --wait -- sh -c 'test -n \"$TOKEN\"'"],
    "cancel": ["agentctl run -n first --pool build --max 1 -- sleep 60", "agentctl run -n web --pool build --max 1 --queue -- sleep 60"],
    "wait": ["agentctl run -n web -- sh -c 'sleep 1'"],
    "flow run": [],
    "flow": AT_ITS_GATE,
    "agentctl flow run release.json": [],
    "flow wait": [*AT_ITS_GATE, "agentctl flow resume release"],
    "apply": [],
    "adopt": [],
    "port": ["agentctl run -n web --port 3000 -- sleep 60"],
    "rm": ["agentctl run -n web --wait -- true"],
}
# The host may lack something: that doctor says so is its work.
STATUS = {"doctor": {0, 1}}


def services():
    """A file of one service, on a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    health = {"type": "http", "url": f"http://127.0.0.1:{port}/", "expect_status": 200, "timeout_s": 20}
    return json.dumps({"specs": [{"name": "web", "cmd": "python3", "args": ["-m", "http.server", "-b", "127.0.0.1", str(port)],
                                  "ports": [port], "healthcheck": health}]})



def man_page(name):
    for path in (f"/usr/share/man/man{name[-1]}/{name}.gz", f"/usr/local/share/man/man{name[-1]}/{name}"):
        if os.path.exists(path):
            opened = gzip.open(path, "rt", encoding="utf-8") if path.endswith(".gz") else open(path, encoding="utf-8")
            with opened as file:
                return file.read()
    # Debian's images leave out documentation when packages are installed.
    with open(f"{HERE}/../../docs/man/{name}", encoding="utf-8") as file:
        return file.read()


def file_of_man_page(name):
    """The file that it gives as its example."""
    return man_page(name).partition("\n.nf\n")[2].partition(".fi\n")[0]


@pytest.fixture
def workplace(agentctl, folder):
    """A work tree with the files that examples speak of; what the steps of the flow run is there, too."""
    files = {"release.json": file_of_man_page("agentctl-flow.5"), "services.json": services(),
             "Makefile": "all lint test:\n\t@echo $@\n", "ship": "#!/bin/sh\necho shipped\n"}
    for name, content in files.items():
        with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
            file.write(content)
    os.chmod(f"{folder}/ship", 0o755)
    os.mkdir(f"{folder}/.git")
    return folder


@pytest.fixture
def somebodys_process(agentctl):
    with agentctl.account.popen(["sleep", "1000"], start_new_session=True) as process:
        yield process.pid
        process.kill()


@pytest.mark.parametrize("verb, example", EXAMPLES, ids=[example for _, example in EXAMPLES])
def test_help_examples(agentctl, workplace, somebodys_process, verb, example):
    def shell(command):
        return agentctl.account.shell(command, cwd=workplace, env=agentctl.account.environment(TOKEN="x"), timeout=90)

    assert example.startswith("agentctl ")
    for command in next((PREPARE[key] for key in (example, verb, verb.split()[0]) if key in PREPARE), LIVE):
        result = shell(command)
        assert result.status == 0, f"{command}: {result}"
    # Nobody can choose the number of a process.
    result = shell(example.replace("4321", str(somebodys_process)) if verb == "adopt" else example)
    assert result.status in STATUS.get(verb, {0}), result


def test_every_verb_has_examples():
    assert {verb for verb, _ in EXAMPLES} == set(all_verbs())


def test_the_flow_of_its_man_page_runs_to_its_end(agentctl, workplace):
    for command in (*AT_ITS_GATE, "agentctl flow resume release approval", "agentctl flow wait release"):
        result = agentctl.account.shell(command, cwd=workplace)
        assert result.status == 0, f"{command}: {result}"
    assert agentctl.logs("release-ship") == b"shipped\n"


def test_the_services_of_their_man_page_are_valid(agentctl, folder):
    text = file_of_man_page("agentctl-services.5")
    cwd = json.loads(text)["specs"][0]["cwd"]
    assert cwd.startswith("/home/me/")
    path = f"{folder}/services.json"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(cwd, folder))  # as it stands, but for the folder, which is not here
    os.mkdir(f"{folder}/.git")
    assert agentctl.ok("apply", "--check", path).startswith("ok")


def man_examples():
    section = man_page("agentctl.1").partition(".SH EXAMPLES")[2].partition(".SH ")[0]
    lines = re.findall(r"^(agentctl .*)$", section, re.MULTILINE)
    return [line.replace("\\-", "-").replace("\\(aq", "'").replace("\\(dq", '"').replace("\\e", "\\").replace("\\|", "") for line in lines]


def test_man_page_examples_in_their_order(agentctl):
    examples = man_examples()
    assert len(examples) >= 5
    for example in examples:
        result = agentctl.account.shell(example, timeout=120)
        assert result.status == 0, f"{example}: {result}"


@pytest.mark.parametrize("name", ["agentctl.1", "agentctl-flow.5", "agentctl-services.5"])
def test_the_man_pages_render_without_warnings(name):
    result = subprocess.run(["man", "--warnings", "-l", "-"], input=man_page(name), capture_output=True, text=True, check=False,
                            env={"MANWIDTH": "80", "LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]})
    assert result.returncode == 0 and not result.stderr, result.stderr
