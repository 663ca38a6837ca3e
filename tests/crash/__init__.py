"""The unit's memory under power cuts: a disk that loses, tears and reorders, and lives that end on it."""
