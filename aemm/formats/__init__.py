"""File formats: reading, checking and writing; nothing else knows a key of a file."""
