"""Checks of SavedModels from other people, and of the metadata stored with them.

A SavedModel is a program. Some of TensorFlow's operations read, write and delete files, access the
network, or end the process, and some run as soon as a model is loaded. So the file is parsed first,
and loaded only if all its operations are on a list of pure computations.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tensorflow.core.framework import attr_value_pb2, function_pb2, node_def_pb2
from tensorflow.core.protobuf import saved_model_pb2, saved_object_graph_pb2

from rumi_tf.utils.io import digest_of, is_text, read_json

# Computations on numbers and on the model's variables.
COMPUTE_OPERATIONS = frozenset(
    """
    Abs Add AddN AddV2 All Any ArgMax ArgMin AssignAddVariableOp AssignSubVariableOp
    AssignVariableOp AvgPool BatchMatMul BatchMatMulV2 BatchMatMulV3 BatchToSpaceND BiasAdd
    BroadcastArgs BroadcastTo Cast Ceil ClipByValue ConcatV2 Const Conv2D Conv2DBackpropInput Cos
    Cumsum DepthToSpace DepthwiseConv2dNative Div DivNoNan Einsum Elu EnsureShape Equal Erf Exp
    ExpandDims Expm1 Fill Floor FloorDiv FloorMod FusedBatchNorm FusedBatchNormV2
    FusedBatchNormV3 GatherNd GatherV2 Greater GreaterEqual Identity IdentityN If InvertPermutation
    IsFinite IsInf IsNan L2Loss LeakyRelu Less LessEqual Log Log1p LogSoftmax LogicalAnd LogicalNot
    LogicalOr MatMul Max MaxPool Maximum Mean Min Minimum MirrorPad Mul MulNoNan Neg NoOp NotEqual
    OneHot OnesLike Pack Pad PadV2 PartitionedCall Placeholder PlaceholderWithDefault Pow
    PreventGradient Prod Range Rank ReadVariableOp RealDiv Reciprocal Relu Relu6 Reshape
    ResizeBilinear ResizeNearestNeighbor ResourceGather ReverseV2 Rsqrt RsqrtGrad Select SelectV2
    Selu Shape ShapeN Sigmoid Sign Sin Size Slice Softmax Softplus Softsign SpaceToBatchND
    SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze StatefulPartitionedCall
    StatelessIf StatelessRandomGetAlg StatelessRandomGetKeyCounter StatelessRandomNormalV2
    StatelessRandomUniformV2 StopGradient StridedSlice Sub Sum Tan Tanh Tile Transpose Unpack
    VarHandleOp VarIsInitializedOp Where Xdivy ZerosLike
    """.split()  # noqa: SIM905
)
# Operations that write and read the checkpoint of the variables. TensorFlow puts them into every
# SavedModel, and its loader never calls them.
CHECKPOINT_OPERATIONS = frozenset(
    """
    DisableCopyOnRead MergeV2Checkpoints RestoreV2 SaveV2 ShardedFilename StaticRegexFullMatch
    StringJoin
    """.split()  # noqa: SIM905
)
# Kinds of objects that neither read other files nor run code when they are loaded.
OBJECT_KINDS = ("user_object", "function", "bare_concrete_function", "variable", "constant",
                "captured_tensor")  # fmt: skip
METADATA = Path("assets.extra") / "rumi_tf.json"


def check_saved_model(directory: str | os.PathLike) -> None:
    """Checks the program of a SavedModel without running any of it.

    Raises:
        OSError: the file cannot be read.
        ValueError: the model contains more than computations, which the message names, or it is
            not a TensorFlow 2 SavedModel.
    """
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString((Path(directory) / "saved_model.pb").read_bytes())
    except OSError:
        raise
    except Exception as error:
        raise ValueError("saved_model.pb is damaged") from error
    if len(model.meta_graphs) != 1 or not model.meta_graphs[0].HasField("object_graph_def"):
        raise ValueError("not a TensorFlow 2 SavedModel")
    graph = model.meta_graphs[0].graph_def
    objects = model.meta_graphs[0].object_graph_def
    for node in objects.nodes:
        if node.WhichOneof("kind") not in OBJECT_KINDS:
            raise ValueError(f"it contains an object of kind {node.WhichOneof('kind')}")
        if node.registered_name or node.registered_saver or node.saveable_objects:
            raise ValueError("it contains an object with custom loading code")
    functions = {function.signature.name: function for function in graph.library.function}
    for name in functions:
        if name in COMPUTE_OPERATIONS | CHECKPOINT_OPERATIONS:
            # TensorFlow would call the function instead of the operation.
            raise ValueError(f"it contains a function with the name of the operation {name}")
    # Functions that save are called only by the graph's top-level nodes, which the loader never
    # runs. They must not be reachable from anything else that can be loaded.
    saver_functions = _reachable(functions, _called_by(graph.node))
    roots = {*_loadable(objects), *(each.gradient_func for each in graph.library.gradient)}
    roots |= {each.gradient_func for each in graph.library.registered_gradients}
    runnable = _reachable(functions, roots | (functions.keys() - saver_functions))
    _check_operations(graph.node, COMPUTE_OPERATIONS | CHECKPOINT_OPERATIONS)
    for name, function in functions.items():
        allowed = COMPUTE_OPERATIONS
        if name not in runnable:
            allowed = allowed | CHECKPOINT_OPERATIONS
        _check_operations(function.node_def, allowed)


def _loadable(objects: saved_object_graph_pb2.SavedObjectGraph) -> Iterator[str]:
    """Names of the functions that the loader creates objects from."""
    yield from objects.concrete_functions
    for node in objects.nodes:
        yield from node.function.concrete_functions
        yield node.bare_concrete_function.concrete_function_name
        yield node.captured_tensor.concrete_function


def _check_operations(nodes: Iterable[node_def_pb2.NodeDef], allowed: frozenset[str]) -> None:
    for node in nodes:
        if node.op not in allowed:
            raise ValueError(f"it contains the operation {node.op}, which is not allowed")


def _reachable(functions: dict[str, function_pb2.FunctionDef], roots: Iterable[str]) -> set[str]:
    """Names of the root functions and of all functions that they call, directly or indirectly."""
    reached: set[str] = set()
    pending = list(roots)
    while pending:
        name = pending.pop()
        if name in reached or name not in functions:
            continue
        reached.add(name)
        pending.extend(_called_by(functions[name].node_def))
    return reached


def _called_by(nodes: Iterable[node_def_pb2.NodeDef]) -> Iterator[str]:
    for node in nodes:
        for value in node.attr.values():
            yield from _function_names(value)


def _function_names(value: attr_value_pb2.AttrValue) -> Iterator[str]:
    for function in (value.func, *value.list.func):
        yield function.name
        for inner in function.attr.values():
            yield from _function_names(inner)


def read_metadata(directory: str | os.PathLike) -> dict:
    """Metadata that `reproduce.train` stores in a SavedModel; empty if there is no such file.

    Raises:
        ValueError: the metadata, or a file of the SavedModel with a digest in it, is damaged.
    """
    path = Path(directory) / METADATA
    try:
        metadata = read_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read") from error
    if not isinstance(metadata, dict) or not all(
        is_valid(metadata[name]) for name, is_valid in _FIELDS.items() if name in metadata
    ):
        raise ValueError(f"{path} is damaged")
    _check_digests(Path(directory), metadata, metadata.pop("sha256", {}))
    names, count = metadata.get("class_names", []), metadata.get("num_classes")
    trained = metadata.get("trained_classes", [])
    if count not in (None, len(names)) or not set(trained) <= set(range(len(names))):
        raise ValueError(f"{path} is damaged: its classes are inconsistent")
    return metadata


def _check_digests(directory: Path, metadata: dict, digests: dict) -> None:
    for name, digest in digests.items():
        path = directory / name
        if name == METADATA.as_posix():
            actual = _metadata_digest(metadata)
        elif path.resolve().is_relative_to(directory.resolve()) and path.is_file():
            actual = digest_of(path)
        else:
            raise ValueError(f"{path} is missing")
        if digest != actual:
            raise ValueError(f"{path} is damaged")


def with_digests(metadata: dict, directory: Path) -> dict:
    """Adds `sha256`: digests of the SavedModel's files and of the metadata, by file name."""
    paths = sorted(p for p in directory.rglob("*") if p.is_file() and p != directory / METADATA)
    digests = {p.relative_to(directory).as_posix(): digest_of(p) for p in paths}
    return {**metadata, "sha256": {**digests, METADATA.as_posix(): _metadata_digest(metadata)}}


def _metadata_digest(metadata: dict) -> str:
    return hashlib.sha256(json.dumps(metadata, sort_keys=True).encode()).hexdigest()


def _list_of(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(type(part) is kind for part in value)


def _is_names(value: Any) -> bool:
    return _list_of(str)(value) and all(is_text(name) and name for name in value)


def _is_digests(value: Any) -> bool:
    return isinstance(value, dict) and all(type(digest) is str for digest in value.values())


def _is_shape(value: Any) -> bool:
    return _list_of(int)(value) and len(value) == 3 and min(value) > 0


def _is_config(value: Any) -> bool:
    kinds = {"objective": str, "dataset": str, "iterations": int}
    return isinstance(value, dict) and all(
        type(value[name]) is kind for name, kind in kinds.items() if name in value
    )


_FIELDS: dict[str, Callable[[Any], bool]] = {
    "config": _is_config, "class_names": _is_names, "num_classes": lambda n: type(n) is int,
    "trained_classes": _list_of(int), "image_shape": _is_shape, "sha256": _is_digests,
}  # fmt: skip
