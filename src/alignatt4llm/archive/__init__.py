"""Archives: many recordings, each subtitled once, whatever happens on the way."""
