"""Host keys: known, pinned on first contact, or refused; and key pairs of emulated boards.

OpenSSH's known_hosts count, and piyard's own file of pinned keys; no key is accepted unchecked. The
key pairs are Ed25519: one to log in to emulated boards, and a host key for each of them.
"""

from __future__ import annotations

from pathlib import Path

from piyard import lock, paths, whole


def login_key() -> Path:
    """This machine's private key for its emulated boards, generated at the first call."""
    return _ensure(paths.data() / "board_ed25519")


def host_key(board: str) -> Path:
    """An emulated board's host key, which stays the same when it is restarted."""
    return _ensure(paths.data() / "host_keys" / board)


def public(private: Path) -> str:
    """The public half, as OpenSSH writes it: type and base64."""
    return private.with_name(f"{private.name}.pub").read_text().strip()


def _ensure(private: Path) -> Path:
    if not private.exists():
        private.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with lock.held(private.with_name(f"{private.name}.lock")):
            if not private.exists():
                _generate(private)
    return private


def _generate(private: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    shown = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    private.with_name(f"{private.name}.pub").write_bytes(shown + b"\n")
    with whole.draft(private) as draft:
        draft.touch(mode=0o600)
        draft.write_bytes(secret)
