"""A real Chromium without a window, which tells what a page logs and asks for."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def why_missing() -> str:
    """Returns why there is no browser to test with; an empty text where there is one."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "selenium is not installed; pip install 'stackattn[browser]'"
    found = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    return f"{' and '.join(found)} not found on PATH" if found else ""


class Page:
    """A page that the browser shows."""

    def __init__(self, driver: Any, path: Path) -> None:
        self.driver, self.path = driver, path
        driver.get_log("performance"), driver.get_log("browser")  # forget those of the page before
        driver.get(path.as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        """Runs JavaScript as the driver, which a content policy does not concern; returns what it returns."""
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def all(self, selector: str) -> list[Any]:
        return list(self.driver.find_elements("css selector", selector))

    def complaints(self) -> list[str]:
        """Returns what the console holds: errors, warnings, breaches of the content policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Returns the addresses asked for since the page was opened, without the page itself and data inside it."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        own = self.path.as_uri()
        sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
        urls = [each["request"]["url"] for each in sent if each["documentURL"].partition("#")[0] == own]
        assert own in urls, "the log of requests is empty"
        return [url for url in urls if url != own and not url.startswith("data:")]

    def scheme(self, name: str) -> None:
        """Chooses the colours: light or dark."""
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def width(self, pixels: int, height: int = 900) -> None:
        size = {"width": pixels, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def picture(self, path: Path, most: int = 6000) -> None:
        """Saves a picture of the page from its top on, at most that high."""
        height = min(most, int(self.run("return document.documentElement.scrollHeight")))
        width = int(self.run("return window.innerWidth"))
        self.width(width, height)
        self.driver.save_screenshot(str(path))


@contextmanager
def browser(profile: Path) -> Iterator[Any]:
    """A browser with a new profile in this empty folder; ends with the block."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.binary_location = str(shutil.which("chromium"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()
