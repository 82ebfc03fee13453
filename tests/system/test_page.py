"""The page of `serve` in a browser: it loads under its own policy, shows what is, and does what its buttons say."""

import json
import shutil

import pytest

from agentctl import eventually
from browser import Browser

pytestmark = pytest.mark.skipif(not shutil.which("chromium"), reason="there is no chromium here")

PAGE = "http://127.0.0.1:7331/"


@pytest.fixture
def page(user_agentctl):
    """The page, opened with the token, and the agentctl whose sessions it shows."""
    server = user_agentctl.popen("serve", "--listen", "127.0.0.1:7331")
    assert server.stdout.readline()
    browser = Browser(user_agentctl.account)
    try:
        browser.agentctl = user_agentctl
        browser.open(PAGE)
        browser.shows("This address needs the token")
        browser.problems.clear()  # the 401 that said so
        browser.js(f"document.getElementById('token').value = {json.dumps(user_agentctl.ok('serve', '--token').strip())}")
        browser.click("Open")
        eventually(lambda: browser.js("document.getElementById('link-text').textContent") == "live", 10, "it follows")
        yield browser
        assert browser.problems == []
    finally:
        browser.close()
        server.terminate()
        server.communicate(timeout=10)


def rows(page):
    return page.js("[...document.querySelectorAll('section.project')].map(s => [s.querySelector('h2').firstChild.textContent,"
                   " ...[...s.querySelectorAll('tbody tr')].map(r => r.cells[0].firstChild.textContent)])")


def test_sessions_appear_in_their_projects_sorted_and_go(page):
    agentctl = page.agentctl
    page.shows("agentctl run -n web -- npm run dev")
    agentctl.run("web", "sleep", "1000", options=["-p", "shop", "--port", "3000", "--ttl", "4min", "--label", "tier=front"])
    agentctl.run("api", "sleep", "1000", options=["-p", "shop", "--ttl", "2h"])
    agentctl.run("db", "sleep", "1000", options=["-p", "base"])
    agentctl.run("alone", "sleep", "1000")
    expected = [["(unassigned)", "alone"], ["base", "db"], ["shop", "api", "web"]]
    eventually(lambda: rows(page) == expected, 10, "its rows")
    assert page.js("document.getElementById('count').textContent") == "4 sessions"
    assert page.js("[...document.querySelectorAll('a')].map(a => a.href)") == ["http://127.0.0.1:3000/"]
    assert "tier front" in page.js("document.body.innerText")
    assert len(page.js("[...document.querySelectorAll('.soon')].map(c => c.textContent)")) == 1  # under five minutes
    agentctl.ok("stop", "db")
    eventually(lambda: rows(page) == [expected[0], expected[2]], 10, "the row is gone")
    page.js("document.getElementById('ended').click()")
    page.shows("stopped by tester")


def test_what_is_unhealthy_says_why(page, folder):
    agentctl = page.agentctl
    agentctl.ok("run", "-n", "web", "--ready", f"cmd:test ! -e {folder}/bad || {{ echo out of disk >&2; exit 3; }}", "--ready-interval", "100ms", "--",
                "sleep", "1000")
    cells = lambda: page.js("[...document.querySelectorAll('tbody tr td')].map(c => c.innerText)")
    eventually(lambda: cells()[1:3] == ["healthy", str(agentctl.status("web")["pid"])], 10, "it is healthy, and which process it is")
    open(f"{folder}/bad", "w").close()
    eventually(lambda: cells()[1] == "unhealthy\nhealthcheck command exit 3: out of disk", 10, "why it is not")


def test_a_stop_is_confirmed_first(page):
    agentctl = page.agentctl
    agentctl.run("web", "sleep", "1000")
    page.click("Stop web")
    page.shows("Every process of it ends")
    page.click("Cancel")
    eventually(lambda: not page.js("document.getElementById('confirm').open"))
    assert agentctl.status("web")["state"] == "running"
    page.click("Stop web")
    page.click("Stop", "document.getElementById('confirm')")
    assert agentctl.wait_ended("web")["state"] == "stopped"
    page.shows("No sessions")


def test_restart_and_extend(page):
    agentctl = page.agentctl
    before = agentctl.run("web", "sleep", "1000", options=["--ttl", "1h"])
    page.click("Extend web")
    page.js("document.getElementById('span').value = '30min'")
    page.click("Extend", "document.getElementById('confirm')")
    eventually(lambda: agentctl.status("web")["expires_at"] > before["expires_at"], what="more time")
    page.click("Restart web")
    page.click("Restart", "document.getElementById('confirm')")
    eventually(lambda: agentctl.status("web")["attempt"] == 2, what="the next attempt")
    page.click("Extend web")
    page.js("document.getElementById('span').value = 'nonsense'")
    page.click("Extend", "document.getElementById('confirm')")
    page.shows("Cannot extend web: invalid time span")
    page.problems.clear()  # the 400 of that


def test_the_log_is_followed_to_its_end(page, folder):
    agentctl = page.agentctl
    agentctl.run("talk", "sh", "-c", f"printf '\\033[31mred\\033[0m <b>bold</b>\\n'; i=0; while [ ! -e {folder}/go ]; do sleep 0.05; done;"
                 " while [ $i -lt 500 ]; do i=$((i+1)); echo line $i; done")
    page.click("Log talk")
    text = lambda: page.js("document.getElementById('log-text').textContent")
    eventually(lambda: text() == "red <b>bold</b>\n", 10, "the first line, as it is")
    assert page.js("document.getElementById('log-status').textContent") == "streaming"
    open(f"{folder}/go", "w").close()
    eventually(lambda: text().endswith("line 500\n"), 10, "the rest")
    eventually(lambda: page.js("document.getElementById('log-status').textContent") == "closed", 10, "the end")
    assert page.js("(v => v.scrollHeight - v.scrollTop - v.clientHeight < 2)(document.getElementById('log-text'))")
    page.click("Close")
    eventually(lambda: not page.js("document.getElementById('log').open"))


def test_what_agents_write_stays_text(page):
    evil = "<img src=x onerror=\"document.title='owned'\">"
    page.agentctl.run("evil", "sh", "-c", 'echo "$0"; sleep 1000', evil, options=["--label", f"note={evil}", "--agent", evil])
    page.shows(evil)
    page.click("Log evil")
    eventually(lambda: page.js("document.getElementById('log-text').textContent") == evil + "\n", 10)
    assert page.js("document.images.length") == 0 and page.js("document.title") == "agentctl"


def test_it_works_by_keyboard(page):
    page.agentctl.run("web", "sleep", "1000")
    page.shows("1 session")
    focused = lambda: page.js("document.activeElement.getAttribute('aria-label') || document.activeElement.id || document.activeElement.textContent")
    for _ in range(20):
        page.key("Tab", 9)
        if focused() == "Stop web":
            break
    assert focused() == "Stop web"
    assert page.js("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.key("Enter", 13, "\r")
    eventually(lambda: page.js("document.getElementById('confirm').open"))
    assert focused() == "Cancel"
    page.key("Escape", 27)
    eventually(lambda: not page.js("document.getElementById('confirm').open"))
    assert focused() == "Stop web" and page.agentctl.status("web")["state"] == "running"


def test_a_wrong_token_is_asked_for_again(user_agentctl):
    server = user_agentctl.popen("serve", "--listen", "127.0.0.1:7331")
    assert server.stdout.readline()
    browser = Browser(user_agentctl.account)
    try:
        browser.open(PAGE)
        browser.shows("This address needs the token")
        browser.js("document.getElementById('token').value = 'wrong'")
        browser.click("Open")
        browser.shows("This address needs the token")
        assert browser.js("sessionStorage.getItem('token')") is None and browser.js("document.cookie") == ""
    finally:
        browser.close()
        server.terminate()
        server.communicate(timeout=10)
