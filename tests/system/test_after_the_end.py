"""--on-end COMMAND: run once when the session has ended, in a unit of its own, told what happened."""

import json
import os

import pytest

from agentctl import eventually

TELL = 'env | grep ^AGENTCTL_ | sort > {0}/env; cat > {0}/json; pwd > {0}/cwd; cat /proc/self/cgroup > {0}/cgroup; touch {0}/done'


def told(folder):
    eventually(lambda: os.path.exists(f"{folder}/done"), 10, "the command has run")
    variables = dict(line.split("=", 1) for line in open(f"{folder}/env").read().splitlines())
    return variables, json.load(open(f"{folder}/json", encoding="utf-8"))


def test_it_is_told_the_facts(agentctl, folder):
    session = agentctl.run("a", "sh", "-c", "exit 3", options=["-p", "shop", "-C", folder, "--on-end", TELL.format(folder)])
    variables, facts = told(folder)
    assert variables == {"AGENTCTL_SESSION": session["id"], "AGENTCTL_NAME": "a", "AGENTCTL_UNIT": "agentctl-a.service",
                         "AGENTCTL_PROJECT": "shop", "AGENTCTL_STATE": "failed", "AGENTCTL_REASON": "exited with status 3",
                         "AGENTCTL_EXIT_CODE": "3"}
    assert facts == agentctl.status("a") and facts["on_end"] == TELL.format(folder)
    assert open(f"{folder}/cwd").read().strip() == folder
    assert f"agentctl.slice/agentctl-on-end.a." in open(f"{folder}/cgroup").read(), "in a unit of its own"
    eventually(lambda: os.listdir(agentctl.runtime) == [], what="nothing is left behind")


@pytest.mark.parametrize("end", ["stop", "kill", "time limit", "does not start", "scope", "cancel"])
def test_it_runs_whatever_the_end_was(agentctl, folder, end):
    hook = ["--on-end", TELL.format(folder)]
    state = {"stop": "stopped", "kill": "failed", "time limit": "expired", "does not start": "failed", "scope": "failed",
             "cancel": "cancelled"}[end]
    if end == "does not start":
        program = f"{folder}/program"
        with open(program, "w", encoding="utf-8") as file:
            file.write("#!/nonexistent\n")
        os.chmod(program, 0o755)
        assert agentctl("run", "-n", "a", *hook, "--", program).status in (126, 127)
    elif end == "scope":
        assert agentctl("run", "--scope", "-n", "a", *hook, "--", "sh", "-c", "exit 5").status == 5
    elif end == "cancel":
        agentctl.run("holder", "sleep", "1000", options=["--pool", "p", "--max", "1"])
        agentctl.run("a", "true", options=["--pool", "p", "--max", "1", "--queue", *hook])
        agentctl.ok("cancel", "a")
    else:
        agentctl.run("a", "sleep", "1000", options=[*hook, *(["--ttl", "300ms"] if end == "time limit" else [])])
        if end == "stop":
            agentctl.ok("stop", "a")
        elif end == "kill":
            agentctl.ok("kill", "-s", "KILL", "a")
    variables, facts = told(folder)
    assert variables["AGENTCTL_STATE"] == facts["state"] == state


def test_it_runs_once_and_only_at_the_last_end(agentctl, folder):
    agentctl.run("a", "sh", "-c", "exit 1", options=["--on-end", f"echo $AGENTCTL_STATE >> {folder}/ends", "--restart", "on-failure",
                                                      "--restart-delay", "100ms", "--restart-limit", "3"])
    eventually(lambda: os.path.exists(f"{folder}/ends"), 20, "the end")
    agentctl.ok("reconcile")
    assert open(f"{folder}/ends").read() == "parked\n"


def test_it_outlives_the_session_but_not_its_own_limit(agentctl, folder):
    agentctl.run("a", "true", options=["--on-end", f"echo started > {folder}/done; exec sleep 1000"])
    eventually(lambda: os.path.exists(f"{folder}/done"), 10, "it runs")
    (unit,) = [row.split()[0] for row in agentctl.systemctl("list-units", "--plain", "--no-legend", "agentctl-on-end.*").out.splitlines()]
    assert agentctl.show(unit, "RuntimeMaxUSec")["RuntimeMaxUSec"] == "5min"
    assert agentctl.list() == [], "it is no session"
    agentctl.systemctl("stop", unit)


def test_its_command_is_in_no_unit_property(agentctl, folder):
    agentctl.run("a", "true", options=["--on-end", f"touch {folder}/done; : s3cret; exec sleep 1000"])
    eventually(lambda: os.path.exists(f"{folder}/done"), 10, "it runs")
    (unit,) = [row.split()[0] for row in agentctl.systemctl("list-units", "--plain", "--no-legend", "agentctl-on-end.*").out.splitlines()]
    assert "s3cret" not in agentctl.systemctl("show", unit).out + agentctl.systemctl("cat", unit).out
    agentctl.systemctl("stop", unit)


def test_another_users_session_has_another_users_hook(system_agentctl, folder):
    os.chmod(folder, 0o777)
    system_agentctl.run("a", "true", options=["--uid", "tester", "--on-end", f"id -un > {folder}/who; touch {folder}/done"])
    eventually(lambda: os.path.exists(f"{folder}/done"), 10, "it has run")
    assert open(f"{folder}/who").read() == "tester\n"


def test_another_users_hook_runs_also_when_no_recorder_could(system_agentctl, folder):
    """Then the reconcile that systemd starts hands the hook over to that user."""
    os.chmod(folder, 0o777)
    system_agentctl.run("a", "sleep", "1000", options=["--uid", "tester", "--on-end", f"id -un > {folder}/who; touch {folder}/done"])
    recorder = system_agentctl.show("agentctl-a.service", "ExecStopPost")["ExecStopPost"].split("path=")[1].split(" ")[0]
    os.rename(recorder, recorder + ".away")
    try:
        system_agentctl.systemctl("stop", "agentctl-a.service")
    finally:
        os.rename(recorder + ".away", recorder)
    eventually(lambda: os.path.exists(f"{folder}/done"), 10, "it has run")
    assert open(f"{folder}/who").read() == "tester\n"
    for id in os.listdir(system_agentctl.runtime):  # not before it is old, or somebody could be about to use it
        os.utime(f"{system_agentctl.runtime}/{id}", (0, 0))
    system_agentctl.ok("reconcile")
    assert os.listdir(system_agentctl.runtime) == [], "only root can take its folder out of there"
