"""Listeners' pages and captions in a real browser, beside a speaker with a fake microphone."""

import json
import time

import httpx
import numpy as np
import pytest
from browsing import CHROMIUM, browsing, write_wav
from serve_harness import serving

from alignatt4llm.events import Close, Commit, End
from alignatt4llm.recognizers.tones import tones
from alignatt4llm.serve.journal import Journal, events_of

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright: pip install 'alignatt4llm[browser]'"
)
pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="needs Chromium: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
OBSERVE = """() => {
  window.changes = [];
  new MutationObserver((records) => {
    for (const { type, target, removedNodes, addedNodes } of records) {
      const box = target.closest?.(".said, #lines");
      if (!box) continue;
      if (type === "characterData") window.changes.push(["text", target.textContent]);
      for (const node of removedNodes) window.changes.push(["removed", node.textContent]);
      const line = target === box ? null : target;
      if (line && addedNodes.length && line.nextElementSibling && !window.several) {
        window.changes.push(["above", line.textContent]);
      }
      for (const node of addedNodes) {
        if (node.nextSibling?.nodeType === 3 && node.nodeType === 1) window.changes.push(["between", ""]);
      }
    }
  }).observe(document.body, { childList: true, characterData: true, subtree: true });
}"""
"""Notes whatever happens to what was said, but that it grows at its end. A record of an addition
may be read after later ones, so a line that has a neighbour by then is looked at in `TOP`."""
