"""Untrusted input is never executed or unpickled, and never accesses other files."""

import json
import os
import pickle
import shutil
import zipfile

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from rumi_tf.data.arrays import load_unlabelled
from rumi_tf.evaluation import features
from rumi_tf.evaluation.embeddings import weights
from rumi_tf.evaluation.embeddings.inception import load_inception
from rumi_tf.evaluation.embeddings.weights import load_weights
from rumi_tf.export.sampler import load_sampler
from rumi_tf.utils.errors import InvalidInput, RunDamaged
from rumi_tf.utils.io import folder_name, read_npz
from tests.conftest import ROOT
from tests.dangers import dangers
from tests.training.test_checkpoints import make

# ----- source scan --------------------------------------------------------------------------------

SOURCES = [p for f in ("rumi_tf", "reproduce", "figures") for p in (ROOT / f).rglob("*.py")]


@pytest.mark.parametrize("path", sorted(SOURCES), ids=lambda p: str(p.relative_to(ROOT)))
def test_sources_make_no_dangerous_calls(path):
    assert list(dangers(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle", "from pickle import loads", "import marshal as m", "import shelve",
        "def f():\n    import joblib",
        "eval(x)", "exec(x)", "compile(x, '', 'exec')", "__import__(x)", "f = eval",
        "import builtins\nbuiltins.exec(x)", "list(map(eval, x))",
        "import os\nos.system(x)", "from os import system\nsystem(x)", "import os as o\no.popen(x)",
        "import subprocess\nsubprocess.run(x, shell=True)",
        "import subprocess as s\ns.Popen(x, shell=y)", "import subprocess\nsubprocess.getoutput(x)",
        "import importlib\nimportlib.import_module(x)", "import runpy\nrunpy.run_path(x)",
        "import numpy as np\nnp.load(x)", "import numpy as np\nnp.load(x, allow_pickle=True)",
        "from numpy import load\nload(x)", "import numpy as np\nnp.load(x, allow_pickle=y)",
        "import yaml\nyaml.load(x)", "from yaml import load\nload(x, Loader=y)",
        "import tarfile\ntarfile.open(x).extractall(y)", "import shutil\nshutil.unpack_archive(x)",
        "archive.extractall()",
        "import keras\nkeras.models.load_model(x, safe_mode=False)",
        "import keras\nkeras.config.enable_unsafe_deserialization()",
        "import keras\nkeras.models.load_model(x)",
        "network.load_weights(x)", "import tensorflow as tf\ntf.saved_model.load(x)",
        "import tensorflow as tf\ntf.load_op_library(x)", "import h5py\nh5py.File(x)",
        "import tensorflow as tf\ntf.py_function(f, x, y)",
        "from PIL import Image\nImage.open(x)",
    ],
)  # fmt: skip
def test_scan_finds_dangerous_calls(code):
    assert list(dangers(code, "rumi_tf/x.py"))


@pytest.mark.parametrize(
    "code",
    [
        "import re\nre.compile(x)", "model.compile(x)", "import subprocess\nsubprocess.run([x])",
        "import subprocess\nsubprocess.run([x], shell=False)", "import json\njson.loads(x)",
        "import numpy as np\nnp.load(x, allow_pickle=False)", "session.execute(x)",
        "import tarfile\ntarfile.open(x).extractall(y, filter='data')",
        "from PIL import Image\nImage.open(x, formats=('PNG',))",
        "from rumi_tf.evaluation.embeddings.weights import load_weights\nload_weights(network, x)",
    ],
)  # fmt: skip
def test_scan_accepts_safe_calls(code):
    assert list(dangers(code, "rumi_tf/x.py")) == []


# ----- SavedModels --------------------------------------------------------------------------------


class Malicious(tf.Module):
    """A generator with a side effect: `action`, called with the module."""

    def __init__(self, action):
        super().__init__()
        self._action = action
        self.weight = tf.Variable(0.5)

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32, name="noise")])
    def serve(self, noise):
        self._action(self)
        return tf.tanh(self.weight * tf.reshape(tf.tile(noise[:, :1], (1, 16)), (-1, 4, 4, 1)))


def save_model(action, path):
    module = Malicious(action)
    tf.saved_model.save(module, str(path), signatures={"serve": module.serve})
    return path


def test_a_model_with_only_computations_is_loaded(tmp_path):
    path = save_model(lambda module: None, tmp_path / "m")
    noise = np.float32([[0, 0, 0], [1, 0, 0]])
    images = load_sampler(path).generate(tf.constant(noise)).numpy()
    np.testing.assert_allclose(images[:, 0, 0, 0], np.tanh(0.5 * noise[:, 0]), rtol=1e-6)


def write_in_branch(path):
    @tf.function
    def write():
        tf.io.write_file(path, "x")
        return 1

    def action(module):
        tf.cond(module.weight > 0, write, lambda: 0)

    return action


def read_with_table(path):
    def action(module):
        if not hasattr(module, "table"):
            with tf.init_scope():
                source = tf.lookup.TextFileInitializer(
                    path, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE,
                    tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER,
                )  # fmt: skip
                module.table = tf.lookup.StaticHashTable(source, 0)
        module.table.size()

    return action


def run_python(path):
    return lambda module: tf.py_function(lambda: open(path, "w").close(), [], [])


@pytest.mark.parametrize(
    "make_action, operation",
    [
        (lambda path: lambda module: tf.io.write_file(path, "x"), "WriteFile"),
        (write_in_branch, "WriteFile"),
        (lambda path: lambda module: tf.io.read_file(path), "ReadFile"),
        (lambda path: lambda module: tf.io.matching_files(path), "MatchingFiles"),
        (
            lambda path: (
                lambda module: tf.raw_ops.PrintV2(input="x", output_stream=f"file://{path}")
            ),
            "PrintV2",
        ),
        (
            lambda path: (
                lambda module: tf.raw_ops.SaveV2(
                    prefix=path,
                    tensor_names=["x"],
                    shape_and_slices=[""],
                    tensors=[tf.constant(1.0)],
                )
            ),
            "SaveV2",
        ),
        (run_python, "EagerPyFunc"),
        (read_with_table, "kind"),
    ],
    ids=["write", "in a branch", "read", "list", "print", "checkpoint", "python", "table"],
)
def test_a_model_with_side_effects_is_rejected_before_loading(make_action, operation, tmp_path):
    victim = tmp_path / "victim"
    if operation == "kind":
        victim.write_text("a\n")
    path = save_model(make_action(str(victim)), tmp_path / "m")
    victim.unlink(missing_ok=True)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InvalidInput, match=operation) as caught:
        load_sampler(path)
    assert caught.value.flag == "saved_model" and "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_malicious_model_writes_a_file_when_it_is_called(tmp_path):
    """Premise of the test above."""
    path = save_model(write_in_branch(str(tmp_path / "victim")), tmp_path / "m")
    model = tf.saved_model.load(str(path))
    model.serve(tf.zeros((1, 3)))
    assert (tmp_path / "victim").read_text() == "x"


def modify(path, change):
    """Applies `change` to the meta graph of a SavedModel."""
    proto = saved_model_pb2.SavedModel()
    proto.ParseFromString((path / "saved_model.pb").read_bytes())
    change(proto.meta_graphs[0])
    (path / "saved_model.pb").write_bytes(proto.SerializeToString())


def without_object_graph(graph):
    graph.ClearField("object_graph_def")


def with_restore_function(graph):
    node = graph.object_graph_def.nodes[0]
    node.saveable_objects["x"].restore_function = 1


def with_registered_class(graph):
    graph.object_graph_def.nodes[0].registered_name = "Somebody>Class"


def with_saver_as_concrete_function(graph):
    """Every model contains the functions that write and read checkpoints; nothing calls them."""
    graph.object_graph_def.concrete_functions[_saver(graph)].SetInParent()


def with_saver_called_by_function(graph):
    concrete = graph.object_graph_def.concrete_functions
    caller = next(f for f in graph.graph_def.library.function if f.signature.name in concrete)
    call = caller.node_def.add(name="call", op="PartitionedCall")
    call.attr["f"].func.name = _saver(graph)


def _saver(graph):
    functions = graph.graph_def.library.function
    (saver,) = (f.signature.name for f in functions if "traced_save" in f.signature.name)
    return saver


def with_saver_as_bare_function(graph):
    """The loader restores it without using the table of concrete functions."""
    objects = graph.object_graph_def
    node = next(n for n in objects.nodes if n.WhichOneof("kind") == "function")
    node.bare_concrete_function.concrete_function_name = _saver(graph)


def with_saver_in_function_object(graph):
    objects = graph.object_graph_def
    node = next(n for n in objects.nodes if n.WhichOneof("kind") == "function")
    node.function.concrete_functions.append(_saver(graph))


def with_saver_named_like_an_operation(graph):
    """TensorFlow calls the function instead of the operation with that name."""
    (saver,) = (f for f in graph.graph_def.library.function if f.signature.name == _saver(graph))
    saver.signature.name = "Tanh"


def with_uncalled_saving_function(graph):
    function = graph.graph_def.library.function.add()
    function.signature.name = "uncalled"
    function.node_def.add(name="save", op="SaveV2")


def with_saver_as_gradient(graph):
    pair = graph.graph_def.library.gradient.add()
    pair.function_name, pair.gradient_func = "f", _saver(graph)


@pytest.mark.parametrize(
    "change",
    [without_object_graph, with_restore_function, with_registered_class,
     with_saver_as_concrete_function, with_saver_called_by_function, with_saver_as_bare_function,
     with_saver_in_function_object, with_saver_named_like_an_operation,
     with_uncalled_saving_function, with_saver_as_gradient],
)  # fmt: skip
def test_a_modified_model_is_rejected(change, tmp_path, plain_model):
    shutil.copytree(plain_model, tmp_path / "m")
    load_sampler(tmp_path / "m")
    modify(tmp_path / "m", change)
    with pytest.raises(InvalidInput, match="--saved_model"):
        load_sampler(tmp_path / "m")


@pytest.fixture(scope="module")
def plain_model(tmp_path_factory):
    return save_model(lambda module: None, tmp_path_factory.mktemp("plain") / "m")


@pytest.mark.parametrize(
    "metadata",
    [
        [], 1, {"config": []}, {"config": {"iterations": "many"}}, {"class_names": "abc"},
        {"class_names": ["a"], "num_classes": 10**12}, {"num_classes": 3},
        {"class_names": ["a", 1]}, {"class_names": ["a"], "trained_classes": [1]},
        {"image_shape": [28]}, {"image_shape": [28, 28, -1]}, {"trained_classes": {}},
        {"sha256": []}, {"sha256": {"saved_model.pb": 1}},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_invalid_metadata_is_rejected(metadata, tmp_path, plain_model):
    shutil.copytree(plain_model, tmp_path / "m")
    (tmp_path / "m" / "assets.extra").mkdir()
    (tmp_path / "m" / "assets.extra" / "rumi_tf.json").write_text(json.dumps(metadata))
    with pytest.raises(InvalidInput, match=r"--saved_model: .*rumi_tf\.json is damaged"):
        load_sampler(tmp_path / "m")


# ----- weights ------------------------------------------------------------------------------------


def dense():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="d")])


@pytest.fixture
def weights_file(tmp_path):
    path = tmp_path / "w.weights.h5"
    network = dense()
    network.save_weights(path)
    return network, path


def replace_kernel(path, create):
    """Replaces the kernel in a weights file by `create(group, name)`."""
    with h5py.File(path, "a") as file:
        name = next(n for n in _names(file) if file[n].shape == (2, 2))
        del file[name]
        group, _, last = name.rpartition("/")
        create(file[group], last)


def _names(file):
    names = []
    file.visit(names.append)
    return [name for name in names if isinstance(file[name], h5py.Dataset)]


@pytest.mark.parametrize("suffix", ["weights.h5", "hdf5"])
def test_weights_are_loaded(weights_file, suffix, tmp_path):
    network, path = weights_file
    if suffix == "hdf5":  # Keras 2 format
        path = tmp_path / "legacy.hdf5"
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = [b"d"]
            names = [b"kernel", b"bias"]
            file.create_group("d").attrs["weight_names"] = names
            for name, value in zip(names, network.get_weights(), strict=True):
                file["d"][name] = value
    other = dense()
    load_weights(other, path)
    for expected, loaded in zip(network.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(loaded, expected)


def external_link(group, name):
    with h5py.File("secret.h5", "w") as file:
        file["x"] = np.ones((2, 2), np.float32)
    group[name] = h5py.ExternalLink("secret.h5", "/x")


def soft_link(group, name):
    group.file["elsewhere"] = np.ones((2, 2), np.float32)
    group[name] = h5py.SoftLink("/elsewhere")


def circular_hard_link(group, name):
    group[name] = group


def external_storage(group, name):
    np.ones((2, 2), np.float32).tofile("secret")
    group.create_dataset(name, (2, 2), np.float32, external=[("secret", 0, 16)])


def virtual_dataset(group, name):
    with h5py.File("secret.h5", "w") as file:
        file["x"] = np.ones((2, 2), np.float32)
    layout = h5py.VirtualLayout((2, 2), np.float32)
    layout[:] = h5py.VirtualSource("secret.h5", "x", (2, 2))
    group.create_virtual_dataset(name, layout)


def bomb(group, name):
    group.create_dataset(name, (2**40, 2**10), np.float32, chunks=(2**10, 2), compression="gzip")


def strings(group, name):
    group.create_dataset(name, (2, 2), h5py.string_dtype())


@pytest.mark.parametrize(
    "create",
    [
        external_link,
        soft_link,
        circular_hard_link,
        external_storage,
        virtual_dataset,
        bomb,
        strings,
    ],
)
def test_weights_in_other_files_or_too_large_are_rejected(
    create, weights_file, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    network, path = weights_file
    replace_kernel(path, create)
    before = network.get_weights()
    if create is not strings:  # strings are rejected by Keras
        monkeypatch.setattr(network, "load_weights", lambda path: pytest.fail("Keras read it"))
    with pytest.raises(ValueError, match=path.name):
        load_weights(network, path)
    for expected, actual in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_code_in_a_keras_file_does_not_run(tmp_path, monkeypatch):
    victim = str(tmp_path / "victim")
    writing = keras.layers.Lambda(lambda x: open(victim, "w").close() or x)
    network = keras.Sequential([keras.Input((2,)), writing])
    network.save(tmp_path / "m.keras")
    (tmp_path / "victim").unlink()  # building the network ran its code
    (tmp_path / "m.weights.json").write_text(json.dumps({"weight_map": {"/": "../w.weights.h5"}}))
    for name in ("m.keras", "m.weights.json"):
        with pytest.raises(ValueError, match=name):
            load_weights(dense(), tmp_path / name)
    monkeypatch.setattr(keras.applications, "InceptionV3", lambda **_: dense())
    with pytest.raises(InvalidInput, match="--inception_weights"):
        load_inception("inception", str(tmp_path / "m.keras"))
    with pytest.raises(ValueError, match="safe"):
        keras.models.load_model(tmp_path / "m.keras")
    assert not (tmp_path / "victim").exists()


def test_limit_is_far_above_the_largest_network():
    parameters = 23_851_784  # InceptionV3 with top
    assert 4 * parameters < weights.LIMIT / 4


# ----- pickles and archives -----------------------------------------------------------------------


class MaliciousPickle:
    """Creates a directory when it is unpickled."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return os.mkdir, (str(self._path),)


def test_unpickling_runs_code(tmp_path):
    pickle.loads(pickle.dumps(MaliciousPickle(tmp_path / "victim")))
    assert (tmp_path / "victim").exists()


def pickled_npz(tmp_path):
    content = np.array([MaliciousPickle(tmp_path / "victim")] * 4).reshape(4, 1, 1, 1)
    np.savez(tmp_path / "a.npz", images=content, digest=content, points=content)
    return tmp_path / "a.npz"


def test_arrays_are_not_unpickled(tmp_path):
    path = pickled_npz(tmp_path)
    with pytest.raises(ValueError, match=r"a\.npz"):
        read_npz(path)
    with pytest.raises(InvalidInput, match=r"a\.npz"):
        load_unlabelled("images", path)
    assert features._read(path, "key") is None
    (tmp_path / "b.npz").write_bytes(pickle.dumps(MaliciousPickle(tmp_path / "victim")))
    with pytest.raises(InvalidInput, match=r"b\.npz"):
        load_unlabelled("images", tmp_path / "b.npz")
    assert not (tmp_path / "victim").exists()


def test_checkpoints_are_not_unpickled(tmp_path):
    make(tmp_path / "c", (10,))
    for path in (tmp_path / "c").iterdir():
        path.write_bytes(pickle.dumps(MaliciousPickle(tmp_path / "victim")))
    checkpoints, _ = make(tmp_path / "c")
    with pytest.raises(RunDamaged):
        checkpoints.restore()
    assert not (tmp_path / "victim").exists()


def test_archives_are_not_unpacked(tmp_path):
    folder = tmp_path / "deep" / "down"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "a.npz", "w") as archive:
        for name in ("../evil.npy", "/tmp/evil.npy", "images.npy"):
            with archive.open(name, "w") as file:
                np.lib.format.write_array(file, np.zeros((3, 4, 4, 1), np.uint8))
    assert len(load_unlabelled("images", folder / "a.npz")) == 3
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.npz", "deep", "down"]
    assert not os.path.exists("/tmp/evil.npy")


@pytest.mark.parametrize("name", ["..", ".", "../../x", "/etc/x", "a/../../b", "...", "cat"])
def test_folders_of_classes_stay_in_the_output_directory(name, tmp_path):
    folder = (tmp_path / folder_name(name)).resolve()
    assert folder.parent == tmp_path.resolve() and folder != tmp_path.resolve()
