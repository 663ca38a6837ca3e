"""From fault codes to cases: what a car reports, what it means, and who has to hear of it."""
