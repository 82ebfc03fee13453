"""No output is lost: every byte that a session prints comes back from `logs`, as often as one asks."""

import json
import os
import subprocess
import time

import pytest

from agentctl import Account, Agentctl, LATE, eventually, parse_time, seconds_between

MILLION = "".join(f"{i}\n" for i in range(1, 1_000_001)).encode()


def ticks(word, count):
    return "".join(f"{word} {i}\n" for i in range(1, count + 1)).encode()


def assert_same(got, expected, what):
    """As `assert got == expected`, without a diff of megabytes."""
    if got == expected:
        return
    where = next((i for i, (a, b) in enumerate(zip(got, expected)) if a != b), min(len(got), len(expected)))
    raise AssertionError(f"{what}: {len(got)} bytes of {len(expected)}, the first difference at {where}: "
                         f"{got[where:where + 80]!r} instead of {expected[where:where + 80]!r}")


def printed(agentctl, name, *command, **options):
    """All that a session has printed, when it has ended well."""
    agentctl.run(name, *command, **options)
    assert agentctl("wait", name).status == 0
    return agentctl.logs(name)


def test_a_million_lines_are_kept_and_nobody_else_loses_one(agentctl, programs):
    agentctl.run("quiet", f"{programs}/ticker", "tick", "300", "10")
    agentctl.run("loud", "seq", "1", "1000000")
    assert agentctl("wait", "loud", timeout=100).status == 0
    assert_same(agentctl.logs("loud"), MILLION, "the first reading")
    assert_same(agentctl.logs("loud"), MILLION, "the second reading")
    assert agentctl("wait", "quiet").status == 0
    assert_same(agentctl.logs("quiet"), ticks("tick", 300), "the quiet session")
    assert agentctl.status("loud")["log_lost"] == agentctl.status("quiet")["log_lost"] == 0


def test_eight_loud_sessions_at_once(agentctl):
    names = [f"loud-{i}" for i in range(8)]
    for name in names:
        agentctl.run(name, "seq", "-f", f"{name} %.0f", "1", "200000")
    assert agentctl("wait", *names, timeout=100).status == 0
    for name in names:
        assert_same(agentctl.logs(name), ticks(name, 200000), name)
        assert agentctl.status(name)["log_lost"] == 0


@pytest.mark.slow
def test_a_hundred_sessions_that_talk_for_a_minute(programs):
    """Of a user and of the system at once: the journal counts all of a user's units together."""
    subjects = [Agentctl(Account("tester")), Agentctl(Account("root"))]
    names = [f"talk-{i}" for i in range(100)]
    for subject in subjects:
        subject.clean()
    try:
        for subject in subjects:
            for name in names:
                subject.ok("run", "-n", name, "--", f"{programs}/ticker", name, "6000", "10")
        for subject in subjects:
            assert subject("wait", *names, timeout=240).status == 0
        subprocess.run(["journalctl", "--sync"], check=True)  # it has much to do just then
        for subject in subjects:
            for name in names:
                assert_same(subject.logs(name), ticks(name, 6000), f"{name} of {subject.account.name}")
            assert {session["log_lost"] for session in subject.list("-a")} == {0}
    finally:
        for subject in subjects:
            subject.clean()


ODD_BYTES = b"nul \0 in a line\n\xff\xfe\x80 no UTF-8\n\n  \n\ttabs and trailing spaces  \n\x1b[31mred\x1b[0m\r\n" + bytes(range(256)) + b"\n"


@pytest.mark.parametrize("what, content", [
    ("every byte there is", ODD_BYTES),
    ("no newline at the end", b"one\ntwo"),
    ("a single byte", b"x"),
    ("nothing but newlines", b"\n\n\n"),
    ("a line of 200 kB", b"before\n" + b"x" * 200_000 + b"\nafter\n"),
    ("a line of 5 MB", b"before\n" + os.urandom(2_500_000).hex().encode() + b"\nafter\n"),
    ("5 MB of noise", os.urandom(5_000_000)),
    ("lines of about 64 KiB", b"".join(b"%d" % i * (65530 + i) + b"\n" for i in range(1, 10))),
], ids=lambda value: value if isinstance(value, str) else "")
def test_any_bytes_come_back(agentctl, folder, what, content):
    with open(f"{folder}/content", "wb") as file:
        file.write(content)
    assert_same(printed(agentctl, "a", "cat", f"{folder}/content"), content, what)
    assert agentctl.status("a")["log_lost"] == 0


def test_nothing_printed_is_nothing_shown(agentctl):
    assert printed(agentctl, "a", "true") == b""


def test_stdout_and_stderr_are_told_apart_and_in_order(agentctl):
    script = "for i in 1 2 3 4 5; do echo out $i; sleep 0.02; echo err $i >&2; sleep 0.02; done; printf end; sleep 0.02; printf fin >&2"
    both = printed(agentctl, "a", "sh", "-c", script).decode()
    lines = [f"{stream} {i}\n" for i in range(1, 6) for stream in ("out", "err")]
    assert both.startswith("".join(lines)) and sorted(both[len("".join(lines)):]) == sorted("endfin")
    assert agentctl.logs("a", "--stream", "stdout") == "".join(lines[0::2]).encode() + b"end"
    assert agentctl.logs("a", "--stream", "stderr") == "".join(lines[1::2]).encode() + b"fin"
    streams = [json.loads(line)["stream"] for line in agentctl.logs("a", "--json").splitlines()]
    assert streams[:10] == ["stdout", "stderr"] * 5 and sorted(streams[10:]) == ["stderr", "stdout"]


def test_the_loud_output_of_both_streams_is_whole(agentctl):
    agentctl.run("a", "sh", "-c", "seq 1 100000 & seq -f 'err %.0f' 1 100000 >&2 & wait")
    assert agentctl("wait", "a").status == 0
    assert_same(agentctl.logs("a", "--stream", "stdout"), MILLION[:MILLION.index(b"100001\n")], "stdout")
    assert_same(agentctl.logs("a", "--stream", "stderr"), ticks("err", 100000), "stderr")


def test_each_line_in_json(agentctl):
    agentctl.run("a", "sh", "-c", "echo one; sleep 0.3; echo zwei >&2; printf '\\377\\n'; printf 'no end'")
    assert agentctl("wait", "a").status == 0
    session = agentctl.status("a")
    lines = [json.loads(line) for line in agentctl.logs("a", "--json").splitlines()]
    assert sorted((line["stream"], line["text"]) for line in lines) == [
        ("stderr", "zwei"), ("stdout", "no end"), ("stdout", "one"), ("stdout", "\ufffd")]
    for line in lines:
        assert (line["session"], line["name"], line["pid"]) == (session["id"], "a", session["pid"])
    assert 0.25 <= seconds_between(lines[0]["time"], lines[-1]["time"]) <= 0.3 + LATE
    assert abs(parse_time(lines[0]["time"]) - parse_time(session["started_at"])) < LATE


def test_the_last_lines_and_those_since(agentctl):
    agentctl.run("a", "sh", "-c", "seq 1 1000; echo err >&2; sleep 1.2; echo late")
    assert agentctl("wait", "a").status == 0
    assert agentctl.logs("a", "-n", "1") == b"late\n"
    last = agentctl.logs("a", "-n", "4").splitlines()
    assert sorted(last) == sorted([b"999", b"1000", b"err", b"late"])
    assert agentctl.logs("a", "-n", "2", "--stream", "stdout") == b"1000\nlate\n"
    assert agentctl.logs("a", "-n", "1", "--stream", "stderr") == b"err\n"
    assert agentctl.logs("a", "-n", "0") == b""
    assert agentctl.logs("a", "-n", "1000000").count(b"\n") == 1002
    lines = [json.loads(line) for line in agentctl.logs("a", "--json").splitlines()]
    assert agentctl.logs("a", "--since", lines[-1]["time"]) == b"late\n"
    assert agentctl.logs("a", "--since", "1h").count(b"\n") == 1002
    assert agentctl.logs("a", "--since", "2000-01-01").count(b"\n") == 1002
    assert agentctl("logs", "--since", "yesterdayish", "a").status == 2


def test_what_is_shown_since_a_time_does_not_begin_in_the_middle_of_a_line(agentctl):
    agentctl.run("a", "sh", "-c", "head -c 200000 /dev/zero | tr '\\0' x; sleep 1.2; echo; echo whole")
    assert agentctl("wait", "a").status == 0
    lines = [json.loads(line) for line in agentctl.logs("a", "--json").splitlines()]
    assert [len(line["text"]) for line in lines] == [200000, 5]
    assert seconds_between(lines[0]["time"], lines[1]["time"]) > 1
    assert agentctl.logs("a", "--since", lines[1]["time"]) == b"whole\n"


def test_follow_ends_when_the_session_has_ended_and_drained(agentctl, folder):
    script = f"echo before; while [ ! -e {folder}/go ]; do sleep 0.02; done; seq 1 50000; echo err >&2; printf end"
    agentctl.run("a", "sh", "-c", script)
    early = agentctl.popen("logs", "-f", "a")
    assert early.stdout.read(7) == b"before\n"
    late = agentctl.popen("logs", "--follow", "--stream", "stdout", "-n", "1", "a")
    assert late.stdout.read(7) == b"before\n"
    open(f"{folder}/go", "w").close()
    expected = MILLION[:MILLION.index(b"50001\n")]
    for process in (early, late):
        out, err = process.communicate(timeout=20)
        assert process.returncode == 0 and not err
        assert (b"err\n" in out) == (process is early)
        assert_same(out.replace(b"err\n", b""), expected + b"end", "what was followed")
    assert_same(agentctl.logs("a", "-f", "--stream", "stdout"), b"before\n" + expected + b"end", "what comes afterwards")


def test_follow_of_one_that_ends_while_nobody_looks(agentctl):
    agentctl.run("a", "sh", "-c", "sleep 0.2; echo done")
    assert agentctl.logs("a", "-f") == b"done\n"
    assert agentctl.status("a")["state"] == "exited"


def test_a_line_is_followed_at_once(agentctl, folder):
    agentctl.run("a", "perl", "-e", '$| = 1; use Time::HiRes qw(time sleep); for (1 .. 20) { sleep 0.05; printf "%.6f\\n", time }')
    process = agentctl.popen("logs", "-f", "a")
    delays = []
    for line in process.stdout:
        delays.append(time.time() - float(line))
    assert process.wait(15) == 0
    assert len(delays) == 20
    assert sorted(delays)[10] < 0.05, "the median; the journal's own readers wake 150 to 400 ms late"


def test_a_reader_that_has_enough_ends_quietly(agentctl):
    agentctl.run("a", "seq", "1", "1000000")
    assert agentctl("wait", "a").status == 0
    result = agentctl.account.shell("agentctl logs a | head -n 2; echo ${PIPESTATUS[@]}")
    assert result.out in ("1\n2\n141 0\n", "1\n2\n0 0\n") and not result.err
    result = agentctl.account.shell("agentctl logs -f a | head -n 2; agentctl run --follow -- seq 1 100000 | head -n 1")
    assert result.out == "1\n2\n1\n" and not result.err


def test_a_paused_host_is_followed_when_it_goes_on(agentctl, folder):
    agentctl.run("a", "sh", "-c", f"echo before; while [ ! -e {folder}/go ]; do sleep 0.05; done; echo after")
    eventually(lambda: agentctl.logs("a") == b"before\n", what="its line in the journal")
    agentctl.ok("kill", "-s", "STOP", "a")
    with agentctl.popen("logs", "-f", "a") as follower:
        assert follower.stdout.readline() == b"before\n", "what is stored is shown, though the host does not answer"
        agentctl.ok("kill", "-s", "CONT", "a")
        open(f"{folder}/go", "w").close()
        out, err = follower.communicate(timeout=30)
        assert (out, err) == (b"after\n", b"")


def test_output_is_also_appended_to_files(agentctl, folder):
    files = ["--stdout", "out", "--stderr", f"{folder}/err"]
    for number in "12":
        agentctl.run("a", "sh", "-c", f"echo out {number}; echo err {number} >&2; printf end", options=["-C", folder, *files], cwd=folder)
        assert agentctl("wait", "a").status == 0
    assert read(f"{folder}/out") == b"out 1\nendout 2\nend"
    assert read(f"{folder}/err") == b"err 1\nerr 2\n"
    assert sorted(agentctl.logs("a").splitlines()) == [b"end", b"err 2", b"out 2"], "and the journal has it too"
    assert os.stat(f"{folder}/out").st_uid == agentctl.account.uid
    assert os.stat(f"{folder}/out").st_mode & 0o777 == 0o644


def test_both_streams_into_one_file(agentctl, folder):
    agentctl.run("a", "sh", "-c", "seq 1 20000; seq 20001 40000 >&2", options=["--stdout", f"{folder}/all", "--stderr", f"{folder}/all"])
    assert agentctl("wait", "a").status == 0
    assert sorted(map(int, read(f"{folder}/all").split())) == list(range(1, 40001))


def test_a_file_begins_anew_at_its_limit(agentctl, folder):
    files = ["--stdout", f"{folder}/out", "--log-max", "100K"]
    agentctl.run("a", "sh", "-c", f"seq 1 30000; while [ ! -e {folder}/go ]; do sleep 0.05; done; seq 30001 32000", options=files)
    eventually(lambda: read(f"{folder}/out").endswith(b"30000\n"), what="the first part")
    assert sorted(os.listdir(folder)) == ["out", "out.1"]
    before = read(f"{folder}/out.1")
    assert len(before) < 100 * 1024 + len(b"30000\n") and before.endswith(b"\n"), "a line that was begun is finished"
    middle = read(f"{folder}/out")
    assert int(before.split()[-1]) + 1 == int(middle.split()[0]), "no line is lost or cut"
    assert os.stat(f"{folder}/out").st_mode == os.stat(f"{folder}/out.1").st_mode
    open(f"{folder}/go", "w").close()
    assert agentctl("wait", "a").status == 0
    assert read(f"{folder}/out").endswith(b"32000\n") and read(f"{folder}/out.1") in (before, middle)
    assert_same(agentctl.logs("a"), "".join(f"{i}\n" for i in range(1, 32001)).encode(), "the journal has all of it")


def test_a_file_in_a_folder_that_is_read_only_by_now_grows_on(user_agentctl, folder):
    user_agentctl.run("a", "sh", "-c", f"echo 1; while [ -w {folder} ]; do sleep 0.05; done; seq 2 3000",
                      options=["--stdout", f"{folder}/out", "--log-max", "1K"])
    eventually(lambda: read(f"{folder}/out") == b"1\n", what="the first line")
    os.chmod(folder, 0o555)
    assert user_agentctl("wait", "a").status == 0
    expected = "".join(f"{i}\n" for i in range(1, 3001)).encode()
    assert read(f"{folder}/out") == expected and os.listdir(folder) == ["out"]
    assert_same(user_agentctl.logs("a"), expected, "the journal")
    told = [entry["MESSAGE"] for entry in user_agentctl.journal("a") if "grows over its limit" in str(entry["MESSAGE"])]
    assert told == [f"agentctl: '{folder}/out' grows over its limit, it cannot be renamed: Permission denied"]


def test_sessions_that_share_a_file_lose_nothing(agentctl, folder):
    options = ["--stdout", f"{folder}/all", "--log-max", "200K"]
    for name in "abcd":
        agentctl.run(name, "sh", "-c", f"i=0; while [ $i -lt 500 ]; do echo {name} $i; i=$((i + 1)); done; seq 1000000 1010000",
                     options=options)
    assert agentctl("wait", *"abcd").status == 0
    assert sorted(os.listdir(folder)) == ["all", "all.1"]
    assert (read(f"{folder}/all") + read(f"{folder}/all.1")).count(b"\n") == 4 * 10501
    for name in "abcd":
        assert len(agentctl.logs(name).splitlines()) == 10501


def test_a_file_that_cannot_be_written_is_named_at_the_start(agentctl, folder):
    os.makedirs(f"{folder}/is-a-folder")
    result = agentctl("run", "-n", "a", "--stdout", f"{folder}/is-a-folder", "--", "echo", "never")
    assert result.status == 1 and f"{folder}/is-a-folder" in result.err and "Is a directory" in result.err and not result.out
    assert not agentctl.units() and not agentctl.records("live")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def test_the_log_of_all_attempts(agentctl):
    agentctl.run("a", "sh", "-c", "echo $AGENTCTL_NAME; sleep 1000")
    eventually(lambda: agentctl.logs("a") == b"a\n", what="the first attempt's line")
    agentctl.ok("restart", "a")
    eventually(lambda: agentctl.logs("a") == b"a\na\n", what="both attempts' lines")


def test_a_new_session_of_the_name_has_a_log_of_its_own(agentctl):
    first = agentctl.run("a", "echo", "first")["id"]
    agentctl.wait_ended("a")
    agentctl.run("a", "echo", "second")
    agentctl.wait_ended("a")
    assert agentctl.logs("a") == b"second\n"
    assert agentctl.logs(first) == b"first\n"


def test_what_survives_a_signal_spares_the_journal_as_before(agentctl, folder):
    """Only who is about to be killed hands each line over at once: the journal's limit is shared with all other sessions."""
    lines = "i=0; while [ $i -lt 200 ]; do echo x; i=$((i + 1)); sleep 0.02; done"
    session = agentctl.run("a", "sh", "-c", f"trap '' TERM; touch {folder}/ready; {lines}; touch {folder}/done; sleep 1000")
    eventually(lambda: os.path.exists(f"{folder}/ready"))
    agentctl.ok("kill", "a")
    began = time.monotonic()
    eventually(lambda: os.path.exists(f"{folder}/done"), 60)
    eventually(lambda: agentctl.logs("a").count(b"x\n") == 200, what="all lines")
    seconds = time.monotonic() - began
    entries = [entry for entry in agentctl.journal("a") if entry.get("AGENTCTL_SESSION") == session["id"]]
    assert len(entries) <= 16 + 2 * (seconds + 1), "a burst, and then one a second"


def test_the_log_of_a_removed_session_stays_in_the_journal(agentctl):
    agentctl.run("removed", "echo", "hello")
    agentctl.wait_ended("removed")
    agentctl.ok("rm", "removed")
    assert agentctl("logs", "removed").status == 3
    assert "hello" in [entry["MESSAGE"] for entry in agentctl.journal("removed")]


def test_the_journal_has_the_fields_that_scripts_look_for(agentctl):
    for name, stream, script in (("to-out", "stdout", "echo hello"), ("to-err", "stderr", "echo hello >&2")):
        agentctl.run(name, "sh", "-c", script, options=["-p", "shop"])
        session = agentctl.wait_ended(name)
        (entry,) = [entry for entry in agentctl.journal(name) if entry["MESSAGE"] == "hello"]
        assert entry["AGENTCTL_SESSION"] == session["id"]
        assert (entry["AGENTCTL_NAME"], entry["AGENTCTL_PROJECT"], entry["AGENTCTL_STREAM"]) == (name, "shop", stream)
        unit_field = "_SYSTEMD_UNIT" if agentctl.scope == "system" else "_SYSTEMD_USER_UNIT"
        assert entry[unit_field] == session["unit"]


def test_a_program_may_write_what_looks_like_our_own_fields(agentctl):
    """Another program's entries are not taken for a session's output."""
    session = agentctl.run("a", "sh", "-c", "echo mine; sleep 1000")
    eventually(lambda: agentctl.logs("a") == b"mine\n", what="its line")
    fields = f"AGENTCTL_SESSION={session['id']}\nAGENTCTL_STREAM=stdout\nAGENTCTL_TIME=1\nAGENTCTL_POSITION=5/1 0/0\nMESSAGE=forged\n"
    assert agentctl.account.run(["logger", "--journald"], input=fields.encode()).status == 0
    subprocess.run(["journalctl", "--sync"], check=True)
    assert agentctl.logs("a") == b"mine\n"


def test_another_users_unit_of_that_name_is_not_the_session(user_agentctl, other_agentctl):
    """Who may read all journals is not shown what somebody else writes into a unit that is called the same."""
    session = user_agentctl.run("a", "sh", "-c", "echo mine; sleep 1000")
    eventually(lambda: user_agentctl.logs("a") == b"mine\n", what="its line")
    forged = f"AGENTCTL_SESSION={session['id']}\nAGENTCTL_STREAM=stdout\nAGENTCTL_TIME=1\nAGENTCTL_POSITION=5/1 0/0\nMESSAGE=forged\n"
    file = f"{other_agentctl.account.home}/forged"
    assert other_agentctl.account.shell(f"cat > {file}", input=forged.encode()).status == 0
    written = other_agentctl.account.run(["systemd-run", "--user", "--wait", "--collect", "--unit", session["unit"], "logger", f"--journald={file}"])
    os.unlink(file)
    assert written.status == 0, written
    subprocess.run(["journalctl", "--sync"], check=True)
    seen = subprocess.run(["journalctl", "-o", "cat", f"AGENTCTL_SESSION={session['id']}", f"_SYSTEMD_USER_UNIT={session['unit']}"],
                          check=True, capture_output=True, text=True)
    assert "forged" in seen.stdout, "the journal has it"
    log = user_agentctl.account.run(["agentctl", "logs", "a"], groups=["systemd-journal"])
    assert (log.status, log.out) == (0, "mine\n"), log


def test_journald_is_restarted_meanwhile(agentctl, folder):
    agentctl.run("a", "sh", "-c", f"echo before; while [ ! -e {folder}/go ]; do echo line; sleep 0.02; done; echo after")
    eventually(lambda: agentctl.logs("a").count(b"\n") > 3, what="some lines")
    subprocess.run(["systemctl", "restart", "systemd-journald.service"], check=True)
    open(f"{folder}/go", "w").close()
    assert agentctl("wait", "a").status == 0
    lines = agentctl.logs("a").splitlines()
    assert lines[0] == b"before" and lines[-1] == b"after" and set(lines[1:-1]) == {b"line"}
    assert agentctl.status("a")["log_lost"] == 0
