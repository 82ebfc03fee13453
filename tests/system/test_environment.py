"""What a session finds in its environment, and who can read it there."""

import glob
import json
import os
import subprocess

import pytest

from agentctl import eventually

# https-proxy settings reach the session; marks of the caller's own agent session and of its unit do not.
KEPT = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
        "npm_config_proxy", "npm_config_https_proxy", "npm_config_noproxy", "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CODE_GIT_BASH_PATH", "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY",
        "CLAUDE_CODE_SKIP_BEDROCK_AUTH", "CLAUDE_CODE_SKIP_VERTEX_AUTH", "CLAUDE_CODE_SKIP_FOUNDRY_AUTH",
        "ANTHROPIC_BEDROCK_BASE_URL", "ANTHROPIC_VERTEX_PROJECT_ID", "AWS_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "CLOUD_ML_REGION", "GOOGLE_APPLICATION_CREDENTIALS", "ANTHROPIC_API_KEY",
        "LD_LIBRARY_PATH", "MY_OWN", "CLAUDE_CONFIG_DIR"]
DROPPED = ["CLAUDECODE", "CLAUDECODE_X", "CLAUDE_CODE_SESSION", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_EFFORT_LEVEL",
           "CLAUDE_CODE_ALWAYS_ENABLE_EFFORT", "CLAUDE_CODE_ANYTHING", "MCP_SESSION_ID", "NOTIFY_SOCKET", "INVOCATION_ID",
           "JOURNAL_STREAM", "LISTEN_FDS", "AGENTCTL_SESSION_OF_CALLER"]
FORMS = ["--follow", "--scope"]


def environment_in(agentctl, *options, form="--follow", **more):
    """The environment that a session sees."""
    result = agentctl("run", form, *options, "--", "perl", "-e", "print qq($_=$ENV{$_}\\0) for keys %ENV", **more)
    assert result.status == 0, result
    return dict(entry.split("=", 1) for entry in result.out.split("\0") if entry)


@pytest.mark.parametrize("form", FORMS)
def test_the_callers_environment_is_cleaned(agentctl, form):
    caller = agentctl.account.environment(**{name: f"value of {name}" for name in KEPT + DROPPED if name != "LD_LIBRARY_PATH"},
                                          LD_LIBRARY_PATH="/nonexistent")
    caller.pop("NOTIFY_SOCKET")
    seen = environment_in(agentctl, form=form, env=caller)
    for name in KEPT:
        assert seen.get(name) == caller[name], name
    for name in DROPPED:
        assert name not in seen or not seen[name].startswith("value of"), name
    for name in ("HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG", "TERM"):
        assert seen[name] == caller[name], name


@pytest.mark.parametrize("form", FORMS)
def test_a_session_knows_which_it_is(agentctl, form):
    caller = agentctl.account.environment(AGENTCTL_SESSION="another", AGENTCTL_PROJECT="another", AGENTCTL_NAME="another")
    seen = environment_in(agentctl, "-n", "a", "-p", "shop", form=form, env=caller)
    session = agentctl.status("a")
    assert (seen["AGENTCTL_SESSION"], seen["AGENTCTL_NAME"]) == (session["id"], "a")
    assert (seen["AGENTCTL_UNIT"], seen["AGENTCTL_PROJECT"]) == (session["unit"], "shop")
    assert seen["PWD"] == agentctl.account.home
    seen = environment_in(agentctl, "-n", "a", form=form, env=caller)
    assert "AGENTCTL_PROJECT" not in seen


@pytest.mark.parametrize("form", FORMS)
def test_variables_given_one_by_one(agentctl, form):
    caller = agentctl.account.environment(PASSED="mine", CLAUDECODE="1")
    seen = environment_in(agentctl, "-e", "A=1", "-e", "B=a=b c", "-e", "EMPTY=", "-e", "PASSED", "--env=C=$HOME %h\n'",
                          "-e", "HOME=/elsewhere", "-e", "CLAUDECODE", form=form, env=caller)
    expected = {"A": "1", "B": "a=b c", "EMPTY": "", "PASSED": "mine", "C": "$HOME %h\n'", "HOME": "/elsewhere", "CLAUDECODE": "1"}
    assert {name: seen.get(name) for name in expected} == expected


@pytest.mark.parametrize("form", FORMS)
def test_variables_from_a_file(agentctl, folder, form):
    with open(f"{folder}/env", "w", encoding="utf-8") as file:
        file.write("# a comment\n\nA=1\nB=\"as it stands\"\nPASSED\nBOTH=file\nC=a=b # c\n")
    caller = agentctl.account.environment(PASSED="mine")
    seen = environment_in(agentctl, "--env-file", "env", "-e", "BOTH=option", form=form, env=caller, cwd=folder)
    expected = {"A": "1", "B": '"as it stands"', "PASSED": "mine", "BOTH": "option", "C": "a=b # c"}
    assert {name: seen.get(name) for name in expected} == expected


def test_a_file_of_variables_may_be_a_link_but_is_no_pipe(agentctl, folder):
    with open(f"{folder}/env", "w", encoding="utf-8") as file:
        file.write("A=1\n")
    os.symlink("env", f"{folder}/link")
    assert environment_in(agentctl, "--env-file", "link", cwd=folder)["A"] == "1"
    result = agentctl.account.shell("agentctl run --env-file <(echo A=1) -- true", timeout=5)
    assert result.status == 1 and "not a regular file" in result.err and "hint: write it to a file" in result.err
    assert len(agentctl.names("-a")) == 1


@pytest.mark.parametrize("form", FORMS)
def test_a_clean_environment(agentctl, form):
    caller = agentctl.account.environment(MY_OWN="x", http_proxy="y", XDG_RUNTIME_DIR=f"/run/user/{agentctl.account.uid}")
    seen = environment_in(agentctl, "--clean-env", "-e", "A=1", form=form, env=caller)
    names = {"HOME", "USER", "SHELL", "PATH", "LANG", "TERM", "XDG_RUNTIME_DIR"}
    assert {name for name in seen if not name.startswith("AGENTCTL_")} - {"PWD", "A"} == names


@pytest.mark.parametrize("arguments", [["-e", "NOT_SET"], ["-e", "=x"], ["-e", ""], ["-e", "a b=c"], ["-e", "1A=x"],
                                       ["--env-file", "/nonexistent"], ["--env-file", "/"]])
def test_a_variable_that_is_none_is_refused(agentctl, arguments):
    result = agentctl("run", *arguments, "--", "true")
    assert result.status in (1, 2) and not result.out and result.err
    assert not agentctl.names("-a") and not agentctl.units()


def test_a_line_of_a_file_that_is_none_is_named(agentctl, folder):
    with open(f"{folder}/env", "w", encoding="utf-8") as file:
        file.write("A=1\n\nnot a variable\n")
    result = agentctl("run", "--env-file", f"{folder}/env", "--", "true")
    assert result.status == 2 and f"line 3 in '{folder}/env'" in result.err
    assert not agentctl.names("-a")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


@pytest.mark.parametrize("caller", ["a program", "a shell"])
def test_no_value_leaks_where_others_can_read_it(agentctl, caller):
    secret = "tr0ub4dor-and-3"
    environment = agentctl.account.environment(MY_KEY=secret + "-of-the-caller")
    if caller == "a program":
        agentctl.run("secretive", "sleep", "1000", options=["-e", f"TOKEN={secret}"], env=environment)
    else:
        # As the tools of agents call it: who asks is a shell that has all of it on its command line.
        agentctl.account.shell(f"agentctl run -n secretive -e TOKEN={secret} -- sleep 1000; :", env=environment)
    session = agentctl.status("secretive")
    flag = [f"--{agentctl.scope}"]
    places = {
        "systemctl show": agentctl.systemctl("show", "--all", session["unit"]).out,
        "systemctl cat": agentctl.systemctl("cat", session["unit"]).out,
        "systemctl status": agentctl.systemctl("status", "--full", session["unit"]).out,
        "busctl": agentctl.account.run(["busctl", *flag, "introspect", "--list", "org.freedesktop.systemd1",
                                        "/org/freedesktop/systemd1/unit/agentctl_2dsecretive_2eservice"]).out,
        "status": agentctl.ok("status", "secretive") + agentctl.ok("status", "--json", "secretive"),
        "the record": json.dumps(agentctl.record("secretive")),
        "the journal": "\n".join(map(str, agentctl.journal("secretive"))),
        "command lines": subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout,
    }
    for place, text in places.items():
        assert text and secret not in text, place
    assert "TOKEN" in places["the record"], "the name is kept, for restart"
    holders = [path for path in glob.glob(f"{agentctl.runtime}/*/*") if os.path.isfile(path) and secret in read(path)]
    assert len(holders) == 1
    assert os.stat(holders[0]).st_mode & 0o777 == 0o600 and os.stat(os.path.dirname(holders[0])).st_mode & 0o777 == 0o700
    assert os.stat(holders[0]).st_uid == agentctl.account.uid
    agentctl.account.shell(f"agentctl stop secretive; : {secret}")
    assert not os.path.exists(holders[0]), "it goes with the session"
    assert agentctl.status("secretive")["stopped_by"]["command"] == "bash"
    assert secret not in json.dumps(agentctl.record("secretive"))


def test_the_umask_of_the_caller_is_kept(agentctl):
    for mask in ("077", "002", "022"):
        for form in FORMS:
            result = agentctl.account.shell(f"umask {mask}; agentctl run {form} -- sh -c umask")
            assert result.out.strip() == "0" + mask, form


def test_our_own_files_are_private_whatever_the_umask(agentctl):
    agentctl.account.shell("umask 000; agentctl run -n a -- sleep 1000")
    for path, folders, files in os.walk(agentctl.runtime):
        for name in folders + files:
            assert os.lstat(os.path.join(path, name)).st_mode & 0o077 == 0, os.path.join(path, name)
    for path, folders, files in os.walk(agentctl.registry):
        for name in folders + files:
            assert os.lstat(os.path.join(path, name)).st_mode & 0o022 == 0, os.path.join(path, name)


def test_a_session_inherits_nothing_else_of_its_caller(agentctl):
    """No descriptor, no ignored or blocked signal, no limit or priority of the shell that called agentctl."""
    script = "ls -l /proc/self/fd | grep -c /; grep -E 'Sig(Blk|Ign)' /proc/self/status"
    clean = agentctl.account.shell(f"agentctl run --follow -- bash -c {json.dumps(script)}")
    dirty = agentctl.account.shell(f"trap '' HUP INT USR1 PIPE; exec 7</etc/passwd 8>/tmp/left-open; agentctl run --follow -- bash -c {json.dumps(script)}")
    assert clean.status == dirty.status == 0
    assert clean.out == dirty.out
    for line in clean.out.splitlines()[1:]:
        assert int(line.split()[1], 16) == 0, line


def test_standard_input_is_empty(agentctl):
    result = agentctl("run", "--follow", "--", "sh", "-c", "wc -c; readlink /proc/self/fd/0", input=b"not for you")
    assert result.out == "0\n/dev/null\n"


def test_the_environment_is_kept_for_the_next_attempt(agentctl):
    agentctl.run("a", "sh", "-c", "echo $TOKEN $MY_OWN; sleep 1000", options=["-e", "TOKEN=secret"],
                 env=agentctl.account.environment(MY_OWN="mine"))
    agentctl.ok("restart", "a")
    eventually(lambda: agentctl.logs("a") == b"secret mine\nsecret mine\n", what="both attempts' lines")
