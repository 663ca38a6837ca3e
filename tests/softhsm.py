"""A PKCS #11 token of SoftHSM 2, of this run's own."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from keys.custody import OnToken

MODULES = [
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    *Path("/usr/lib").glob("*/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/pkcs11/libsofthsm2.so"),
]
PIN, VARIABLE = "48151623", "TRUNKLINE_TEST_PIN"


@pytest.fixture(scope="session")
def hsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnToken]:
    """An initialised token. One per run: the library is loaded once per process."""
    module = next((path for path in MODULES if path.exists()), None)
    if module is None:
        pytest.skip("needs softhsm2 (Debian package softhsm2)")
    folder = tmp_path_factory.mktemp("hsm")
    (folder / "tokens").mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(config))
        patch.setenv(VARIABLE, PIN)
        subprocess.run(
            [
                "softhsm2-util",
                "--init-token",
                "--free",
                "--label",
                "trunkline",
                "--so-pin",
                "9999",
                "--pin",
                PIN,
            ],
            check=True,
            capture_output=True,
        )
        yield OnToken(module=module, token="trunkline", label="none", pin_variable=VARIABLE)


def at(hsm: OnToken, label: str) -> OnToken:
    """A place for a key of this label."""
    return hsm.model_copy(update={"label": label})
