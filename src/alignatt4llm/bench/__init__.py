"""How fast drafts are, as ratios within one run."""
