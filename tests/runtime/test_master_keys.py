"""Master keys: where they come from, what they open, and that they are told to nobody."""

import stat
from base64 import b64encode
from pathlib import Path

import pytest

from runtime import master_keys
from runtime.errors import OperatorError
from runtime.master_keys import KEY_BYTES, CannotOpen, MasterKeys, Sealed
from runtime.settings import Settings

ONE, TWO = b"1" * KEY_BYTES, b"2" * KEY_BYTES


def text(*keys: bytes) -> str:
    return "\n".join(b64encode(key).decode() for key in keys)


def settings(**given: object) -> Settings:
    return Settings(**{"database_url": "postgresql://localhost/x", **given})  # type: ignore[arg-type]  # of several types


def test_what_is_sealed_opens_with_its_key_and_for_what_it_was_sealed() -> None:
    keys = MasterKeys([ONE])
    sealed, again = (keys.seal("sesame", b"here") for _ in range(2))
    assert keys.open(sealed, b"here") == "sesame"
    assert b"sesame" not in sealed.ciphertext
    assert sealed != again, "no nonce is used twice"
    with pytest.raises(CannotOpen):
        keys.open(sealed, b"elsewhere")
    with pytest.raises(CannotOpen):
        keys.open(Sealed(sealed.master_key, sealed.nonce, sealed.ciphertext[:-1] + bytes([sealed.ciphertext[-1] ^ 1])), b"here")
    with pytest.raises(CannotOpen, match=keys.id):
        MasterKeys([TWO]).open(sealed, b"here")


def test_the_first_key_seals_and_the_others_open() -> None:
    before = MasterKeys([ONE]).seal("sesame", b"")
    both = MasterKeys([TWO, ONE])
    assert both.open(before, b"") == "sesame"
    assert both.seal("sesame", b"").master_key == both.id == MasterKeys([TWO]).id != before.master_key


def test_a_fingerprint_is_another_under_another_key() -> None:
    assert MasterKeys([ONE]).fingerprint(b"x") == MasterKeys([ONE, TWO]).fingerprint(b"x")
    assert MasterKeys([ONE]).fingerprint(b"x") != MasterKeys([TWO]).fingerprint(b"x")


def test_keys_come_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(text(TWO, ONE) + "\n")
    file.chmod(0o600)
    from_variable, from_file = (
        master_keys.load(settings(master_key=f"{text(TWO)}, {text(ONE)}")),
        master_keys.load(settings(master_key_file=file)),
    )
    assert from_variable is not None
    assert from_file is not None
    assert from_file.id == from_variable.id == MasterKeys([TWO]).id
    assert from_file.open(MasterKeys([ONE]).seal("old", b""), b"") == "old"
    assert master_keys.load(settings()) is None


@pytest.mark.parametrize("wrong", ["", "short", text(ONE)[:-4], text(ONE + b"1"), text(ONE) + "\n!"])
def test_what_is_no_key_is_named_by_its_variable_and_not_cited(wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(wrong)
    file.chmod(0o600)
    with pytest.raises(OperatorError, match="GESTA_MASTER_KEY_FILE") as caught:
        master_keys.load(settings(master_key_file=file))
    assert not wrong or wrong not in str(caught.value)
    assert caught.value.__cause__ is None, "nor in what a log would show of it"
    assert caught.value.__suppress_context__


def test_a_key_that_others_may_change_is_refused_and_one_that_they_may_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "keys"
    file.write_text(text(ONE))
    file.chmod(0o640)
    assert master_keys.load(settings(master_key_file=file)) is not None
    assert "may read" in caplog.text
    file.chmod(0o620)
    with pytest.raises(OperatorError, match="chmod 600"):
        master_keys.load(settings(master_key_file=file))
    with pytest.raises(OperatorError, match="cannot be read"):
        master_keys.load(settings(master_key_file=tmp_path / "absent"))


def test_the_platform_makes_a_key_of_its_own_once(tmp_path: Path) -> None:
    """Where it runs its own database, and was given none."""
    embedded = Settings(data_dir=tmp_path / "data")
    assert master_keys.load(embedded) is None
    master_keys.make_own(embedded)
    file = tmp_path / "data" / "master.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    made = file.read_bytes()
    master_keys.make_own(embedded)
    assert file.read_bytes() == made
    assert [each.name for each in file.parent.iterdir()] == ["master.key"]
    keys = master_keys.load(embedded)
    assert keys is not None
    assert made.decode().strip() not in repr(keys)

    master_keys.make_own(settings(data_dir=tmp_path / "other"))
    master_keys.make_own(Settings(data_dir=tmp_path / "other", master_key_file=tmp_path / "given"))
    assert not (tmp_path / "other").exists(), "only there, and only then"
