"""What a visitor of a page does and sees, on a Page of tools/browser.py."""

import json

from demo_pages import TROUBLE

KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "PageDown": 34}
KEYS |= {"Tab": 9, "Enter": 13, " ": 32}
TYPED = {"Enter": "\r", " ": " "}


def open_page(page, address, demo, state=None):
    """Open a page of the folder at an address, in a state, and wait until it is built."""
    page.open(address + demo.file + (state.query if state else ""), settle=0.3)
    wait_for(page, demo.ready)
    if state and state.script:
        page.run(state.script)


def wait_for(page, condition):
    for _ in range(60):
        if page.run(f"Boolean({condition})"):
            return
        page.wait(0.1)
    raise AssertionError(f"never came true: {condition}")


def problems(page):
    """What the console or an exception reported since the page was opened."""
    page.wait(0.1)
    found = []
    for event in page.events:
        if event["method"] == "Runtime.exceptionThrown":
            found.append(event["params"])
        elif event["method"] == "Log.entryAdded":
            found.append(event["params"]["entry"]["text"])
        elif event["method"] == "Runtime.consoleAPICalled":
            found.append(event["params"]["args"])
    return found


def text_of(page, selector):
    return page.run(f"document.querySelector({json.dumps(selector)}).textContent.trim()")


def trouble(page):
    """What the page says of what keeps it from running; waits for it."""
    wait_for(page, TROUBLE)
    return text_of(page, "#trouble")


def background(page):
    return page.run("getComputedStyle(document.body).backgroundColor")


def centre(page, selector):
    script = (
        f"(e => {{ e.scrollIntoView({{block: 'center'}}); const b = e.getBoundingClientRect();"
        " return [b.x + b.width / 2, b.y + b.height / 2] })"
        f"(document.querySelector({json.dumps(selector)}))"
    )
    return page.run(script)


def point(page, selector):
    """Move the mouse over an element; returns where it is."""
    x, y = centre(page, selector)
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    return x, y


def click(page, selector):
    x, y = point(page, selector)
    for kind in ("mousePressed", "mouseReleased"):
        page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


def push(page, name):
    """Click a button without moving the mouse."""
    page.run(f"document.getElementById('{name}').click()")


def choose(page, name, value):
    """Choose from a list, or set a slider, and let the page know."""
    page.run(
        f"(e => {{ e.value = '{value}'; e.dispatchEvent(new Event('input'));"
        f" e.dispatchEvent(new Event('change')) }})(document.getElementById('{name}'))"
    )


def touch(page, kind, *points):
    at = [{"x": x, "y": y} for x, y in points]
    page.call("Input.dispatchTouchEvent", type=kind, touchPoints=at)


def tap(page, x, y):
    touch(page, "touchStart", (x, y))
    touch(page, "touchEnd")


def press(page, key, times=1, release=True):
    about = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key]}
    if key in TYPED:
        about["text"] = TYPED[key]
    for _ in range(times):
        page.call("Input.dispatchKeyEvent", type="keyDown", **about)
        if release:
            page.call("Input.dispatchKeyEvent", type="keyUp", **about)


def focus(page, name):
    page.run(f"document.getElementById('{name}').focus()")


def focus_by_keyboard(page, selector):
    for _ in range(40):
        press(page, "Tab")
        if page.run(f"document.activeElement.matches('{selector}')"):
            return
    raise AssertionError(f"the keyboard does not reach {selector}")


def type_text(page, text):
    page.call("Input.insertText", text=text)
