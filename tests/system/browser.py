"""Headless Chromium, as one user of the booted host runs it, over its debugging pipe (Chrome DevTools Protocol)."""

import base64
import json
import os
import subprocess
import tempfile
import time

from agentctl import eventually


class Browser:
    """One tab. `problems` are errors of the page: exceptions, what the console was told, what its policy forbade."""

    def __init__(self, account):
        self.problems = []
        self.last_id = 0
        self.session = None
        self.pending = b""
        self.profile = tempfile.mkdtemp()
        os.chown(self.profile, account.uid, account.gid)
        theirs_in, self.to = os.pipe()
        self.out, theirs_out = os.pipe()
        # The pipe is descriptors 3 and 4. Its own sandbox needs more than a container has.
        command = (f"exec chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-extensions"
                   f" --user-data-dir={self.profile} --remote-debugging-pipe about:blank 3<&{theirs_in} 4>&{theirs_out}")
        self.process = account.popen(["bash", "-c", command], pass_fds=(theirs_in, theirs_out),
                                     env=account.environment(HOME=self.profile, DBUS_SESSION_BUS_ADDRESS=None),
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.resize(1280, 800)

    def call(self, method, **parameters):
        self.last_id += 1
        message = {"id": self.last_id, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.last_id:
                assert "error" not in answer, answer
                return answer["result"]

    def receive(self):
        while b"\0" not in self.pending:
            piece = os.read(self.out, 1 << 20)
            assert piece, "the browser has ended"
            self.pending += piece
        text, _, self.pending = self.pending.partition(b"\0")
        message = json.loads(text)
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown" or (method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning")) or \
                (method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning")):
            self.problems.append(parameters)
        return message

    def open(self, url):
        self.call("Page.navigate", url=url)
        eventually(lambda: self.js("document.readyState") == "complete" and self.js("location.href").startswith(url), 20, url)

    def js(self, expression):
        """What it comes to in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def shows(self, text, deadline=10):
        return eventually(lambda: text in self.js("document.body.innerText"), deadline, f"'{text}' on the page")

    def click(self, name, where="document"):
        """On the visible button of that label or text."""
        found = (f"[...{where}.querySelectorAll('button')].find(b => b.checkVisibility() && !b.disabled && "
                 f"(b.getAttribute('aria-label') || b.textContent) === {json.dumps(name)})")
        eventually(lambda: self.js(f"Boolean({found})"), 10, f"the button {name}")
        self.js(f"{found}.click()")

    def key(self, name, code=0, text=""):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, text=text if kind == "keyDown" else "")

    def resize(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def color_scheme(self, scheme):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path):
        time.sleep(0.3)  # fonts and transitions
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self):
        self.session = None
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait(10)
        os.close(self.to)
        os.close(self.out)
