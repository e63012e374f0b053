"""Pure functions on maps, peaks, tags and images."""
