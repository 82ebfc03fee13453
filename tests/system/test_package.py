"""What the installed package brings, and that it works where it lies."""

import os
import re
import subprocess

import pytest

from agentctl import Account, Agentctl, eventually
from terminal import Terminal

pytestmark = pytest.mark.usefixtures("packaged")


def run(*argv, **options):
    return subprocess.run(argv, capture_output=True, text=True, check=False, **options)


def test_everything_is_in_its_place():
    files = run("dpkg-query", "-L", "agentctl").stdout.splitlines()
    for pattern in (r"/usr/bin/agentctl", r"/usr/libexec/agentctl/session-host", r"/usr/libexec/agentctl/recorder",
                    r"/usr/libexec/agentctl/starter", r"/usr/libexec/agentctl/on-end",
                    r"(/usr)?/lib/systemd/system/agentctl\.slice", r"/usr/lib/systemd/user/agentctl\.slice",
                    r"(/usr)?/lib/systemd/system/agentctl-reconcile\.(service|timer)",
                    r"/usr/lib/systemd/user/agentctl-reconcile\.(service|timer)",
                    r"(/usr)?/lib/systemd/system/agentctl_http\.(service|socket)",
                    r"/usr/lib/systemd/user/agentctl_http\.(service|socket)",
                    r"(/usr)?/lib/systemd/system/agentctl-reconcile@\.service",
                    r"/usr/lib/systemd/user/agentctl-reconcile@\.service", r"/usr/share/man/man5/agentctl-flow\.5\.gz",
                    r"/usr/share/man/man5/agentctl-services\.5\.gz", r"/usr/share/agentctl/services\.schema\.json",
                    r"/usr/share/man/man1/agentctl\.1\.gz", r"/usr/share/bash-completion/completions/agentctl",
                    r"/usr/share/zsh/vendor-completions/_agentctl", r"/usr/share/fish/vendor_completions\.d/agentctl\.fish",
                    r"/usr/share/polkit-1/rules\.d/.*agentctl.*\.rules", r"/usr/share/doc/agentctl/copyright"):
        assert any(re.fullmatch(pattern, file) for file in files), pattern
    documentation = ("/usr/share/man/", "/usr/share/doc/")  # Debian's images may leave them out
    for file in files:
        assert file.startswith(documentation) or os.path.lexists(file), file
        assert "/local/" not in file and not file.startswith("/opt")


def test_nothing_of_it_is_setuid_or_writable():
    for file in run("dpkg-query", "-L", "agentctl").stdout.splitlines():
        if os.path.isfile(file):
            status = os.stat(file)
            assert status.st_uid == 0 and status.st_mode & 0o7022 == 0, file


def test_the_units_are_sound():
    for flag, name in (("--system", "system"), ("--user", "user")):
        files = [file for file in run("dpkg-query", "-L", "agentctl").stdout.splitlines()
                 if f"/systemd/{name}/" in file and file.endswith((".service", ".socket", ".timer", ".slice"))]
        assert len(files) == 6
        account = Account("tester") if name == "user" else Account("root")
        result = account.run(["systemd-analyze", flag, "verify", *files])
        assert result.status == 0 and "agentctl" not in result.err, result


@pytest.mark.parametrize("name", ["tester", "root"])
def test_the_timer_runs_and_its_service_works(name):
    agentctl = Agentctl(Account(name))
    for unit in ("agentctl-reconcile.timer", "agentctl-reconcile.service"):  # the latter at each boot and login
        assert agentctl.systemctl("is-enabled", unit).out == "enabled\n"
    if name == "tester":  # the user's manager was there before the package
        agentctl.systemctl("daemon-reload")
        agentctl.systemctl("start", "agentctl-reconcile.timer")
    assert agentctl.systemctl("is-active", "agentctl-reconcile.timer").out == "active\n"
    assert agentctl.systemctl("start", "agentctl-reconcile.service").status == 0
    assert agentctl.show("agentctl-reconcile.service", "Result")["Result"] == "success"


def test_the_service_repairs_in_its_sandbox_what_was_lost(agentctl):
    recorder = "/usr/libexec/agentctl/recorder"
    agentctl.run("live", "sleep", "1000", options=["--ttl", "1h"])
    agentctl.ok("extend", "live", "1h")
    os.rename(recorder, recorder + ".away")
    try:
        agentctl.ok("run", "-n", "a", "--ttl", "1h", "--", "sh", "-c", "sleep 0.5; exit 3")
        agentctl.ok("extend", "a", "1h")
        eventually(lambda: agentctl.units() == {"agentctl-live.service"}, what="the end")
    finally:
        os.rename(recorder + ".away", recorder)
    assert len(agentctl.records("live")) == 2
    assert agentctl.systemctl("start", "agentctl-reconcile.service").status == 0
    assert len(agentctl.records("live")) == 1 and agentctl.record("a", "ended")["end"]["exit_code"] == 3
    assert agentctl.status("live")["state"] == "running", "it touches nothing that lives"
    assert len(os.listdir(agentctl.runtime)) == 1


def test_the_group_exists_and_has_no_members():
    entry = run("getent", "group", "agentctl").stdout.strip()
    assert entry.startswith("agentctl:") and entry.endswith(":")


def test_sessions_do_not_care_when_the_package_is_upgraded(agentctl):
    """An upgrade replaces the files of running programs."""
    before = agentctl.run("a", "sh", "-c", "echo one; sleep 1; echo two; exit 3")
    for path in ("/usr/bin/agentctl", "/usr/libexec/agentctl/session-host", "/usr/libexec/agentctl/recorder"):
        subprocess.run(["cp", "-p", path, path + ".dpkg-new"], check=True)
        os.rename(path + ".dpkg-new", path)
    assert agentctl("wait", "a").status == 3
    assert agentctl.status("a")["pid"] == before["pid"] and agentctl.logs("a") == b"one\ntwo\n"


def completions(account, words):
    """What bash offers for the last of these words."""
    script = f"""
        source /usr/share/bash-completion/bash_completion 2>/dev/null
        source /usr/share/bash-completion/completions/agentctl
        COMP_WORDS=({" ".join(words)}) COMP_CWORD={len(words) - 1} COMP_LINE="{" ".join(words)}" COMP_POINT=${{#COMP_LINE}}
        function=$(complete -p agentctl | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        $function agentctl "${{COMP_WORDS[-1]}}" "${{COMP_WORDS[-2]}}" >/dev/null
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    result = account.shell(script)
    return sorted(word.strip() for word in result.out.split("\n") if word.strip())


def test_bash_completes_verbs_options_and_session_names(agentctl):
    agentctl.run("web-one", "sleep", "1000")
    agentctl.run("web-two", "sleep", "1000")
    agentctl.run("ended", "true")
    agentctl.wait_ended("ended")
    assert completions(agentctl.account, ["agentctl", "st"]) == ["status", "stop"]
    assert completions(agentctl.account, ["agentctl", "stop", "we"]) == ["web-one", "web-two"]
    assert completions(agentctl.account, ["agentctl", "rm", "en"]) == ["ended"]
    assert "--ttl" in completions(agentctl.account, ["agentctl", "run", "--t"])
    agentctl.run("holder", "sleep", "1000", options=["--pool", "p", "--max", "1"])
    agentctl.run("next", "true", options=["--pool", "p", "--max", "1", "--queue"])
    assert completions(agentctl.account, ["agentctl", "cancel", ""]) == ["next"]
    assert completions(agentctl.account, ["agentctl", "flow", "ca"]) == ["cancel"]
    assert agentctl("flow", "run", "-", input=b'{"name": "rel", "steps": [{"name": "a", "command": ["sleep", "9"]}]}').status == 0
    assert completions(agentctl.account, ["agentctl", "flow", "cancel", ""]) == ["rel"]


def test_fish_completes_verbs_options_and_session_names(agentctl):
    agentctl.run("web-one", "sleep", "1000")
    agentctl.run("ended", "true")
    agentctl.wait_ended("ended")

    def offered(line):
        return [row.split("\t")[0] for row in agentctl.account.run(["fish", "-c", 'complete -C "$argv"', line]).out.splitlines()]

    assert offered("agentctl st") == ["status", "stop"]
    assert offered("agentctl stop ") == ["web-one"] and offered("agentctl rm ") == ["ended"]
    assert offered("agentctl run --tt")[0] == "--ttl", "what only contains it comes behind (fish 4)"


def test_zsh_completes_verbs_options_and_session_names(agentctl):
    agentctl.run("web-one", "sleep", "1000")
    with Terminal(agentctl.account, ["zsh", "-f"], columns=100) as terminal:
        terminal.send("autoload -Uz compinit && compinit -D && echo ready\n")
        terminal.expect("ready\r")
        for typed, completed in (("agentctl stat\t", "agentctl status "), ("\x15agentctl stop we\t", "agentctl stop web-one"),
                                 ("\x15agentctl run --tt\t", "agentctl run --ttl")):
            terminal.send(typed)
            terminal.expect(completed)


def test_the_version_is_the_packages():
    version = run("dpkg-query", "-W", "-f", "${Version}", "agentctl").stdout
    assert run("agentctl", "--version").stdout.split()[1] == version.split("-")[0].split("~")[0].split("+")[0]
