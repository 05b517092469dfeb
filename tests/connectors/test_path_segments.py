from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.connectors.path_segments import encode_segment

texts = st.text(min_size=1).filter(lambda text: text not in {".", ".."})


@given(texts)
def test_an_encoded_segment_is_one_segment_and_decodes_to_itself(text: str) -> None:
    encoded = encode_segment(text)

    assert not set(encoded) & set("/?#%\\ ") - {"%"}
    assert unquote(encoded) == text


@given(texts)
def test_a_uuid_is_encoded_twice_exactly_where_zoom_asks_for_it(text: str) -> None:
    encoded = encode_segment(text, uuid=True)

    if text.startswith("/") or "//" in text:
        assert unquote(unquote(encoded)) == text
        assert "%2F" not in encoded
    else:
        assert encoded == encode_segment(text)


@pytest.mark.parametrize(
    ("uuid", "segment"),
    [
        ("/a//b==", "%252Fa%252F%252Fb%253D%253D"),
        ("a/b==", "a%2Fb%3D%3D"),
        ("ab+c==", "ab%2Bc%3D%3D"),
        (85746065432, "85746065432"),
    ],
)
def test_uuids_as_zoom_documents_them(uuid: object, segment: str) -> None:
    assert encode_segment(uuid, uuid=True) == segment


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_what_would_change_the_path_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="cannot be part of a path: give the id that is meant"):
        encode_segment(value)
