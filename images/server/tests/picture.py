"""A picture of the form page with a prediction: `python -m images.server.tests.picture URL FILE`."""

import base64
import sys
import tempfile
from pathlib import Path

from images.server.tests.chromium import browser


def picture(url: str, file: Path) -> None:
    """Opens the page, asks for the prediction of the example, and writes a PNG of what is seen."""
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as tab:
        tab.open(url, 1180, 900)
        tab.click("#predict")
        tab.until("document.querySelector('#result').innerText.includes('%')")
        tab.js("scrollTo(0, 0)")
        data = tab.call("Page.captureScreenshot", format="png")["data"]
    file.write_bytes(base64.b64decode(data))


if __name__ == "__main__":
    picture(sys.argv[1], Path(sys.argv[2]))
