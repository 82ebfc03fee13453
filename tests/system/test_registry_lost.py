"""The registry may be gone, read-only, full or garbage: what lives is listed and stopped all the same, and the trouble named."""

import contextlib
import glob
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from agentctl import eventually, is_alive


def start_two(agentctl):
    agentctl.run("a", "sleep", "1000", options=["-p", "shop", "--ttl", "1h"])
    agentctl.run("b", "sh", "-c", "echo hello; sleep 1000")
    return {session["name"]: session for session in agentctl.list()}


def assert_both_stop(agentctl, before):
    assert agentctl("stop", "a", "b").status == 0
    assert not agentctl.units()
    assert not any(is_alive(session["pid"]) for session in before.values())


def test_the_registry_is_deleted(agentctl):
    before = start_two(agentctl)
    shutil.rmtree(agentctl.registry)
    after = {session["name"]: session for session in agentctl.list()}
    for name in ("a", "b"):
        assert after[name]["state"] == "running"
        for key in ("id", "pid", "invocation_id", "command", "project", "ttl_s", "expires_at", "unit"):
            assert after[name][key] == before[name][key], key
    assert agentctl.logs("b") == b"hello\n"
    assert agentctl("run", "-n", "a", "--", "true").status == 4
    agentctl.ok("extend", "a", "1h")
    ids = {name: session["id"] for name, session in before.items()}
    assert agentctl.status(ids["a"])["name"] == "a" and agentctl.logs(ids["b"][:8]) == b"hello\n", "ids are known, too"
    out = agentctl.ok("stop", ids["a"], "b")
    assert out == "a: stopped, 2 processes, 0 left\nb: stopped, 3 processes, 0 left\n2 sessions: 5 processes, 0 left\n"
    assert agentctl.status("a")["state"] == "stopped", "the end is written although the record was gone"


def test_an_end_is_recorded_although_the_registry_was_deleted(agentctl):
    agentctl.run("a", "sh", "-c", "sleep 0.5; exit 3")
    shutil.rmtree(agentctl.registry)
    eventually(lambda: agentctl.record("a", "ended"), what="the end on disk")
    assert agentctl.status("a")["exit"]["code"] == 3


def test_reconcile_writes_lost_records_again(agentctl):
    start_two(agentctl)
    shutil.rmtree(agentctl.registry)
    out = agentctl.ok("reconcile")
    assert "a: its lost record was written again" in out and "b: its lost record was written again" in out
    assert len(agentctl.records("live")) == 2
    agentctl.ok("stop", "--reason", "enough", "a")
    assert agentctl.status("a")["reason"].endswith(": enough")


def test_the_runtime_folder_is_deleted_too(agentctl):
    before = start_two(agentctl)
    shutil.rmtree(agentctl.registry)
    for entry in glob.glob(f"{agentctl.runtime}/*"):
        shutil.rmtree(entry)
    after = {session["name"]: session for session in agentctl.list()}
    assert {name: session["state"] for name, session in after.items()} == {"a": "running", "b": "running"}
    assert after["a"]["id"] == before["a"]["id"]
    assert_both_stop(agentctl, before)


def test_only_the_runtime_folder_is_deleted(agentctl):
    before = start_two(agentctl)
    for entry in glob.glob(f"{agentctl.runtime}/*"):
        shutil.rmtree(entry)
    assert {session["state"] for session in agentctl.list()} == {"running"}
    # Its host cannot be asked any more what it is just writing.
    eventually(lambda: agentctl.logs("b") == b"hello\n", what="its output in the journal")
    assert_both_stop(agentctl, before)
    assert agentctl.status("a")["state"] == "stopped"


@pytest.fixture
def unwritable(request, agentctl):
    """Makes the registry so that nobody can write to it, root included."""
    mounted = []

    def make(kind):
        path = agentctl.registry
        os.makedirs(path, exist_ok=True)
        if kind == "read-only":
            subprocess.run(["mount", "--bind", path, path], check=True)
            mounted.append(path)
            subprocess.run(["mount", "-o", "remount,bind,ro", path], check=True)
        else:
            copy = f"{path}.copy"
            shutil.copytree(path, copy)
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=256k,mode=755,uid={agentctl.account.uid}", "tmpfs", path], check=True)
            mounted.append(path)
            subprocess.run(f"cp -a {copy}/. {path}/; rm -r {copy}; head -c 1M /dev/zero > {path}/filling", shell=True, check=False,
                           stderr=subprocess.DEVNULL)
            subprocess.run(["chown", "-R", agentctl.account.name, path], check=True)

    yield make
    for path in mounted:
        eventually(lambda: subprocess.run(["umount", path], check=False, capture_output=True).returncode == 0, 10, "umount")


@pytest.mark.parametrize("kind", ["read-only", "full"])
def test_nothing_can_be_written(agentctl, unwritable, kind):
    before = start_two(agentctl)
    unwritable(kind)
    word = "Read-only file system" if kind == "read-only" else "No space left on device"
    assert {session["name"]: session["state"] for session in agentctl("list", "--json").json()} == {"a": "running", "b": "running"}
    assert agentctl("status", "a").status == 0
    result = agentctl("run", "-n", "c", "--", "sleep", "1000")
    assert result.status == 1 and agentctl.registry in result.err and word in result.err and not result.out
    assert agentctl.units() == {"agentctl-a.service", "agentctl-b.service"}, "a refused run leaves no unit"
    result = agentctl("doctor")
    assert result.status == 1 and agentctl.registry in result.out
    result = agentctl("stop", "a", "b")
    assert not agentctl.units(), result
    assert not any(is_alive(session["pid"]) for session in before.values())
    assert result.status == 0 and "a: stopped, 2 processes, 0 left\n" in result.out, result
    assert word in result.err, "the trouble is named"
    result = agentctl("list", "--json")
    assert not [session for session in result.json() if session["state"] == "running"]


@pytest.mark.parametrize("kind", ["read-only", "full"])
def test_what_could_not_be_written_is_made_good_later(agentctl, kind, request):
    """The recorder could not write an end: who looks when the registry is well again still gets it."""
    unwritable = request.getfixturevalue("unwritable")
    agentctl.run("a", "sh", "-c", "sleep 0.5; exit 3")
    unwritable(kind)
    eventually(lambda: not agentctl.units(), what="the end")
    if kind == "full":
        os.unlink(f"{agentctl.registry}/filling")
    else:
        subprocess.run(["mount", "-o", "remount,bind,rw", agentctl.registry], check=True)
    session = agentctl.status("a")
    assert (session["state"], session["exit"]["code"]) == ("failed", 3)
    assert len(agentctl.records("ended")) == 1 and not agentctl.records("live")


GARBAGE = {
    "empty": b"",
    "not JSON": b"hello",
    "cut short": b'{"version": 1, "id": "abcde',
    "another type": b"[1, 2, 3]",
    "wrong types": b'{"version": "one", "id": 7, "request": null}',
    "deeply nested": b"[" * 100_000,
    "NUL bytes": b"\0" * 4096,
}


@contextlib.contextmanager
def file_with(agentctl, path, content):
    """Puts it there, and back what was there."""
    before = pathlib.Path(path).read_bytes() if os.path.exists(path) else None
    pathlib.Path(path).write_bytes((before or b"") + content)
    os.chown(path, agentctl.account.uid, agentctl.account.gid)
    yield
    assert os.path.exists(path) and pathlib.Path(path).read_bytes() == (before or b"") + content, "never silently dropped"
    if before is None:
        os.unlink(path)
    else:
        pathlib.Path(path).write_bytes(before)


def assert_told_and_else_well(agentctl, path):
    result = agentctl("list", "--json", "-a")
    assert result.status == 0, result
    states = {session["name"]: session["state"] for session in result.json()}
    assert states == {"a": "running", "b": "running", "c": "exited"}
    assert path in result.err and result.err.startswith("agentctl: warning: "), result
    assert agentctl("doctor").out.count(path) >= 1
    assert agentctl("status", "a").status == 0
    result = agentctl("status", "no-such")
    assert result.status == 3 and ("/ended/" not in path or path in result.err), result


def test_garbage_among_the_records(agentctl):
    before = start_two(agentctl)
    agentctl.run("c", "true")
    agentctl.wait_ended("c")
    live = agentctl.record_file("a", "live")
    for content in GARBAGE.values():
        with file_with(agentctl, live, content + b"\n"):
            assert_told_and_else_well(agentctl, f"{live}:2")
        ended = f"{agentctl.registry}/ended/no-such.abcdefghijkl.json"
        with file_with(agentctl, ended, content):
            assert_told_and_else_well(agentctl, ended)
    for folder in ("live", "ended"):
        for name in ("notes.txt", "..%2f..%2fetc.json"):
            path = f"{agentctl.registry}/{folder}/{name}"
            with file_with(agentctl, path, b"my notes"):
                assert_told_and_else_well(agentctl, path)
    assert_both_stop(agentctl, before)


@pytest.mark.parametrize("place", ["live/x.jsonl", "live/{free}", "ended/x.abcdefghijkl.json"])
def test_things_among_the_records_that_are_no_files(agentctl, place):
    before = start_two(agentctl)
    used = {os.path.basename(path) for path in agentctl.record_files("live")}
    free = next(name for name in (f"{digit}.jsonl" for digit in "0123456789abcdef") if name not in used)
    made = f"{agentctl.registry}/{place.format(free=free)}"
    os.makedirs(os.path.dirname(made), exist_ok=True)
    for make in (os.mkdir, os.mkfifo, lambda path: os.symlink("/etc/passwd", path), lambda path: os.symlink("/dev/zero", path)):
        make(made)
        result = agentctl("list", "--json", "-a", timeout=5)
        assert result.status == 0 and len(result.json()) == 2 and made in result.err, result
        os.rmdir(made) if os.path.isdir(made) else os.unlink(made)
    assert_both_stop(agentctl, before)


def test_the_record_of_a_live_session_turns_to_garbage(agentctl):
    before = start_two(agentctl)
    path = agentctl.record_file("a", "live")
    with open(path, "w", encoding="utf-8") as file:
        file.write("{")
    result = agentctl("list", "--json")
    assert {session["name"]: session["state"] for session in result.json()} == {"a": "running", "b": "running"}
    assert path in result.err
    assert agentctl("run", "-n", "a", "--", "true").status == 4, "its name is still taken"
    result = agentctl("stop", "a")
    assert result.status == 0 and "a: stopped, 2 processes, 0 left" in result.out, result
    assert not is_alive(before["a"]["pid"])


def test_a_record_that_claims_to_be_another_session(agentctl):
    start_two(agentctl)
    agentctl.run("c", "true")
    agentctl.wait_ended("c")
    path = agentctl.record_file("c", "ended")
    forged = f"{agentctl.registry}/ended/evil.{os.path.basename(path).split('.')[1]}.json"
    shutil.copy(path, forged)
    os.chown(forged, agentctl.account.uid, agentctl.account.gid)
    result = agentctl("list", "-a", "--json")
    assert sorted(session["name"] for session in result.json()) == ["a", "b", "c"]
    assert forged in result.err


def test_a_stranger_record_of_a_later_version_is_not_destroyed(agentctl):
    agentctl.run("a", "true")
    agentctl.wait_ended("a")
    path = agentctl.record_file("a", "ended")
    with open(path, encoding="utf-8") as file:
        record = json.load(file)
    record["a_field_from_the_future"] = {"x": 1}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(record, file)
    assert agentctl.status("a")["state"] == "exited", "unknown fields do no harm"


def test_an_unreadable_registry(user_agentctl):
    user_agentctl.run("a", "sleep", "1000")
    os.chmod(user_agentctl.registry, 0)
    try:
        result = user_agentctl("list", "--json")
        assert [session["state"] for session in result.json()] == ["running"] and "Permission denied" in result.err, result
        result = user_agentctl("status", "no-such")
        assert result.status == 3 and "Permission denied" in result.err, result
        result = user_agentctl("--json", "status", "no-such")
        assert "Permission denied" in json.loads(result.err)["error"]["warnings"][0], result
        result = user_agentctl("stop", "a")
        assert not user_agentctl.units(), result
        assert "Permission denied" in result.err
    finally:
        os.chmod(user_agentctl.registry, 0o700)


def test_a_home_that_is_not_there(user_agentctl):
    env = user_agentctl.account.environment(HOME="/nonexistent")
    result = user_agentctl("run", "--", "true", env=env)
    assert result.status in (1, 5) and "/nonexistent" in result.err
    assert not user_agentctl.units()
    assert user_agentctl("list", env=env).status == 0
