"""A command's arguments reach the program exactly as given: nothing on the way expands, splits or escapes them."""

import os

import pytest

from agentctl import PATH

ARGUMENTS = {
    "variables": ["$HOME", "${HOME}", "$$", "$1", "a$", "$(id)", "`id`"],
    "specifiers": ["%h", "%%", "%n", "100%", "%", "\\x41", "\\n", "\\"],
    "quotes": ["'", '"', "''", "it's", 'a "b" c', "' '", "\"$HOME\""],
    "space": [" ", "a  b", "\t", "\n", "a\nb\n", "\r\n", " leading", "trailing "],
    "hyphens": ["-", "--", "-n", "--name=x", "--", "-x --", "--help", "--version", "--json"],
    "empty": ["", "", "x", ""],
    "shell": ["*", "?", "[a-z]", "~", "!!", "#", ";", "&&", "|", ">", "<", "&", "=", "@", ":", "+", "{a,b}"],
    "systemd": ["@/bin/sh", "-/bin/sh", "+/bin/sh", ":x", "!x", ";", "\\;"],
    "unicode": ["é", "日本語", "🙂", "\u202e"],
    "json": ['{"a": [1, "\\u0000"]}', "\\u0041", "\x01\x1f\x7f"],
}

# Prints each argument with a NUL behind it, and nothing else.
PRINTER = ["perl", "-e", "print qq($_\\0) for @ARGV", "--"]


def printed_arguments(agentctl, arguments, form):
    if form == "scope":
        result = agentctl("run", "--scope", "--", *PRINTER, *arguments)
        assert result.status == 0, result
        return result.out_bytes
    agentctl.ok("run", "-n", "a", "--", *PRINTER, *arguments)
    assert agentctl("wait", "a").status == 0
    return agentctl.logs("a")


@pytest.mark.parametrize("kind", ARGUMENTS)
def test_odd_arguments_arrive(agentctl, kind):
    expected = b"".join(os.fsencode(argument) + b"\0" for argument in ARGUMENTS[kind])
    assert printed_arguments(agentctl, ARGUMENTS[kind], "detached") == expected
    assert agentctl.status("a")["command"] == [*PRINTER, *ARGUMENTS[kind]]
    assert printed_arguments(agentctl, ARGUMENTS[kind], "scope") == expected


def test_a_prompt_of_100_kb_arrives(agentctl):
    prompt = ("fix the tests, all of them: $HOME %h \"'\n" * 3000)[:100_000]
    for form in ("detached", "scope"):
        assert printed_arguments(agentctl, [prompt], form) == prompt.encode() + b"\0"
    agentctl.ok("list", "-a")


def test_the_longest_argument_that_the_kernel_takes_arrives(agentctl):
    prompt = "x" * 131_071
    assert printed_arguments(agentctl, [prompt] * 5, "detached") == (prompt.encode() + b"\0") * 5


def test_bytes_that_are_no_utf8_arrive(agentctl):
    arguments = [b"\xff\xfe", b"a\x80b", b"\xc3("]
    expected = b"".join(argument + b"\0" for argument in arguments)
    for form in ("detached", "scope"):
        assert printed_arguments(agentctl, arguments, form) == expected
    assert agentctl.status("a")["command"][len(PRINTER)] == "\ufffd\ufffd", "JSON can only hold text"
    agentctl.ok("status", "a")
    agentctl.ok("list", "-a")


def test_a_command_that_begins_with_a_hyphen(agentctl, folder):
    path = f"{folder}/-program"
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\necho \"$0\" \"$@\"\n")
    os.chmod(path, 0o755)
    result = agentctl("run", "--scope", "--", "-program", "-n", "x", env=agentctl.account.environment(PATH=f"{folder}:{PATH}"))
    assert result.status == 0 and result.out.endswith("-program -n x\n"), result


def test_options_after_the_command_are_its_own(agentctl):
    result = agentctl("run", "--scope", "echo", "-n", "--wait", "--json", "--", "--help")
    assert result.out == "--wait --json -- --help"


def test_argv0_is_what_was_typed(agentctl, folder):
    os.symlink("/bin/busybox" if os.path.exists("/bin/busybox") else "/bin/sh", f"{folder}/sh")
    for form in (["--scope"], ["--follow"]):
        result = agentctl("run", *form, "-C", folder, "--", "./sh", "-c", "echo $0; tr '\\0' '\\n' < /proc/$$/cmdline | head -n 1")
        assert result.out == "./sh\n./sh\n", form


def test_a_folder_with_odd_characters(agentctl, folder):
    odd = f"{folder}/a $HOME %h 'b' \"c\"\n{{}}"
    os.mkdir(odd)
    os.chown(odd, agentctl.account.uid, agentctl.account.gid)
    for form in (["--scope"], ["--follow"]):
        result = agentctl("run", *form, "-C", odd, "--", "perl", "-MCwd", "-e", "print getcwd() . qq(|) . $ENV{PWD}")
        assert result.out == f"{odd}|{odd}", form
    assert agentctl("run", "--follow", "-C", "a $HOME %h 'b' \"c\"\n{}", "--", "pwd", cwd=folder).out == odd + "\n"


def test_the_registry_in_an_odd_home(user_agentctl, folder):
    """systemd expands $ and % in what it is told to execute, and the recorder is told where the registry is."""
    home = f"{folder}/$HOME %h"
    os.mkdir(home)
    os.chown(home, user_agentctl.account.uid, user_agentctl.account.gid)
    env = user_agentctl.account.environment(HOME=home)
    assert user_agentctl("run", "-n", "a", "--", "sh", "-c", "exit 3", env=env).status == 0
    assert user_agentctl("wait", "a", env=env).status == 3
    assert os.listdir(f"{home}/.local/state/agentctl/ended")
