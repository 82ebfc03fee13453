#!/usr/bin/python3
"""The figures that agentctl promises, each as a ratio against what plain systemd tools need in the same run.

Usage: figures.py [FIGURE...]      (in a booted systemd with agentctl installed, as a user; as root: the one that needs the system manager)
"""
import collections
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

RUNS = 30
LIBEXEC = "/usr/libexec/agentctl/"
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def milliseconds(command):
    """How long a command takes, from its start to its end: subprocess would add half a millisecond of Python's own to each."""
    to_null = [(os.POSIX_SPAWN_OPEN, stream, "/dev/null", os.O_WRONLY, 0) for stream in (1, 2)]
    begin = time.perf_counter()
    process = os.posix_spawnp(command[0], command, os.environ, file_actions=to_null)
    _, status = os.waitpid(process, 0)
    end = time.perf_counter()
    assert status == 0, (command, os.waitstatus_to_exitcode(status))
    return (end - begin) * 1000


def medians(runs, *commands):
    """The commands in turn, so that a machine that gets slower does so for all of them; forwards and backwards, because
    what a command sets off (a manager and a journal that still work) is paid for by the one after it."""
    times = [[] for _ in commands]
    turns = list(zip(times, commands))
    for _ in range(runs):
        for series, command in turns:
            series.append(milliseconds(command))
        turns.reverse()
    return [statistics.median(series) for series in times]


def agentctl(*words):
    return subprocess.run(["agentctl", *words], check=True, capture_output=True, text=True).stdout


def report(name, ours, floor, unit, bound):
    verdict = "ok" if ours <= bound * floor else "MISSED"
    print(f"{name}: {ours:.2f} {unit} against {floor:.2f} {unit}, ratio {ours / floor:.2f} (bound {bound}): {verdict}", flush=True)


def stop_all():
    subprocess.run("systemctl --user stop agentctl.slice 'run-*.service' 'bench-*.service'", shell=True, **QUIET)
    agentctl("reconcile")


def start_many(count, command):
    """From a few shells at once: a manager has at most so many calls in flight."""
    loop = f'for i in $(seq {{}}); do agentctl run -- {command} >/dev/null || exit 1; done'
    shells = [subprocess.Popen(["sh", "-c", loop.format(count // 4)]) for _ in range(4)]
    assert all(shell.wait() == 0 for shell in shells)


def run():
    """detached run to its exit, against systemd-run -p Type=exec of the same command"""
    for _ in range(32):  # the slices that sessions are spread over exist from the first session on
        agentctl("run", "--", "true")
    ours, floor = medians(60, ["agentctl", "run", "--", "sleep", "1000"],
                          ["systemd-run", "--user", "--quiet", "--collect", "-p", "Type=exec", "sleep", "1000"])
    report("run", ours, floor, "ms", 0.9)


def list_live():
    """list with 1,000 live sessions, against systemctl list-units"""
    start_many(1000, "sleep 1000")
    count = len(json.loads(agentctl("list", "--json")))
    assert count >= 1000, count
    ours, floor = medians(RUNS, ["agentctl", "list"], ["systemctl", "--user", "list-units", "agentctl-*"])
    report("list, 1,000 live", ours, floor, "ms", 1.0)


def list_ended():
    """list -a with 5,000 ended records, against 100 ms"""
    ended = pathlib.Path.home() / ".local/state/agentctl/ended"
    agentctl("prune", "--older-than", "0")
    agentctl("run", "-n", "pattern", "--wait", "--", "true")
    pattern = next(ended.glob("pattern.*.json"))
    content = pattern.read_text()
    identity = pattern.name.split(".")[1]
    letters = "abcdefghijklmnopqrstuvwxyz"
    for number in range(5000):
        other = "".join(letters[number // 26**place % 26] for place in range(12))
        (ended / f"pattern.{other}.json").write_text(content.replace(identity, other))
    (ours,) = medians(RUNS, ["agentctl", "list", "-a"])
    report("list -a, 5,000 ended", ours, 100, "ms", 1.0)
    agentctl("prune", "--older-than", "0")


def lines():
    """1,000,000 lines until they are in the journal, against plain systemd-run, and none lost

    Only the system manager can be told to keep them all, so this one is root's: a user manager drops most of them.
    """
    def kept(command):
        return milliseconds(command) + milliseconds(["journalctl", "--sync"])

    unlimited = ["-p", "LogRateLimitIntervalSec=1us", "-p", "LogRateLimitBurst=1000000000"]
    run = ["agentctl", "run", "-n", "million", "--wait", "--", "seq", "1", "1000000"]
    plain = ["systemd-run", "--quiet", "--wait", "--collect", *unlimited, "seq", "1", "1000000"]
    ours = statistics.median(kept(run) for _ in range(RUNS))
    read = subprocess.run("agentctl logs million | cmp - <(seq 1 1000000)", shell=True, executable="/bin/bash")
    assert read.returncode == 0, "lines were lost"
    # Each takes some ten seconds, and the ratio is far from the bound: as many of them as begin within four minutes.
    floors, end = [], time.monotonic() + 240
    while len(floors) < RUNS and time.monotonic() < end:
        floors.append(kept(plain))
    report(f"1,000,000 lines (medians of {RUNS} and {len(floors)} runs)", ours, statistics.median(floors), "ms", 0.1)


def follow():
    """from a line written to its being printed by logs -f, median, against 10 ms"""
    stamp = "import time\nfor _ in range(60): time.sleep(0.05); print(time.clock_gettime(time.CLOCK_MONOTONIC), flush=True)"
    agentctl("run", "-n", "stamps", "--", "/usr/bin/python3", "-c", stamp)
    delays = []
    with subprocess.Popen(["agentctl", "logs", "-f", "stamps"], stdout=subprocess.PIPE, text=True) as logs:
        for line in logs.stdout:
            delays.append((time.clock_gettime(time.CLOCK_MONOTONIC) - float(line)) * 1000)
    assert len(delays) == 60, len(delays)
    report("logs -f delay", statistics.median(delays[5:]), 10, "ms", 1.0)


def processes_of(name):
    # The kernel keeps 15 characters of a process's name.
    return [path.parent for path in pathlib.Path("/proc").glob("[0-9]*/comm") if path.read_text().strip() == name[:15]]


def programs_of_the_package():
    """How many processes of each program: agentctl itself, and whatever is in its libexec folder."""
    counts = collections.Counter()
    for path in pathlib.Path("/proc").glob("[0-9]*/exe"):
        try:
            program = os.readlink(path)
        except (FileNotFoundError, PermissionError):  # it has ended, or is somebody else's
            continue
        if program == "/usr/bin/agentctl" or program.startswith(LIBEXEC):
            counts[program.rpartition("/")[2]] += 1
    return counts


def ticks_of(names):
    """The CPU time of all processes of these names, in ticks."""
    return sum(int(field) for name in names for process in processes_of(name)
               for field in (process / "stat").read_text().rsplit(")", 1)[1].split()[11:13])


def footprint():
    """Pss of a session host with 100 live, against 2 MiB; with 500 idle, their CPU, and other processes of the package"""
    start_many(100, "sleep 1000")
    hosts = processes_of("session-host")
    assert len(hosts) == 100, len(hosts)
    pss = [int(line.split()[1]) for host in hosts for line in (host / "smaps_rollup").read_text().splitlines() if line.startswith("Pss:")]
    report("session host, Pss", statistics.median(pss), 2048, "KiB", 1.0)

    start_many(400, "sleep 1000")
    before = ticks_of(["session-host"])
    time.sleep(5)
    used = ticks_of(["session-host"]) - before
    print(f"500 idle sessions, CPU ticks of their hosts in 5 s: {used} (bound 0): {'MISSED' if used else 'ok'}", flush=True)
    others = programs_of_the_package() - collections.Counter({"session-host": 500})  # one each: none has a health check
    verdict = f"MISSED: {dict(others)}" if others else "ok"
    print(f"500 idle sessions, other processes of the package: {others.total()} (bound 0): {verdict}", flush=True)


SERVER = "import socket,sys\ns=socket.create_server(('127.0.0.1',int(sys.argv[1])),backlog=8)\nwhile True: s.accept()[0].close()"


def health():
    """CPU of 200 services that are checked each second, the servers' own included, against 10 % of one core"""
    for port in range(21000, 21200):
        agentctl("run", "--ready", f"tcp:127.0.0.1:{port}", "--ready-interval", "1s", "--", "/usr/bin/python3", "-c", SERVER, str(port))
    assert sum(session["healthy"] for session in json.loads(agentctl("list", "--json"))) == 200
    span, hertz = 20, os.sysconf("SC_CLK_TCK")
    ours, all_of_it = ticks_of(["probe", "session-host"]), ticks_of(["probe", "session-host", "python3"])
    time.sleep(span)
    ours, all_of_it = ticks_of(["probe", "session-host"]) - ours, ticks_of(["probe", "session-host", "python3"]) - all_of_it
    report("200 services checked each second, probes and hosts", 100 * ours / hertz / span, 10, "% of a core", 1.0)
    report("the same with the servers", 100 * all_of_it / hertz / span, 10, "% of a core", 1.0)


def apply():
    """apply of 5 quick services to all of them healthy, median, against 0.5 s"""
    specs = [{"name": f"s{n}", "cmd": "python3", "args": ["-c", SERVER, str(22000 + n)],
              "healthcheck": {"type": "tcp", "port": 22000 + n, "timeout_s": 20}} for n in range(5)]
    path = pathlib.Path.home() / "bench-services.json"
    path.write_text(json.dumps({"agentctl": 1, "specs": specs}))
    times = []
    for _ in range(15):
        times.append(milliseconds(["agentctl", "apply", "--require-git-workdir=no", "-p", "bench", str(path)]))
        agentctl("stop", "-p", "bench", "--remove")
    report("apply of 5", statistics.median(times), 500, "ms", 1.0)


FIGURES = {"run": run, "list": list_live, "list-ended": list_ended, "follow": follow, "footprint": footprint,
           "health": health, "apply": apply}


def main():
    print(f"{os.cpu_count()} CPUs, {subprocess.run(['systemctl', '--version'], capture_output=True, text=True).stdout.splitlines()[0]}")
    if os.getuid() == 0:
        return lines()
    for name in sys.argv[1:] or FIGURES:
        FIGURES[name]()
        stop_all()


main()
