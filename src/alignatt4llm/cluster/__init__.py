"""The same work on many machines, by Ray."""

import os

# read when Ray is imported: what it tells of its processes would stand among what we print
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
