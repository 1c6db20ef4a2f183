"""Where recordings lie while jobs need them: a folder, or an object store."""
