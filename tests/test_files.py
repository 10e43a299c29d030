"""Files: replaced in one step, archives that show every change, and weights in safetensors."""

import io
import json
import os
import resource
import struct
import time
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinynet as tn
from tinynet import archive
from tinynet.archive import read_archive, write_archive
from tinynet.errors import FileFormatError
from tinynet.files import ABANDONED, previous, replacing


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# Replacing ---------------------------------------------------------------------------------------------------------------


def test_a_file_is_replaced_and_the_previous_one_kept(tmp_path):
    path = tmp_path / "file"
    for text in (b"one", b"two", b"three"):
        with replacing(path, keep_previous=True) as file:
            file.write(text)
            assert not path.exists() or path.read_bytes() != text
    assert path.read_bytes() == b"three"
    assert previous(path).read_bytes() == b"two"
    assert names(tmp_path) == ["file", "file.previous"]


def test_after_an_error_all_is_as_it_was(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), replacing(path, keep_previous=True) as file:
        file.write(b"half of it")
        raise KeyError
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("step", ["fsync", "link", "replace"])
def test_ctrl_c_leaves_one_whole_file(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    for text in (b"one", b"two"):
        with replacing(path, keep_previous=True) as file:
            file.write(text)
    real = getattr(os, step)

    def interrupted(*args):
        monkeypatch.undo()  # once
        real(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, step, interrupted)
    with pytest.raises(KeyboardInterrupt), replacing(path, keep_previous=True) as file:
        file.write(b"three")
    assert path.read_bytes() == {"fsync": b"two", "link": b"two"}.get(step, b"three")
    assert previous(path).read_bytes() in (b"one", b"two")
    with replacing(path) as file:
        file.write(b"four")
    assert path.read_bytes() == b"four"
    assert names(tmp_path) == ["file", "file.previous"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_what_the_system_refuses_is_an_error_that_names_the_file(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def refuse(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, refuse)
    with pytest.raises(OSError, match=r"No space left on device: .*/file'") as error, replacing(path) as file:
        file.write(b"new")
    assert error.value.errno == 28
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_link_is_followed_and_rights_are_the_usual_ones(tmp_path):
    target, link, plain = tmp_path / "folder" / "file", tmp_path / "link", tmp_path / "plain"
    target.parent.mkdir()
    plain.touch()
    link.symlink_to(target)
    with replacing(link) as file:
        file.write(b"x")
    assert link.is_symlink()
    assert target.read_bytes() == b"x"
    assert target.stat().st_mode == plain.stat().st_mode


def test_the_rights_of_a_file_that_is_replaced_stay(tmp_path):
    path = tmp_path / "file"
    path.touch(mode=0o600)
    with replacing(path, keep_previous=True):
        pass
    assert [x.stat().st_mode & 0o777 for x in (path, previous(path))] == [0o600] * 2


def test_nothing_but_files_is_replaced(tmp_path):
    pipe, loop, folder = tmp_path / "pipe", tmp_path / "loop", tmp_path / "folder"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    folder.mkdir()
    for path in (pipe, loop, folder, ""):
        with pytest.raises(FileExistsError, match="Something else than an ordinary file is there"), replacing(path):
            raise AssertionError
    lost = pytest.raises(FileNotFoundError, match=r"There is no folder .*/none: '.*/none/file'")
    with lost, replacing(tmp_path / "none" / "file"):
        raise AssertionError
    assert (pipe.is_fifo(), loop.is_symlink(), names(tmp_path)) == (True, True, ["folder", "loop", "pipe"])


def test_a_folder_that_cannot_be_opened_can_be_written_to(tmp_path, monkeypatch):
    def refuse(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(os, "scandir", refuse)
    with replacing(tmp_path / "file") as file:
        file.write(b"x")
    assert (tmp_path / "file").read_bytes() == b"x"


def test_where_there_are_no_links_the_previous_file_is_a_copy(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def refuse(*args):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with replacing(path, keep_previous=True) as file:
        file.write(b"new")
    assert (path.read_bytes(), previous(path).read_bytes()) == (b"new", b"old")
    assert names(tmp_path) == ["file", "file.previous"]


def test_what_killed_writers_left_goes_after_a_while(tmp_path):
    names_of = (f".file.{'a1' * 8}.tmp", f".file.{'b2' * 8}.tmp", f".else.{'c3' * 8}.tmp", ".file.notes.tmp", ".file.aa.tmp")
    abandoned, recent, *others = (tmp_path / name for name in names_of)
    for leftover in (abandoned, recent, *others):
        leftover.write_bytes(b"half")
    for old in (abandoned, *others):
        os.utime(old, (time.time() - ABANDONED - 1,) * 2)
    with replacing(tmp_path / "file"):
        pass
    assert set(names(tmp_path)) == {*names_of[1:], "file"}


def test_where_the_previous_file_cannot_be_kept_the_new_one_is_there(tmp_path):
    path = tmp_path / "file"
    previous(path).mkdir()
    for content in (b"1", b"2"):
        with replacing(path, keep_previous=True) as file:
            file.write(content)
        assert path.read_bytes() == content
    assert names(tmp_path) == ["file", "file.previous"]


def test_errors_of_the_writer_name_the_file_and_others_stay_what_they_are(tmp_path):
    path = tmp_path / "file"
    for mine in (OSError("my own message"), FileNotFoundError(2, "No such file", "elsewhere")):
        with pytest.raises(OSError) as told, replacing(path):
            raise mine
        assert told.value is mine
        assert "what was there before is as it was" in told.value.__notes__[0]
    with pytest.raises(OSError, match="No space left") as told, replacing(path):
        raise OSError(28, "No space left on device")
    assert told.value.filename == str(path)
    assert names(tmp_path) == []


# Archives ----------------------------------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
ARRAYS = hnp.arrays(
    st.sampled_from(["?", "i1", "u2", "<i4", ">i8", "<u8", "<f2", "<f4", "<f8", ">f8"]).map(np.dtype),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
CONTENTS = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text().filter("$array".__ne__), inner, max_size=3),
    max_leaves=8,
)


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, np.ndarray):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert a.tobytes() == b.tobytes()
    else:
        assert a == b or (a != a and b != b)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("archives")


@given(CONTENTS)
def test_what_is_written_is_read(folder, content):
    path = folder / "any.npz"
    write_archive(path, "example", 3, content)
    found = read_archive(path, "example", 3)
    assert_same(found, content)
    arrays = dict(np.load(path))
    assert arrays.pop("content.json")
    assert all(isinstance(x, np.ndarray) for x in arrays.values())


def test_a_disk_that_is_full_at_any_byte(written):
    good, (soft, hard) = written.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    content = read_archive(written, "example", 2)
    try:
        for n in range(0, len(good), 41):
            resource.setrlimit(resource.RLIMIT_FSIZE, (n, hard))
            with pytest.raises(OSError, match=r"File too large: .*/file"):
                write_archive(written, "example", 2, {**content, "flag": False}, keep_previous=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert written.read_bytes() == good
    assert names(written.parent) == ["file.npz"]


def test_equal_contents_make_equal_files(tmp_path):
    for name in "ab":
        write_archive(tmp_path / name, "example", 1, {"a": np.arange(3), "b": [0.1]})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_tuples_and_numpy_scalars_are_read_as_pythons(tmp_path):
    write_archive(tmp_path / "a", "example", 1, {"a": (np.float32(0.5), np.int8(3), np.bool_(True))})
    assert_same(read_archive(tmp_path / "a", "example", 1), {"a": [0.5, 3, True]})


def test_arrays_that_are_read_can_be_written_to(tmp_path):
    write_archive(tmp_path / "a", "example", 1, {"a": np.ones((3, 2), order="F")[::-1]})
    read_archive(tmp_path / "a", "example", 1)["a"][...] = 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": [1, {"b": object()}]}, r"^/a/1/b is a object; a file can hold numbers"),
        ({"a": np.array([None])}, r"^/a is an array of dtype object"),
        ({"a": np.ones(2, complex)}, r"^/a is an array of dtype complex128"),
        ({"a": {1: 2}}, r"^/a has the key 1; a key must be a string"),
        ({"$array": "x"}, r"^the content has the key '\$array'"),
    ],
)
def test_what_a_file_cannot_hold_is_not_written(tmp_path, content, message):
    with pytest.raises(TypeError, match=message):
        write_archive(tmp_path / "a", "example", 1, content)
    assert names(tmp_path) == []


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "file.npz"
    write_archive(path, "example", 2, {"a": np.arange(4.0), "flag": True, "b": np.array([True, False])})
    return path


def refused(path, data=None, match=None):
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(FileFormatError, match=match) as error:
        read_archive(path, "example", 2)
    assert str(path) in str(error.value)


def test_every_flipped_bit_is_seen(written):
    good = written.read_bytes()
    for i in range(len(good)):
        refused(written, good[:i] + bytes([good[i] ^ 1 << i % 8]) + good[i + 1 :])


def test_every_truncation_is_seen(written):
    good = written.read_bytes()
    for n in range(0, len(good), 7):
        refused(written, good[:n], "empty" if not n else "no .npz|checksum|damaged")
    refused(written, good + b"x", "checksum")


def test_other_files_are_refused(written, tmp_path):
    refused(written, b"\x80\x05K\x01.", "no .npz file")
    np.savez(written, a=np.ones(3))
    refused(written, match="was not written by tinynet")
    write_archive(written, "example", 3, {})
    refused(written, match=r"is a example of version 3; wanted is a example of version 2 or earlier \(a later one needs")
    write_archive(written, "other", 1, {})
    refused(written, match="is a other of version 1")
    refused(tmp_path, match="no ordinary file")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", match="no ordinary file")
    with pytest.raises(FileNotFoundError):
        read_archive(tmp_path / "none", "example", 1)


def sealed(data):
    return data + archive.seal(io.BytesIO(data), len(data))


def with_entries(good, compression=zipfile.ZIP_STORED, **changed):
    """The archive with other entries, and checksums that are right."""
    with zipfile.ZipFile(io.BytesIO(good)) as read:
        entries = {name: read.read(name) for name in read.namelist()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as written:
        for name, data in (entries | {name.replace("__", "."): data for name, data in changed.items()}).items():
            written.writestr(name, data)
        written.comment = bytes(archive.SEALED)
    return sealed(file.getvalue()[: -archive.SEALED])


def test_a_later_layout_is_named(written):
    head = b'{"archive": 2, "format": "example", "version": 1}'
    refused(written, with_entries(written.read_bytes(), content__json=head), "its layout has version 2, and this tinynet")


def npy(header, data=b""):
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


@pytest.mark.parametrize(
    ("header", "data", "match"),
    [
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }\n", bytes(32), "has 32 bytes"),
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': (0, 99999999999999999999), }\n", b"", "dimension|too large|int"),
        (b"{'descr': '|O', 'fortran_order': False, 'shape': (4,), }\n", bytes(32), "not NumPy's"),
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': (__import__('os'),), }\n", bytes(32), "not NumPy's"),
        (b"{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }\n", b"\x01\x07", "booleans"),
        (b"{'descr': '<f7', 'fortran_order': False, 'shape': (1,), }\n", bytes(7), "data type"),
    ],
)
def test_lying_headers_are_refused(written, header, data, match):
    refused(written, with_entries(written.read_bytes(), a__npy=npy(header, data)), match)


def test_lying_zip_files_are_refused(written):
    good = written.read_bytes()
    refused(written, with_entries(good, zipfile.ZIP_DEFLATED, a__npy=bytes(10**6)), "compressed")
    central = good.rindex(b"PK\x01\x02", 0, good.rindex(b"PK\x01\x02"))
    for size in (0, 1 << 31):
        lying = bytearray(good[: -archive.SEALED])
        lying[central + 20 : central + 28] = struct.pack("<II", size, size)
        refused(written, sealed(bytes(lying)))


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "{}", "[]", '"', "\udcff", '{"archive": 2}', "1" * 5000,
     json.dumps({"archive": 1, "format": "example", "version": 1, "content": {"$array": "none"}}),
     json.dumps({"archive": 1, "format": "example", "version": 1, "content": [{"$array": "a"}, {"$array": "a"}]}),
     json.dumps({"archive": 1, "format": "example", "version": True, "content": 0}),
     json.dumps({"archive": 1, "format": "example", "version": "1", "content": 0})],
)  # fmt: skip
def test_other_json_is_refused(written, text):
    refused(written, with_entries(written.read_bytes(), content__json=text.encode(errors="surrogateescape")))


def test_a_short_run_of_mutated_files(capsys):
    from benchmarks import fuzz_files

    assert fuzz_files.main(["--files", "800", "--seed", "11"]) == 0
    told = capsys.readouterr().out
    assert "800 files" in told
    for outcome in ("raw: refused", "sealed: refused", "entries: does not fit", "entries: refused"):
        assert outcome in told


# safetensors -------------------------------------------------------------------------------------------------------------


def test_weights_go_through_safetensors(tmp_path):
    pytest.importorskip("safetensors")
    arrays = {
        "a": np.arange(6.0).reshape(2, 3).T, "b": np.array(2.5, "f4"), "c": np.zeros((0, 2), "i2"),
        "big": np.arange(3.0, dtype=">f8"), "flags": np.array([True, False]), "half": np.ones(3, "f2")[::-1],
        "bytes": np.arange(4, dtype="u1"),
    }  # fmt: skip
    path = tmp_path / "weights.safetensors"
    tn.save_safetensors(path, arrays, {"made by": "a test"})
    found = tn.load_safetensors(path)
    assert found.keys() == arrays.keys()
    for name, x in arrays.items():
        assert (found[name].shape, found[name].dtype) == (x.shape, x.dtype.newbyteorder("="))
        np.testing.assert_array_equal(found[name], x)
    assert names(tmp_path) == ["weights.safetensors"]
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        assert file.metadata() == {"made by": "a test"}


def test_weights_go_to_torch_and_back(tmp_path):
    torch = pytest.importorskip("torch")
    from_torch = pytest.importorskip("safetensors.torch")
    path = tmp_path / "weights.safetensors"
    ours = tn.nn.Sequential(tn.nn.Linear(3, 4), tn.nn.BatchNorm1d(4), tn.nn.PReLU(), tn.nn.Linear(4, 2)).astype("float32")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.PReLU(), torch.nn.Linear(4, 2))
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    tn.save_safetensors(path, ours.state_dict())
    theirs.load_state_dict(from_torch.load_file(path))
    np.testing.assert_allclose(theirs(torch.tensor(x)).detach().numpy(), ours(x).data, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        for p in theirs.parameters():
            p.mul_(1.5)
    from_torch.save_file(theirs.state_dict(), path)
    ours.load_state_dict(tn.load_safetensors(path))
    for name, p in theirs.state_dict().items():
        np.testing.assert_array_equal(ours.state_dict()[name], p.numpy())


@pytest.mark.parametrize(
    ("state", "metadata", "match"),
    [
        ({"a": np.ones(2, complex)}, None, "'a' is an array of dtype complex128"),
        ({"a": np.array(["x"])}, None, "dtype <U1"),
        ({"__metadata__": np.ones(2)}, None, "not '__metadata__'"),
        ({1: np.ones(2)}, None, "names must be strings"),
        ({"a": np.ones(2)}, {"x": 1}, r"metadata\['x'\] is 1"),
    ],
)
def test_what_safetensors_cannot_hold_is_refused(tmp_path, state, metadata, match):
    pytest.importorskip("safetensors")
    with pytest.raises(TypeError, match=match):
        tn.save_safetensors(tmp_path / "file", state, metadata)
    assert names(tmp_path) == []


def test_damaged_safetensors_are_refused(tmp_path):
    pytest.importorskip("safetensors")
    path = tmp_path / "file"
    tn.save_safetensors(path, {"a": np.ones(4)})
    good = path.read_bytes()
    head = b'{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    bad = {
        "dtype BF16, which NumPy has not": struct.pack("<Q", len(head)) + head + bytes(4),
        "damaged safetensors file": good[:-1],
        "header cannot be right": good[:20],
        "no safetensors file": b"\x80\x05K\x01." * 9,
        "header cannot": struct.pack("<Q", 1 << 60) + good[8:],
    }
    for match, data in bad.items():
        path.write_bytes(data)
        with pytest.raises(FileFormatError, match=match) as error:
            tn.load_safetensors(path)
        assert str(path) in str(error.value)


def test_without_the_package_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"pip install 'tinynet-autograd\[safetensors\]'"):
        tn.save_safetensors(tmp_path / "file", {})
