"""Every example of a --help and of the man page works as it stands there."""

import gzip
import os
import re
import subprocess

import pytest

VERBS = ["run", "list", "status", "why", "logs", "stop", "wait", "kill", "restart", "extend", "port", "serve", "rm", "prune", "reconcile", "doctor"]

# What an example takes for granted.
PREPARE = {
    "run": [],
    "restart": ["agentctl run -n web --ttl 1h -- sh -c 'echo hello; sleep 60'"],
    "wait": ["agentctl run -n web -- sh -c 'sleep 1'"],
    "port": ["agentctl run -n web --port 3000 -- sleep 60"],
    "rm": ["agentctl run -n web --wait -- true"],
}
LIVE = ["agentctl run -n web -p shop --ttl 1h -- sh -c 'echo hello; sleep 60'"]


def examples_of(agentctl, verb):
    text = agentctl.ok(verb, "--help")
    return [line.strip() for line in text.partition("\nExamples:\n")[2].splitlines() if line.strip()]


@pytest.mark.parametrize("verb", VERBS)
def test_help_examples(agentctl, verb):
    examples = examples_of(agentctl, verb)
    assert examples
    for example in examples:
        assert example.startswith("agentctl "), example
        agentctl.clean()
        for command in PREPARE.get(verb, LIVE):
            assert agentctl.account.shell(command).status == 0, command
        result = agentctl.account.shell(example, env=agentctl.account.environment(TOKEN="x"), timeout=90)
        expected = {0}
        if verb == "doctor":
            expected = {0, 1}  # the host may lack something; that it says so is its work
        if "restart -e" in example:
            expected = {2}  # a live session keeps its environment
        assert result.status in expected, f"{example}: {result}"


def man_page():
    for path in ("/usr/share/man/man1/agentctl.1.gz", "/usr/local/share/man/man1/agentctl.1"):
        if os.path.exists(path):
            opened = gzip.open(path, "rt", encoding="utf-8") if path.endswith(".gz") else open(path, encoding="utf-8")
            with opened as file:
                return file.read()
    # Debian's images leave out documentation when packages are installed.
    local = os.path.join(os.path.dirname(__file__), "../../docs/man/agentctl.1")
    with open(local, encoding="utf-8") as file:
        return file.read()


def man_examples():
    text = man_page()
    section = text.partition(".SH EXAMPLES")[2].partition(".SH ")[0]
    lines = re.findall(r"^(agentctl .*)$", section, re.MULTILINE)
    return [line.replace("\\-", "-").replace("\\(aq", "'").replace("\\(dq", '"').replace("\\e", "\\").replace("\\|", "") for line in lines]


def test_man_page_examples_in_their_order(agentctl):
    examples = man_examples()
    assert len(examples) >= 5
    for example in examples:
        result = agentctl.account.shell(example, timeout=120)
        assert result.status == 0, f"{example}: {result}"


def test_the_man_page_renders_without_warnings():
    result = subprocess.run(["man", "--warnings", "-l", "-"], input=man_page(), capture_output=True, text=True, check=False,
                            env={"MANWIDTH": "80", "LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]})
    assert result.returncode == 0 and not result.stderr, result.stderr
