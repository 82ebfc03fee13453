"""Steps that follow one another, each a session; nothing of ours runs between them, and nothing is lost between them."""

import concurrent.futures
import json
import os
import signal

import pytest

from agentctl import eventually


class Flows:
    """`agentctl flow`, and files for it."""

    def __init__(self, agentctl, folder):
        self.agentctl, self.folder = agentctl, folder

    def step(self, name, script=None, **more):
        script = script or f"echo {name} >> {self.folder}/order"
        return {"name": name, "command": ["sh", "-c", script], **more}

    def file(self, *steps, name="release", **more):
        path = f"{self.folder}/{name}.json"
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"name": name, "steps": list(steps), **more}, file)
        return path

    def run(self, *steps, name="release", **more):
        assert self.agentctl.ok("flow", "run", self.file(*steps, name=name, **more)) == name + "\n"

    def status(self, name="release"):
        return json.loads(self.agentctl.ok("flow", "status", "--json", name))

    def states(self, name="release"):
        return {step["name"]: step["state"] for step in self.status(name)["steps"]}

    def ended(self, state, name="release"):
        status = eventually(lambda: (flow := self.status(name))["ended_at"] and flow, 20, f"the end of flow {name}")
        assert status["state"] == state, status
        return status

    def order(self):
        path = f"{self.folder}/order"
        return open(path).read().split() if os.path.exists(path) else []

    def release(self, name):
        open(f"{self.folder}/{name}", "w").close()

    def until(self, name):
        return f"while [ ! -e {self.folder}/{name} ]; do sleep 0.02; done"


@pytest.fixture
def flows(agentctl, folder):
    return Flows(agentctl, folder)


def test_steps_run_one_after_another(agentctl, flows):
    flows.run(flows.step("build"), flows.step("test"), flows.step("ship"))
    status = flows.ended("succeeded")
    assert flows.order() == ["build", "test", "ship"]
    assert [step["state"] for step in status["steps"]] == ["exited"] * 3
    assert agentctl.names("-a") == ["release-build", "release-test", "release-ship"]
    session = agentctl.status("release-test")
    assert (session["flow"], session["step"]) == ("release", "test")
    assert agentctl.logs("release-test") == b""
    assert agentctl.ok("flow", "list") == "no live flows (agentctl flow list -a shows ended ones)\n"
    assert "release  succeeded    3/3" in agentctl.ok("flow", "list", "-a")


def test_needs_are_a_graph(flows):
    gate = flows.until("go")
    flows.run(flows.step("fetch"), flows.step("left", gate, needs=["fetch"]), flows.step("right", needs=["fetch"]),
              flows.step("join", needs=["left", "right"]), flows.step("alone", needs=[]))
    eventually(lambda: flows.states() == {"fetch": "exited", "left": "running", "right": "exited", "join": "queued", "alone": "exited"}, 10)
    step = next(step for step in flows.status()["steps"] if step["name"] == "join")
    assert step["reason"] == "waits for step 'left'" and step["started_at"] is None
    flows.release("go")
    flows.ended("succeeded")
    assert flows.order()[-1] == "join"


def test_a_gate_holds_until_it_is_opened(agentctl, flows):
    flows.run(flows.step("build"), flows.step("ship", wait_for="approval"), flows.step("tell"))
    eventually(lambda: flows.status()["state"] == "waiting", 10, "it waits")
    assert "waits for gate 'approval'" in agentctl.ok("flow", "status", "release")
    assert agentctl.ok("why", "release-ship").count("waits for gate 'approval'") == 1
    assert agentctl("flow", "resume", "release", "other").status == 4
    agentctl.ok("flow", "resume", "release", "approval")
    flows.ended("succeeded")
    assert flows.order() == ["build", "ship", "tell"]
    result = agentctl("flow", "resume", "release")
    assert result.status == 4 and "it has ended (succeeded)" in result.err


def test_a_failed_step_cancels_the_rest(flows):
    flows.run(flows.step("build"), flows.step("test", "exit 3"), flows.step("ship"), flows.step("other", needs=["build"]))
    status = flows.ended("failed")
    assert status["reason"] == "step 'test' failed: exited with status 3"
    states = flows.states()
    assert states["test"] == "failed" and states["ship"] == "cancelled"
    ship = next(step for step in status["steps"] if step["name"] == "ship")
    assert ship["reason"] == "step 'test' failed: exited with status 3" and ship["started_at"] is None


def test_what_does_not_need_a_failed_step_may_go_on(flows):
    flows.run(flows.step("build"), flows.step("test", "exit 3", needs=["build"]), flows.step("ship", needs=["test"]),
              flows.step("docs", needs=["build"]), flows.step("tell", needs=["docs"]), on_failure="continue")
    flows.ended("failed")
    assert flows.states() == {"build": "exited", "test": "failed", "ship": "cancelled", "docs": "exited", "tell": "exited"}


def test_a_step_may_be_allowed_to_fail(flows):
    flows.run(flows.step("lint", "exit 1", may_fail=True), flows.step("build"))
    flows.ended("succeeded")
    assert flows.states() == {"lint": "failed", "build": "exited"}


def test_a_step_has_its_own_limit_restart_and_environment(agentctl, flows):
    flows.run(flows.step("slow", "sleep 1000", ttl="300ms", may_fail=True),
              flows.step("flaky", f"[ -e {flows.folder}/tried ] || {{ touch {flows.folder}/tried; exit 1; }}",
                         restart={"policy": "on-failure", "delay": "100ms"}),
              flows.step("env", f'echo "$WHO $TOKEN" >> {flows.folder}/order', env={"WHO": "ann"}), env={"TOKEN": "s3cret"}, project="shop")
    status = flows.ended("succeeded")
    assert flows.states() == {"slow": "expired", "flaky": "exited", "env": "exited"}
    assert agentctl.status("release-flaky")["restarts"] == 1 and agentctl.status("release-flaky")["project"] == "shop"
    assert flows.order() == ["ann", "s3cret"]
    assert "s3cret" not in json.dumps([status, agentctl.records(), agentctl.list("-a")])


def test_cancel_lets_the_running_step_end(agentctl, flows):
    flows.run(flows.step("build", flows.until("go")), flows.step("ship"))
    eventually(lambda: flows.states()["build"] == "running", 10)
    out = agentctl.ok("flow", "cancel", "--reason", "too late", "release")
    assert "what runs goes on to its end" in out
    assert flows.states() == {"build": "running", "ship": "cancelled"}
    flows.release("go")
    status = flows.ended("cancelled")
    assert status["reason"].endswith(": too late") and status["steps"][0]["state"] == "exited"
    assert agentctl("flow", "cancel", "release").status == 4 and agentctl("flow", "resume", "release").status == 4


def test_cancel_can_stop_what_runs(agentctl, flows):
    flows.run(flows.step("build", "sleep 1000"), flows.step("ship"))
    eventually(lambda: flows.states()["build"] == "running", 10)
    agentctl.ok("flow", "cancel", "--stop", "release")
    assert flows.status()["state"] == "cancelled" and flows.states() == {"build": "stopped", "ship": "cancelled"}
    assert agentctl.units() == set()


def test_terminal_is_terminal(agentctl, flows):
    flows.run(flows.step("build", flows.until("go")), flows.step("ship"))
    eventually(lambda: flows.states()["build"] == "running", 10)
    agentctl.ok("flow", "cancel", "--stop", "release")
    before = flows.status()
    flows.release("go")
    agentctl("restart", "release-build")
    agentctl.ok("reconcile")
    assert flows.status() == before


def test_a_key_is_not_had_twice(agentctl, flows):
    flows.run(flows.step("build", "sleep 1000"), key="main")
    result = agentctl("flow", "run", flows.file(flows.step("build"), name="other", key="main"))
    assert result.status == 4 and "flow 'release' with that key lives (" in result.err, result
    result = agentctl("flow", "run", flows.file(flows.step("build"), key="else"))
    assert result.status == 4 and "a flow of that name lives" in result.err
    assert agentctl.names() == ["release-build"] and len(os.listdir(f"{agentctl.registry}/launches")) == 0
    agentctl.ok("flow", "cancel", "--stop", "release")
    flows.run(flows.step("build"), key="main")
    flows.ended("succeeded")


def test_of_many_at_once_one_runs(agentctl, flows):
    path = flows.file(flows.step("build", flows.until("go")), flows.step("ship"))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: agentctl("flow", "run", path), range(8)))
    assert sorted(result.status for result in results) == [0] + [4] * 7
    flows.release("go")
    flows.ended("succeeded")
    assert flows.order() == ["ship"]


def test_steps_take_slots(agentctl, flows):
    names = [f"s{number}" for number in range(6)]
    program = f"ls {flows.folder} | grep -c live >> {flows.folder}/counts; touch {flows.folder}/live.$$; sleep 0.1; rm {flows.folder}/live.$$"
    flows.run(*[flows.step(name, program, needs=[], pool={"name": "two", "max": 2}) for name in names])
    flows.ended("succeeded")
    assert max(int(line) for line in open(f"{flows.folder}/counts").read().split()) < 2


@pytest.mark.parametrize("killed", ["recorder", "starter"])
def test_what_a_killed_helper_left_reconcile_picks_up(agentctl, flows, killed):
    flows.run(flows.step("one", flows.until("go")), flows.step("two"), flows.step("three"))
    eventually(lambda: flows.states()["one"] == "running", 10)
    libexec = agentctl.show("agentctl-release-one.service", "ExecStopPost")["ExecStopPost"].split("path=")[1].split(" ")[0]
    helper = os.path.join(os.path.dirname(libexec), killed)
    os.rename(helper, helper + ".away")
    try:
        flows.release("go")
        eventually(lambda: "agentctl-release-one.service" not in agentctl.units(), 10)
    finally:
        os.rename(helper + ".away", helper)
    agentctl.ok("reconcile")
    flows.ended("succeeded")
    assert flows.order() == ["two", "three"]


def test_sessions_that_a_flow_needs_are_not_forgotten(agentctl, flows):
    flows.run(flows.step("build"), flows.step("ship", wait_for="approval"))
    eventually(lambda: flows.status()["state"] == "waiting", 10)
    agentctl.ok("prune", "--older-than", "0")
    result = agentctl("rm", "release-build")
    assert result.status == 4 and "flow 'release' still needs to know how it ended" in result.err
    assert flows.states()["build"] == "exited"
    agentctl.ok("flow", "resume", "release")
    flows.ended("succeeded")
    agentctl.ok("prune", "--older-than", "0")
    assert agentctl.list("-a") == [] and agentctl("flow", "status", "release").status == 3


def test_run_can_wait_for_the_end(agentctl, flows):
    path = flows.file(flows.step("build"), flows.step("test", "exit 1"))
    result = agentctl("flow", "run", "--wait", "--json", path)
    assert result.status == 1 and result.json()["state"] == "failed"
    path = flows.file(flows.step("build"), name="good")
    assert agentctl("flow", "run", "--wait", path).status == 0
    assert agentctl("flow", "wait", "good").status == 0 and agentctl("flow", "wait", "release").status == 1
    flows.run(flows.step("a", "sleep 1000"), name="long")
    assert agentctl("flow", "wait", "--timeout", "200ms", "long").status == 7


def test_a_flow_comes_from_standard_input(agentctl, flows):
    text = json.dumps({"name": "piped", "steps": [flows.step("only")]}).encode()
    assert agentctl("flow", "run", "-", input=text).out == "piped\n"
    flows.ended("succeeded", "piped")


BAD = {
    "no JSON": ("{", "line 1: "),
    "no object": ("[]", "/: must be an object"),
    "unknown key": ('{"name":"a","stepz":[]}', "/stepz: unknown key"),
    "no steps": ('{"name":"a","steps":[]}', "/steps: must be 1 to 256 steps"),
    "bad name": ('{"name":"A b","steps":[{"name":"a","command":["true"]}]}', "/name: must be 1 to 31 of a-z"),
    "duplicate": ('{"name":"a","steps":[{"name":"x","command":["true"]},{"name":"x","command":["true"]}]}', "/steps/1/name: is the name of step 0, too"),
    "unknown step": ('{"name":"a","steps":[{"name":"x","command":["true"],"needs":["y"]}]}', "/steps/0/needs/0: there is no step 'y'"),
    "circle": ('{"name":"a","steps":[{"name":"x","command":["true"],"needs":["y"]},{"name":"y","command":["true"],"needs":["x"]}]}', "/steps: these need one another in a circle: x, y, x"),
    "itself": ('{"name":"a","steps":[{"name":"x","command":["true"],"needs":["x"]}]}', "in a circle: x, x"),
    "command": ('{"name":"a","steps":[{"name":"x","command":"true"}]}', "/steps/0/command: must be an array"),
    "command not found": ('{"name":"a","steps":[{"name":"x","command":["/nonexistent"]}]}', "/steps/0 (x): "),
    "ttl": ('{"name":"a","steps":[{"name":"x","command":["true"],"ttl":"soon"}]}', "/steps/0/ttl: must be a time span"),
    "priority": ('{"name":"a","steps":[{"name":"x","command":["true"],"pool":{"name":"p","priority":101}}]}', "/steps/0/pool/priority: must be a whole number from -100 to 100"),
    "pool of none": ('{"name":"a","steps":[{"name":"x","command":["true"],"pool":{"name":"p","max":0}}]}', "/steps/0/pool/max: must be a whole number from 1"),
    "too large": ('{"name":"a","key":"' + "x" * (1 << 20) + '"}', "a flow has at most 1 MiB"),
    "NUL": ('{"name":"a","steps":[{"name":"x","command":["a\\u0000b"]}]}', "/steps/0/command/0: must not contain NUL"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_with_the_place(user_agentctl, case):
    text, message = BAD[case]
    result = user_agentctl("flow", "run", "-", input=text.encode())
    assert result.status == (127 if case == "command not found" else 2) and not result.out
    assert result.err.startswith("agentctl: invalid 'standard input': ") and message in result.err, result
    assert user_agentctl.records() == [] and user_agentctl.units() == set()


def test_helpers_that_are_killed_at_random_lose_and_repeat_no_step(agentctl, flows):
    flows.run(*[flows.step(f"s{number}", f"echo s{number} >> {flows.folder}/order; sleep 0.02") for number in range(20)])
    killed = 0
    for _ in range(4000):
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                if open(f"/proc/{entry}/comm").read().strip() in ("starter", "recorder") and os.urandom(1)[0] < 40:
                    os.kill(int(entry), signal.SIGKILL)
                    killed += 1
            except OSError:
                continue
        if killed >= 5:
            break
        if _ % 20 == 19:
            agentctl("reconcile")
            if flows.status()["ended_at"]:
                break

    def ended():
        agentctl("reconcile")
        return flows.status()["ended_at"]
    eventually(ended, 30, "the end")
    order = flows.order()
    assert order == [f"s{number}" for number in range(len(order))], "each at most once, in order"
    states = list(flows.states().values())
    assert all(state == "exited" for state in states[:len(order) - 1])
    assert states[len(order) - 1] in ("exited", "lost") and (len(order) == 20 or "lost" in states or "failed" in states)
