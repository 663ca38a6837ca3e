"""One process after another killed in the middle of a delivery; what must never happen is looked for."""
