"""Debian's Chromium, driven by Playwright, with a fake microphone."""

import shutil
import wave
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from alignatt4llm.audio.decode import read

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SAMPLES = Path(__file__).parent.parent / "samples"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


def write_wav(path, samples, rate=16_000):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


@contextmanager
def browsing(sync_api, folder):
    """Yield a browser whose microphone hears a sample."""
    speech = np.concatenate(list(read(str(SAMPLES / "lj001.ogg"))))[: 16_000 * 30]
    microphone = write_wav(folder / "microphone.wav", speech)
    flags = [*FLAGS, f"--use-file-for-fake-audio-capture={microphone}"]
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()
