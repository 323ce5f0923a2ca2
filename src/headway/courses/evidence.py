"""Evidence as the text of a `metadata` column."""

import msgspec

from headway.courses.completion import NO_EVIDENCE, Evidence

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Evidence).decode


def encode_evidence(evidence: Evidence) -> str:
    """Write evidence; of none, `{}`."""
    return _encode(evidence).decode()


def decode_evidence(text: str) -> Evidence:
    """Read evidence back."""
    return NO_EVIDENCE if text == "{}" else _decode(text)
