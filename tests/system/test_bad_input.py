"""A refusal names the thing, the rule and the remedy, ends with the status that scripts rely on, and has changed nothing."""

import json
import os
import re

import pytest

from agentctl import Account, Agentctl, eventually

BAD_NAMES = ["", "A", "a_b", "a.b", "a/b", "a b", "-a", "a-", "-", "a@b", "é", "a\n", "../a", "x" * 65, "%n", "$a", "a;b", "reconcile"]


def traces(agentctl):
    """All that a refused command must not have changed."""
    files = sorted(os.path.join(path, name) for root in (agentctl.registry, agentctl.runtime)
                   for path, _, names in os.walk(root) for name in names if name != "lock")
    return agentctl.units(), files


def refused(agentctl, arguments, status, *words, **options):
    before = traces(agentctl)
    result = agentctl(*arguments, **options)
    assert result.status == status, result
    assert not result.out, "nothing on stdout on failure"
    assert result.err.startswith("agentctl: "), result
    for word in words:
        assert word in result.err, result
    assert traces(agentctl) == before
    return result


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_none(agentctl, name):
    result = agentctl("run", "-n", name, "--", "true")
    assert result.status == 2 and not result.out and "hint: " in result.err, result
    assert traces(agentctl) == (set(), [])


@pytest.mark.parametrize("name", ["a", "0", "a-b", "a--b", "x" * 64, "1234"])
def test_a_name_that_is_one(agentctl, name):
    agentctl.run(name, "sleep", "1000")
    assert agentctl.names() == [name]
    assert agentctl.ok("stop", name).startswith(f"{name}: stopped")


def test_the_rule_and_the_remedy_are_told(agentctl):
    result = refused(agentctl, ["run", "-n", "My Web", "--", "true"], 2, "-n", "a-z 0-9 -", "My Web")
    hint = re.search(r"hint: -n (\S+)", result.err)
    assert hint and agentctl("run", "-n", hint[1], "--", "true").status == 0, "the hint works"


@pytest.mark.parametrize("command, status, word", [
    ("/nonexistent", 127, "/nonexistent"),
    ("nonexistent-command", 127, "nonexistent-command"),
    ("/etc/passwd", 126, "/etc/passwd"),
    ("/", 126, "/"),
    ("/etc/passwd/x", 127, "/etc/passwd/x"),
])
def test_a_command_that_cannot_be_executed(agentctl, command, status, word):
    refused(agentctl, ["run", "--", command], status, word)
    for form in ("--wait", "--follow", "--scope"):
        assert agentctl("run", form, "--", command).status == status
    assert not agentctl.units()


def test_a_command_that_only_the_kernel_refuses(agentctl, folder):
    """What is found by trying: the record says so, and no unit is left."""
    for name, content, word in (("interpreter", "#!/nonexistent/interpreter\n", "its interpreter '/nonexistent/interpreter' does not exist"),
                                ("format", "\x7fELF not", "Exec format error")):
        path = f"{folder}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        os.chmod(path, 0o755)
        for form in ([], ["--wait"]):
            result = agentctl("run", *form, "-n", name, "--", path)
            assert result.status == 126 and not result.out, result
            assert result.err == f"agentctl: cannot start session '{name}': cannot execute '{path}': {word}\nhint: agentctl status {name}\n"
        assert not agentctl.units()
        session = agentctl.status(name)
        assert (session["state"], session["reason"]) == ("failed", f"cannot execute '{path}': {word}")


def test_a_folder_that_is_not_there(agentctl, folder):
    refused(agentctl, ["run", "-C", "/nonexistent", "--", "true"], 1, "'/nonexistent'", "No such file or directory", "-C")
    refused(agentctl, ["run", "-C", "/etc/passwd", "--", "true"], 1, "'/etc/passwd'", "Not a directory")


def test_what_agentctl_itself_cannot_do_in_the_foreground_is_125(agentctl):
    for form in ("--wait", "--follow", "--scope"):
        refused(agentctl, ["run", form, "-C", "/nonexistent", "--", "true"], 125, "'/nonexistent'", "hint: ")
        refused(agentctl, ["run", form, "--env-file", "/nonexistent", "--", "true"], 125, "'/nonexistent'", "hint: ")


def test_an_output_file_that_cannot_be(agentctl, folder):
    for option in ("--stdout", "--stderr"):
        refused(agentctl, ["run", option, f"{folder}/missing/x", "--", "true"], 1, f"'{folder}/missing/x'", "No such file or directory",
                f"hint: mkdir -p {folder}/missing")
        refused(agentctl, ["run", option, folder, "--", "true"], 1, f"'{folder}'", "Is a directory", option)


def test_an_output_file_that_one_may_not_write(user_agentctl):
    for path in ("/etc/hostname", "/etc/new", "/root/x"):
        refused(user_agentctl, ["run", "--stdout", path, "--", "true"], 5, f"'{path}'", "Permission denied", "--stdout")


def test_a_folder_that_one_may_not_enter(user_agentctl):
    refused(user_agentctl, ["run", "-C", "/root", "--", "true"], 5, "'/root'", "Permission denied")


def test_a_second_live_session_of_the_name(agentctl):
    before = agentctl.run("a", "sleep", "1000")
    refused(agentctl, ["run", "-n", "a", "--", "sleep", "2000"], 4, "'a'", "lives", "hint: agentctl status a")
    for form in ("--wait", "--scope"):
        assert agentctl("run", form, "-n", "a", "--", "true").status == 125, "125: agentctl itself failed"
    after = agentctl.status("a")
    assert {key: after[key] for key in before if key != "usage"} == {key: before[key] for key in before if key != "usage"}
    agentctl.ok("stop", "a")
    agentctl.run("a", "true")


@pytest.mark.parametrize("arguments", [
    ["run"], ["run", "--"], ["run", "-n"], ["run", "--nope", "--", "true"], ["run", "--ttl", "soon", "--", "true"],
    ["run", "--ttl", "0", "--", "true"], ["run", "--ttl", "-5s", "--", "true"], ["run", "--stop-timeout", "x", "--", "true"],
    ["run", "--port", "0", "--", "true"], ["run", "--port", "65536", "--", "true"], ["run", "--port", "http", "--", "true"],
    ["run", "--label", "novalue", "--", "true"], ["run", "--label", "=x", "--", "true"], ["run", "-p", "a b", "--", "true"],
    ["run", "-p", "../x", "--", "true"], ["run", "--group", "-x", "--", "true"], ["run", "--agent", "a\nb", "--", "true"],
    ["run", "--work-item", "x" * 257, "--", "true"], ["run", "--wait", "--scope", "--", "true"], ["run", "--", ""],
    ["--user", "--system", "list"], ["list", "--user", "--system"],
    ["list", "--state", "happy"], ["list", "extra"], ["status"], ["status", "a", "b"], ["logs"], ["logs", "-n", "-1", "a"],
    ["logs", "-n", "x", "a"], ["logs", "--stream", "stdin", "a"], ["stop"], ["wait"], ["wait", "--for", "christmas", "a"],
    ["wait", "--timeout", "x", "a"], ["kill"], ["extend"], ["extend", "a"], ["rm"], ["prune", "--older-than", "x"],
    ["restart"], ["doctor", "extra"], ["reconcile", "extra"], ["frobnicate"], ["--nope"], [""]],
    ids=lambda arguments: " ".join(arguments)[:40].replace("\n", " "))
def test_usage_errors(agentctl, arguments):
    refused(agentctl, arguments, 2)


@pytest.mark.parametrize("verb", ["status", "logs", "stop", "wait", "kill", "restart", "rm"])
@pytest.mark.parametrize("name", ["nobody", "No Name", "../../etc/passwd", "%n", "1", "-1"])
def test_a_session_that_is_not_there(agentctl, verb, name):
    arguments = [verb, "--", name]
    refused(agentctl, arguments, 3, "no such session", "hint: agentctl list -a")


def test_a_pid_is_never_a_name(agentctl):
    pid = agentctl.run("a", "sleep", "1000")["pid"]
    for verb in ("status", "stop", "kill"):
        assert agentctl(verb, str(pid)).status == 3
    assert agentctl.status("a")["state"] == "running"


def test_errors_in_json(agentctl):
    for arguments, status, code in ((["status", "--json", "nobody"], 3, "not-found"), (["--json", "run", "--", "/nonexistent"], 127, "command-not-found"),
                                    (["run", "--json", "-n", "X", "--", "true"], 2, "usage"), (["--json", "frobnicate"], 2, "usage")):
        result = agentctl(*arguments)
        assert result.status == status and not result.out
        error = json.loads(result.err)["error"]
        assert set(error) == {"code", "message", "object", "reason", "hint"}
        assert error["code"] == code and error["message"]


def test_an_ambiguous_beginning_of_an_id(agentctl):
    for _ in range(33):  # ids begin with one of 26 letters
        agentctl.ok("run", "--wait", "--", "true")
    ids = [session["id"] for session in agentctl.list("-a")]
    letter = next(letter for letter in "abcdefghijklmnopqrstuvwxyz" if sum(id.startswith(letter) for id in ids) > 1)
    refused(agentctl, ["status", letter], 4, "more than one")


def test_no_manager_can_be_reached(user_agentctl, folder):
    env = user_agentctl.account.environment(XDG_RUNTIME_DIR=folder, DBUS_SESSION_BUS_ADDRESS=None)
    for arguments in (["run", "--", "true"], ["list"], ["status", "a"], ["stop", "--all"]):
        refused(user_agentctl, arguments, 6, f"{folder}/bus", "unset XDG_RUNTIME_DIR", env=env)


def test_a_user_may_not_start_anything_in_the_system_scope():
    tester = Agentctl(Account("tester"))
    for arguments, status in ((["run", "--", "true"], 5), (["run", "-C", "/", "--uid", "root", "--", "true"], 5), (["run", "--scope", "--", "true"], 125)):
        result = tester("--system", *arguments)
        assert result.status == status and not result.out, result
        assert result.err.startswith("agentctl: ")
    assert not Agentctl(Account("root")).units()


def test_another_user_only_in_the_system_scope(user_agentctl):
    refused(user_agentctl, ["run", "--uid", "other", "--", "true"], 2, "other")
    root = Agentctl(Account("root"))
    assert root("run", "--uid", "nobody-of-that-name", "--", "true").status == 2
    assert root("run", "--scope", "--uid", "tester", "--", "true").status == 2


def test_output_that_cannot_be_written_is_an_error(agentctl):
    agentctl.run("a", "sh", "-c", "seq 1 10000")
    assert agentctl("wait", "a").status == 0
    for command in ("agentctl list -a > /dev/full", "agentctl status a > /dev/full", "agentctl logs a > /dev/full"):
        result = agentctl.account.shell(command)
        assert result.status == 1 and "No space left" in result.err, (command, result)


def test_standard_streams_that_are_closed_do_no_harm(agentctl):
    result = agentctl.account.shell("agentctl run -n a -- sleep 1000 <&- >&- 2>&-; echo $?")
    assert result.out.strip() in ("0", "1")
    eventually(lambda: agentctl.names() == ["a"], what="the session")
    assert agentctl.status("a")["state"] == "running"


def test_help_is_help_wherever_it_stands(agentctl):
    for arguments in (["--help"], ["-h"], ["help"], ["run", "--help"], ["run", "-n", "a", "--help"], ["stop", "-h"], ["--json", "list", "--help"]):
        out = agentctl.ok(*arguments)
        assert out.startswith("Usage: agentctl"), arguments
    assert re.fullmatch(r"agentctl \d+\.\d+\.\d+\S*\n", agentctl.ok("--version"))
    first = agentctl.ok()
    assert [line.split()[1] for line in first.splitlines() if line.startswith("  agentctl")] == ["run", "list", "status", "logs", "stop"]
