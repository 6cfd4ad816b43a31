"""What GGUF files say of themselves, and what is said of those that are none."""

import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from gguf import GGUFEndian, GGUFReader, GGUFWriter
from gguf.constants import GGML_QUANT_SIZES
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_gguf_files import write_gguf

from alignatt4llm.errors import AlignattError
from alignatt4llm.weights.gguf import read_header
from alignatt4llm.weights.gguf_files import part_names, read_model


def text(value):
    return struct.pack("<Q", len(value.encode())) + value.encode()


def pair(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def start(tensors, *pairs):
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, len(pairs)) + b"".join(pairs)


def save(path, content):
    path.write_bytes(content)
    return path


def test_a_header_byte_by_byte(tmp_path):
    content = start(
        1,
        pair("general.architecture", 8, text("qwen2")),
        pair("qwen2.block_count", 4, struct.pack("<I", 28)),
        pair("general.tags", 9, struct.pack("<IQ", 8, 2) + text("a") + text("bcd")),
        pair("general.alignment", 4, struct.pack("<I", 64)),
        pair("last", 7, b"\1"),
    ) + text("t") + struct.pack("<IQQIQ", 2, 32, 3, 8, 128)  # fmt: skip
    header = read_header(save(tmp_path / "a.gguf", content))
    assert header.fields == {
        "general.architecture": "qwen2",
        "qwen2.block_count": 28,
        "general.alignment": 64,
        "last": True,
    }
    assert (header.architecture, header.number("block_count"), header.number("x")) == (
        "qwen2", 28, 0,
    )  # fmt: skip
    # three rows of 32 values in Q8_0, 34 bytes each, 128 bytes beyond a multiple of 64
    assert header.size == -(-len(content) // 64) * 64 + 128 + 3 * 34


ADD = {
    "add_uint8": st.integers(0, 2**8 - 1), "add_int8": st.integers(-(2**7), 2**7 - 1),
    "add_uint16": st.integers(0, 2**16 - 1), "add_int16": st.integers(-(2**15), 2**15 - 1),
    "add_uint32": st.integers(0, 2**32 - 1), "add_int32": st.integers(-(2**31), 2**31 - 1),
    "add_uint64": st.integers(0, 2**64 - 1), "add_int64": st.integers(-(2**63), 2**63 - 1),
    "add_float32": st.floats(width=32, allow_nan=False), "add_bool": st.booleans(),
    "add_float64": st.floats(allow_nan=False), "add_string": st.text(min_size=1, max_size=20),
    "add_array": st.one_of(
        st.lists(st.integers(0, 99), min_size=1), st.lists(st.text(max_size=9), min_size=1),
        st.lists(st.booleans(), min_size=1),
    ),
}  # fmt: skip


@settings(max_examples=60)
@given(st.lists(st.sampled_from(sorted(ADD)).flatmap(lambda a: st.tuples(st.just(a), ADD[a]))))
def test_every_value_of_a_header_is_read_as_it_was_written(values):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.gguf"
        writer = GGUFWriter(path, "llama")
        for number, (add, value) in enumerate(values):
            getattr(writer, add)(f"key.{number}", value)
        writer.add_tensor("t", np.zeros(5, np.float16))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        header = read_header(path)
        assert header.size <= path.stat().st_size
    single = {f"key.{n}": value for n, (add, value) in enumerate(values) if add != "add_array"}
    assert header.fields == {"general.architecture": "llama", **single}


STORED = [kind for kind in GGML_QUANT_SIZES if kind.name not in ("Q8_1", "Q8_K")]
"""Types of tensors; the two others are only computed with."""


@pytest.mark.parametrize("kind", STORED, ids=lambda kind: kind.name)
def test_tensors_of_every_type_are_as_long_as_they_are(tmp_path, kind):
    values, size = GGML_QUANT_SIZES[kind]
    entry = text("t") + struct.pack("<IQQIQ", 2, values, 7, kind, 0)
    header = read_header(save(tmp_path / "a.gguf", start(1) + entry))
    assert header.length == 7 * size


def test_any_model_may_be_cut_off_anywhere(tmp_path):
    path = write_gguf(tmp_path / "a.gguf", name="Some Model")
    content, size = path.read_bytes(), read_model(path).size
    assert 500 < size <= len(content)
    for length in range(size):
        with pytest.raises(AlignattError, match=r"cut off|is empty"):
            read_model(save(path, content[:length]))
    assert read_model(save(path, content[:size])).text("general.name") == "Some Model"


@settings(max_examples=300)
@given(st.data())
def test_damage_is_told_or_harmless(data):
    with TemporaryDirectory() as folder:
        path = write_gguf(Path(folder) / "a.gguf")
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        try:
            assert read_model(path).size <= len(content)
        except AlignattError as problem:
            assert str(path) in str(problem) and str(problem).endswith(".")


BAD = {
    "nothing at all": (b"", "is empty"),
    "a pointer of Git LFS": (b"version https://git-lfs.github.com/spec/v1\n", "begins with 'ver"),
    "a page of errors": (b"<!DOCTYPE html><html>", "begins with '<!DOCTYPE html><'"),
    "an older format": (struct.pack("<II", 0x67676A74, 3) + bytes(40), "begins with 'tjgg"),
    "safetensors": (struct.pack("<Q", 80) + b'{"__metadata__"', "begins with 'P"),
    "of the first version": (b"GGUF" + struct.pack("<IIQ", 1, 0, 0), "of version 1"),
    "of a version to come": (b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "of version 9"),
    "of a type that there is not": (start(0, pair("a", 77, b"")), "there is no type 77"),
    "lists of lists": (start(0, pair("a", 9, struct.pack("<IQ", 9, 1))), "no lists of type 9"),
    "more keys than bytes": (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63), "cut off within"),
    "a text longer than the file": (start(0, struct.pack("<Q", 2**64 - 1)), "cut off within"),
    "a list longer than the file": (
        start(0, pair("a", 9, struct.pack("<IQ", 8, 2**63) + struct.pack("<Q", 2**63))),
        "cut off within",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_gguf_file_is_told(tmp_path, name):
    content, sentence = BAD[name]
    path = save(tmp_path / "a.gguf", content)
    with pytest.raises(AlignattError) as caught:
        read_model(path)
    assert sentence in str(caught.value) and str(path) in str(caught.value)


NO_MODEL = {
    "an adapter": ({"type": "adapter"}, "what is added to one (adapter)"),
    "a projector": ({"architecture": "clip"}, "what is added to one (mmproj)"),
    "a newer projector": ({"type": "mmproj", "architecture": "clip"}, "(mmproj)"),
    "a vocabulary": ({"tensors": 0}, "holds no weights"),
    "no tokeniser": ({"tokenizer": None}, "holds no tokeniser"),
    "an empty tokeniser": ({"tokenizer": "no_vocab"}, "holds no tokeniser"),
    "for other machines": ({"endian": GGUFEndian.BIG}, "is for big-endian machines"),
}


@pytest.mark.parametrize("name", NO_MODEL)
def test_a_file_that_is_no_language_model_is_told(tmp_path, name):
    options, sentence = NO_MODEL[name]
    path = write_gguf(tmp_path / "a.gguf", **options)
    with pytest.raises(AlignattError) as caught:
        read_model(path)
    assert sentence in str(caught.value) and str(path) in str(caught.value)


def test_a_file_that_is_not_there_or_cannot_be_read_is_told(tmp_path):
    with pytest.raises(AlignattError, match=r"There is no file '.*a\.gguf'; download"):
        read_model(tmp_path / "a.gguf")
    (tmp_path / "b.gguf").mkdir()
    with pytest.raises(AlignattError, match="cannot be read: Is a directory"):
        read_model(tmp_path / "b.gguf")


@pytest.mark.parametrize("given", [1, 2, 3])
def test_any_part_of_a_split_model_leads_to_the_first(tmp_path, given):
    first = write_gguf(tmp_path / "a.gguf", parts=3)
    header = read_model(first.with_name(f"a-{given:05}-of-00003.gguf"))
    assert header.path == first
    assert (header.parts, header.number("block_count")) == (3, 3)


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_missing_part_is_named(tmp_path, missing):
    first = write_gguf(tmp_path / "a.gguf", parts=3)
    name = f"a-{missing:05}-of-00003.gguf"
    first.with_name(name).unlink()
    other = first.with_name(f"a-{missing % 3 + 1:05}-of-00003.gguf")
    with pytest.raises(AlignattError, match=rf"There is no file '.*{name}' beside the other 2"):
        read_model(other)


def test_a_part_that_is_cut_off_is_named(tmp_path):
    last = write_gguf(tmp_path / "a.gguf", parts=3).with_name("a-00003-of-00003.gguf")
    last.write_bytes(last.read_bytes()[:-16])
    with pytest.raises(AlignattError, match=r"a-00003-of-00003\.gguf' is cut off: "):
        read_model(last)


@pytest.mark.parametrize("name", ["renamed.gguf", "a-00001-of-00007.gguf"])
def test_a_part_under_another_name_is_told(tmp_path, name):
    path = write_gguf(tmp_path / "a.gguf", parts=3).rename(tmp_path / name)
    with pytest.raises(AlignattError, match=r"NAME-00001-of-00003\.gguf"):
        read_model(path)


def test_a_whole_model_may_be_called_like_a_part(tmp_path):
    path = write_gguf(tmp_path / "a-00002-of-00005.gguf")
    assert read_model(path).path == path


def test_names_of_parts():
    assert part_names("a-00002-of-00002.GGUF") == ["a-00001-of-00002.GGUF", "a-00002-of-00002.GGUF"]
    assert part_names("a-2-of-2.gguf") == ["a-2-of-2.gguf"]


def test_the_library_reads_the_same(tmp_path):
    path = write_gguf(tmp_path / "a.gguf", name="Some Model", basename="Some")
    fields = {
        key: field.contents()
        for key, field in GGUFReader(path).fields.items()
        if not key.startswith("GGUF.") and len(field.types) == 1
    }
    assert read_header(path).fields == fields
