"""``python -m tests.approval_abuse``: try everything against a real store and print the table."""

import sys
from pathlib import Path

import pytest

from tests.approval_abuse import printed

TESTS = Path(__file__).parent.parent / "service" / "test_approval_abuse.py"


def main() -> int:
    """Exit 0 if every attempt came to what it must."""
    failed = pytest.main([str(TESTS), "-q", "-n", "0", "--durations", "0", "--no-header"])
    print(f"\n{printed()}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
