"""Speed against a peer in the same run: medians and ratios, one JSON line each."""
