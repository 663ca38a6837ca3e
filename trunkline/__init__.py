"""The composition root: settings in, a running service out. Imported by nobody."""
