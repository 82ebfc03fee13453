"""A registry that is gone, read-only, full or partly garbage costs no live session."""

import json
import os
import subprocess

import pytest

from agentctl import eventually


def garbage(agentctl):
    """Files that are no records, in both folders: what is wrong with each is in its name's place."""
    other = "bbbbbbbbbbbb"
    files = {"live/half.aaaaaaaaaaaa.json": '{"schema":1,"id":"aaaaaaaa', "live/empty.aaaaaaaaaaab.json": "",
             "ended/deep.aaaaaaaaaaac.json": "[" * 1000, "ended/binary.aaaaaaaaaaad.json": "\x00\x7f\n",
             f"ended/strange.{other}.json": '{"schema":99}', "ended/notes.txt": "mine"}
    for path, content in files.items():
        with open(f"{agentctl.registry}/{path}", "w", encoding="latin-1") as file:
            file.write(content)
    os.mkfifo(f"{agentctl.registry}/ended/fifo.aaaaaaaaaaae.json")
    os.symlink("/etc/passwd", f"{agentctl.registry}/ended/link.aaaaaaaaaaaf.json")
    subprocess.run(["chown", "-R", agentctl.account.name, agentctl.registry], check=True)
    return [*files, "ended/fifo.aaaaaaaaaaae.json", "ended/link.aaaaaaaaaaaf.json"]


def test_the_whole_registry_is_deleted(agentctl):
    before = agentctl.run("a", "sleep", "1000", options=["-p", "shop", "--ttl", "1h"])
    agentctl.run("b", "sleep", "1000")
    assert agentctl.account.run(["rm", "-rf", agentctl.registry]).status == 0
    assert sorted(agentctl.names()) == ["a", "b"]
    after = agentctl.status("a")
    for key in ("id", "command", "project", "pid", "created_at", "ttl_s", "expires_at"):
        assert after[key] == before[key], key
    assert agentctl.ok("stop", "a") == "a: stopped, 2 processes, 0 left\n"
    assert agentctl.names() == ["b"]
    assert agentctl("run", "-n", "b", "--", "true").status == 4, "the name is still taken"
    assert agentctl.status("b")["state"] == "running"


def test_reconcile_writes_lost_records_again(agentctl):
    before = agentctl.run("a", "sleep", "1000")
    assert agentctl.account.run(["rm", "-rf", agentctl.registry]).status == 0
    assert agentctl.ok("reconcile") == "a: its lost record was written again\n"
    assert agentctl.record("a", "live")["id"] == before["id"]
    assert agentctl.ok("reconcile") == "nothing to repair\n"


def test_its_end_is_recorded_although_the_registry_was_deleted(agentctl):
    agentctl.run("a", "sh", "-c", "sleep 1; exit 3")
    assert agentctl.account.run(["rm", "-rf", agentctl.registry]).status == 0
    eventually(lambda: agentctl.record("a", "ended"), 5, "the end on disk")
    assert agentctl.status("a")["exit"]["code"] == 3


def test_garbage_costs_itself_alone_and_is_named(agentctl):
    agentctl.run("a", "sleep", "1000")
    agentctl("run", "--wait", "-n", "done", "--", "true")
    broken = garbage(agentctl)
    result = agentctl("list", "--json", "-a")
    assert result.status == 0
    assert sorted(session["name"] for session in json.loads(result.out)) == ["a", "done"]
    for path in broken:
        assert f"cannot use '{agentctl.registry}/{path}'" in result.err, path
    assert agentctl("stop", "a").status == 0
    doctor = agentctl("doctor")
    for path in broken:
        assert f"{agentctl.registry}/{path}" in doctor.out, path
    for path in broken:
        assert os.path.lexists(f"{agentctl.registry}/{path}"), "nothing of it is dropped"


def test_a_read_only_registry(user_agentctl):
    agentctl = user_agentctl
    agentctl.run("a", "sleep", "1000")
    for folder in ("live", "ended", "."):
        path = f"{agentctl.registry}/{folder}"
        if os.path.isdir(path):
            os.chmod(path, 0o500)
    try:
        assert agentctl.names() == ["a"]
        result = agentctl("run", "-n", "b", "--", "sleep", "1000")
        assert result.status == 5 and agentctl.registry in result.err and not agentctl.units("agentctl-b")
        assert agentctl("doctor").status == 1
        result = agentctl("stop", "a")
        assert not agentctl.units("agentctl-a"), result
    finally:
        for folder in (".", "live", "ended"):
            path = f"{agentctl.registry}/{folder}"
            if os.path.isdir(path):
                os.chmod(path, 0o700)


@pytest.fixture
def full_registry(user_agentctl):
    """A registry on a disk of its own with no room left."""
    registry, account = user_agentctl.registry, user_agentctl.account
    account.run(["mkdir", "-p", registry])
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=64k,uid={account.uid},mode=700", "tmpfs", registry], check=True)
    yield user_agentctl
    user_agentctl.systemctl("stop", "agentctl.slice")
    subprocess.run(["umount", registry], check=True)


def test_a_full_disk(full_registry):
    agentctl = full_registry
    agentctl.run("a", "sleep", "1000")
    agentctl.account.shell(f"cat /dev/zero > {agentctl.registry}/ballast; true")
    assert agentctl.names() == ["a"]
    result = agentctl("run", "-n", "b", "--", "sleep", "1000")
    assert result.status == 1 and "No space left on device" in result.err
    assert not agentctl.units("agentctl-b"), "a refusal leaves no unit"
    agentctl("stop", "a")
    assert not agentctl.units("agentctl-a")
    os.unlink(f"{agentctl.registry}/ballast")
    assert agentctl.wait_ended("a")["state"] in ("stopped", "failed")
