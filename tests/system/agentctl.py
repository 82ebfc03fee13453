"""agentctl as one user of the booted host calls it, and beside it what systemd, the journal and the disk say."""

import calendar
import dataclasses
import glob
import grp
import json
import os
import pathlib
import pwd
import re
import shlex
import shutil
import subprocess
import time

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TERMINAL_STATES = {"exited", "failed", "stopped", "expired", "cancelled", "parked", "lost"}


def eventually(condition, deadline=15.0, what=None):
    """Returns the first true value of condition(), which must come within so many seconds."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what or condition.__name__}; the last value was {value!r}")
        time.sleep(0.01)


def within(bound, attempt):
    """For times that are promised: attempt() gives seconds, and one of three must be within the bound. A busy machine
    can spoil one; all of them only when it is agentctl that is late."""
    took = []
    while len(took) < 3:
        took.append(attempt())
        if took[-1] <= bound:
            return took[-1]
    raise AssertionError(f"never within {bound} s: {took}")


@dataclasses.dataclass
class Result:
    """How a command ended."""

    status: int
    out_bytes: bytes
    err_bytes: bytes
    seconds: float

    @property
    def out(self):
        return self.out_bytes.decode(errors="surrogateescape")

    @property
    def err(self):
        return self.err_bytes.decode(errors="surrogateescape")

    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"status {self.status}, stdout {shorten(self.out)!r}, stderr {shorten(self.err)!r}"


def shorten(text):
    return text if len(text) < 2000 else f"{text[:1000]} ... {text[-1000:]}"


class Account:
    """A user of the host, and how processes are started as that user."""

    def __init__(self, name):
        entry = pwd.getpwnam(name)
        self.name, self.uid, self.gid, self.home = name, entry.pw_uid, entry.pw_gid, entry.pw_dir
        self.runtime_dir = f"/run/user/{self.uid}"

    def environment(self, **more):
        """What a login gives, and more; None takes a variable away."""
        variables = {"HOME": self.home, "USER": self.name, "LOGNAME": self.name, "SHELL": "/bin/bash", "PATH": PATH,
                     "LANG": "C.UTF-8", "TERM": "xterm-256color"}
        if self.uid != 0:
            variables["XDG_RUNTIME_DIR"] = self.runtime_dir
            variables["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={self.runtime_dir}/bus"
        variables.update(more)
        return {key: value for key, value in variables.items() if value is not None}

    def popen(self, argv, env=None, cwd=None, groups=(), **options):
        """`groups`: names of those that the user is in beside its own."""
        options.setdefault("stdin", subprocess.DEVNULL)
        all_groups = os.getgrouplist(self.name, self.gid) + [grp.getgrnam(name).gr_gid for name in groups]
        return subprocess.Popen(argv, user=self.uid, group=self.gid, extra_groups=all_groups,
                                env=self.environment() if env is None else env, cwd=cwd or self.home, **options)

    def run(self, argv, input=None, timeout=60, **options):
        began = time.monotonic()
        options.setdefault("stdin", subprocess.DEVNULL if input is None else subprocess.PIPE)
        with self.popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as process:
            try:
                out, err = process.communicate(input, timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                out, err = process.communicate()
                raise AssertionError(f"{shlex.join(argv)} has not ended after {timeout} s: {shorten(out.decode(errors='replace'))!r}"
                                     f" {shorten(err.decode(errors='replace'))!r}") from None
        return Result(process.returncode, out, err, time.monotonic() - began)

    def shell(self, script, **options):
        return self.run(["bash", "-c", script], **options)


RECONCILE = "agentctl-reconcile@*.service"

# What happens by the clock may be so many seconds late on a busy machine.
LATE = 3


class Agentctl:
    """agentctl in one scope. Calling it runs it: agentctl("list", "--json") is a Result."""

    def __init__(self, account, scope=None):
        self.account = account
        self.scope = scope or ("system" if account.uid == 0 else "user")
        system = self.scope == "system"
        self.registry = "/var/lib/agentctl" if system else f"{account.home}/.local/state/agentctl"
        self.runtime = "/run/agentctl" if system else f"{account.runtime_dir}/agentctl"

    def __call__(self, *arguments, **options):
        return self.account.run(["agentctl", *arguments], **options)

    def ok(self, *arguments, **options):
        """What it prints; it must succeed, and say nothing on stderr."""
        result = self(*arguments, **options)
        assert result.status == 0 and not result.err_bytes, f"agentctl {shorten(shlex.join(map(str, arguments)))}: {result}"
        return result.out

    def popen(self, *arguments, **options):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return self.account.popen(["agentctl", *arguments], **options)

    def run(self, name, *command, options=(), **more):
        """Starts a detached session of that name, and returns what `status` says of it."""
        assert self.ok("run", "-n", name, *options, "--", *command, **more) == name + "\n"
        return self.status(name)

    def status(self, name):
        return json.loads(self.ok("status", "--json", name))

    def list(self, *arguments):
        return json.loads(self.ok("list", "--json", *arguments))

    def names(self, *arguments):
        return [session["name"] for session in self.list(*arguments)]

    def logs(self, name, *arguments):
        result = self("logs", *arguments, name)
        assert result.status == 0 and not result.err_bytes, result
        return result.out_bytes

    def wait_ended(self, name, deadline=10):
        """How it ended, without `agentctl wait`."""
        return eventually(lambda: (session := self.status(name))["state"] in TERMINAL_STATES and session, deadline,
                          f"the end of {name}")

    # What systemd and the journal say.

    def systemctl(self, *arguments, **options):
        return self.account.run(["systemctl", f"--{self.scope}", "--no-pager", *arguments], **options)

    def show(self, unit, *properties):
        """Properties of a unit as a dictionary: all of them when none is named."""
        names = [f"--property={','.join(properties)}"] if properties else []
        text = self.systemctl("show", "--all", *names, unit).out
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def units(self, pattern="agentctl-*"):
        """The units of sessions that systemd has loaded, whatever their state."""
        rows = self.systemctl("list-units", "--all", "--plain", "--no-legend", "--full", f"{pattern}.service",
                              f"{pattern}.scope").out.splitlines()
        return {unit for row in rows if not (unit := row.split()[0]).startswith(("agentctl-reconcile.", "agentctl-reconcile@"))}

    def journal(self, name):
        """The entries that journalctl finds for a session's unit, oldest first. Bytes that are no UTF-8 come as lists."""
        flag = [] if self.scope == "system" else ["--user"]
        result = self.account.run(["journalctl", *flag, "--all", "-o", "json", "-u", f"agentctl-{name}.service"])
        return [json.loads(line) for line in result.out.splitlines()]

    def processes(self, name):
        """The pids in the control group of a session's unit."""
        group = self.show(unit_of(self, name), "ControlGroup")["ControlGroup"]
        return pids_in(group) if group else []

    # What is on disk.

    def record_files(self, folder="*"):
        return sorted(glob.glob(f"{self.registry}/{folder}/*.json*"))

    def records(self, folder="*"):
        """The records as they stand on disk: a line each."""
        kept = []
        for path in self.record_files(folder):
            try:
                with open(path, encoding="utf-8") as file:
                    kept += [json.loads(line) for line in file]
            except FileNotFoundError:
                pass  # replaced or removed just now
        return kept

    def record(self, name, folder="*"):
        """The one record of that name; None when there is none yet."""
        kept = [record for record in self.records(folder) if record["request"]["name"] == name]
        assert len(kept) <= 1, kept
        return kept[0] if kept else None

    def record_file(self, name, folder="*"):
        """The file that holds it."""
        (path,) = [path for path in self.record_files(folder) if f'"name":"{name}"' in pathlib.Path(path).read_text("utf-8")]
        return path

    def clean(self):
        """Leaves no session, no record and no runtime folder, without trusting agentctl to do it."""
        failed = self.failed_reconciles()
        manager = "" if self.scope == "system" else f"/user.slice/user-{self.account.uid}.slice/user@{self.account.uid}.service"
        shutil.rmtree(self.registry, ignore_errors=True)  # first: what waits must not start for what is ended
        if group_folder(f"{manager}/agentctl.slice"):
            self.systemctl("kill", "--signal=KILL", "agentctl.slice")
            self.systemctl("stop", "agentctl.slice")
            eventually(lambda: not self.units(), what="all units are unloaded")
        shutil.rmtree(self.registry, ignore_errors=True)
        # systemd may have started one for what was ended here, and its registry went away under it.
        eventually(lambda: not self.systemctl("list-units", "--state=activating", "--no-legend", RECONCILE).out, 10, "reconcile")
        self.systemctl("reset-failed", RECONCILE)
        for folder in glob.glob(f"{self.runtime}/*"):
            shutil.rmtree(folder)
        assert not failed, f"systemd's own calls of reconcile failed: {failed}"

    def failed_reconciles(self):
        """What those say that systemd started itself for a session that ended unrecorded, and that failed."""
        rows = self.systemctl("list-units", "--failed", "--plain", "--no-legend", RECONCILE).out.splitlines()
        flag = [] if self.scope == "system" else ["--user"]
        return [self.account.run(["journalctl", *flag, "-o", "cat", "-u", row.split()[0]]).out for row in rows]


def unit_of(agentctl, name):
    units = agentctl.units(f"agentctl-{name}")
    return units.pop() if units else f"agentctl-{name}.service"


def group_folder(group):
    """Where a control group is; None when there is none."""
    for base in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if os.path.isdir(base + group):
            return base + group
    return None


def pids_in(group):
    """The pids of a control group and of those below it."""
    pids = []
    for path, _, _ in os.walk(group_folder(group) or ""):
        try:
            with open(f"{path}/cgroup.procs", encoding="ascii") as file:
                pids += map(int, file.read().split())
        except FileNotFoundError:
            continue
    return pids


def is_alive(pid):
    """Whether it is a process that has not ended; a zombie has."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pids_with_argument(word):
    """The processes that have this argument, wherever they have hidden."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                if word.encode() in file.read().split(b"\0"):
                    found.append(int(entry))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def seconds_between(earlier, later):
    """Between two times of a session in JSON."""
    return parse_time(later) - parse_time(earlier)


def parse_time(text):
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{3})Z", text)
    assert match, f"not RFC 3339 in UTC with milliseconds: {text}"
    return calendar.timegm(time.strptime(match[1], "%Y-%m-%dT%H:%M:%S")) + int(match[2]) / 1000
