"""One file per group of CLI commands; each imports its package only when it runs."""
