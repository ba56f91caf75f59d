"""SavedModels of others: which may be loaded, and what is said beside them.

A SavedModel is a program. Of TensorFlow's operations some read, write and delete files, talk to
other machines, or end the process, and several of them run when a model is merely loaded. So the
file is looked through first, and loaded only if all it can do is to compute.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tensorflow.core.framework import attr_value_pb2, function_pb2, node_def_pb2
from tensorflow.core.protobuf import saved_model_pb2, saved_object_graph_pb2

from rumi_tf.utils.io import digest_of, read_json

# What networks are made of: numbers in, numbers out, and their own variables.
COMPUTES = frozenset(
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
# What writes and reads the variables' checkpoint. TensorFlow puts it into every SavedModel, and its
# own loader never calls it.
SAVES = frozenset(
    """
    DisableCopyOnRead MergeV2Checkpoints RestoreV2 SaveV2 ShardedFilename StaticRegexFullMatch
    StringJoin
    """.split()  # noqa: SIM905
)
# Kinds of objects without contents of their own in other files, and without code to set them up.
OBJECTS = ("user_object", "function", "bare_concrete_function", "variable", "constant",
           "captured_tensor")  # fmt: skip
METADATA = Path("assets.extra") / "rumi_tf.json"


def check_saved_model(directory: str | os.PathLike) -> None:
    """Reads the program of a SavedModel without running any of it.

    Raises:
        OSError: it cannot be read.
        ValueError: naming what it holds beside computations; or it is none of TensorFlow 2.
    """
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString((Path(directory) / "saved_model.pb").read_bytes())
    except OSError:
        raise
    except Exception as error:
        raise ValueError("saved_model.pb is damaged") from error
    if len(model.meta_graphs) != 1 or not model.meta_graphs[0].HasField("object_graph_def"):
        raise ValueError("it is not a SavedModel of TensorFlow 2")
    graph = model.meta_graphs[0].graph_def
    objects = model.meta_graphs[0].object_graph_def
    for node in objects.nodes:
        if node.WhichOneof("kind") not in OBJECTS:
            raise ValueError(f"it holds an object of the kind {node.WhichOneof('kind')}")
        if node.registered_name or node.registered_saver or node.saveable_objects:
            raise ValueError("it holds an object with code of its own to load it")
    functions = {function.signature.name: function for function in graph.library.function}
    for name in functions:
        if name in COMPUTES | SAVES:  # TensorFlow would call it wherever the operation stands
            raise ValueError(f"it holds a function that is named like the operation {name}")
    # What saves is called by the graph's own nodes, which the loader never runs; and by nothing
    # else that could be loaded.
    of_saver = _reachable(functions, _called_by(graph.node))
    named = {*_named(objects), *(each.gradient_func for each in graph.library.gradient)}
    named |= {each.gradient_func for each in graph.library.registered_gradients}
    runs = _reachable(functions, named | (functions.keys() - of_saver))
    _check(graph.node, COMPUTES | SAVES)
    for name, function in functions.items():
        _check(function.node_def, COMPUTES if name in runs else COMPUTES | SAVES)


def _named(objects: saved_object_graph_pb2.SavedObjectGraph) -> Iterator[str]:
    """Names of the functions that the loader makes something of."""
    yield from objects.concrete_functions
    for node in objects.nodes:
        yield from node.function.concrete_functions
        yield node.bare_concrete_function.concrete_function_name
        yield node.captured_tensor.concrete_function


def _check(nodes: Iterable[node_def_pb2.NodeDef], allowed: frozenset[str]) -> None:
    for node in nodes:
        if node.op not in allowed:
            raise ValueError(f"it holds the operation {node.op}, which no network is made of")


def _reachable(functions: dict[str, function_pb2.FunctionDef], roots: Iterable[str]) -> set[str]:
    """Names of the functions that these functions call, directly or not, and their own."""
    found, waiting = set(), list(roots)
    while waiting:
        name = waiting.pop()
        if name in found or name not in functions:
            continue
        found.add(name)
        waiting.extend(_called_by(functions[name].node_def))
    return found


def _called_by(nodes: Iterable[node_def_pb2.NodeDef]) -> Iterator[str]:
    for node in nodes:
        for value in node.attr.values():
            yield from _called(value)


def _called(value: attr_value_pb2.AttrValue) -> Iterator[str]:
    for function in (value.func, *value.list.func):
        yield function.name
        for inner in function.attr.values():
            yield from _called(inner)


def read_metadata(directory: str | os.PathLike) -> dict:
    """What `reproduce.train` has written beside a SavedModel; empty if there is nothing.

    Raises:
        ValueError: it, or a file of the SavedModel that it has a digest of, is damaged.
    """
    path = Path(directory) / METADATA
    try:
        found = read_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read") from error
    if not isinstance(found, dict) or not all(
        fits(found[name]) for name, fits in _FIELDS.items() if name in found
    ):
        raise ValueError(f"{path} is damaged")
    _check_digests(Path(directory), found, found.pop("sha256", {}))
    names, count = found.get("class_names", []), found.get("num_classes")
    trained = found.get("trained_classes", [])
    if count not in (None, len(names)) or not set(trained) <= set(range(len(names))):
        raise ValueError(f"{path} is damaged: its classes contradict each other")
    return found


def _check_digests(directory: Path, metadata: dict, digests: dict) -> None:
    for name, digest in digests.items():
        path = directory / name
        own = name == METADATA.as_posix()
        if not own and not (path.resolve().is_relative_to(directory.resolve()) and path.is_file()):
            raise ValueError(f"{path} is missing")
        if digest != (_own_digest(metadata) if own else digest_of(path)):
            raise ValueError(f"{path} is damaged")


def sealed(metadata: dict, directory: Path) -> dict:
    """The metadata with digests of the SavedModel's files and of itself: `sha256`, by name."""
    paths = sorted(p for p in directory.rglob("*") if p.is_file() and p != directory / METADATA)
    digests = {p.relative_to(directory).as_posix(): digest_of(p) for p in paths}
    return {**metadata, "sha256": {**digests, METADATA.as_posix(): _own_digest(metadata)}}


def _own_digest(metadata: dict) -> str:
    return hashlib.sha256(json.dumps(metadata, sort_keys=True).encode()).hexdigest()


def _list_of(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(type(part) is kind for part in value)


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
    "config": _is_config, "class_names": _list_of(str), "num_classes": lambda n: type(n) is int,
    "trained_classes": _list_of(int), "image_shape": _is_shape, "sha256": _is_digests,
}  # fmt: skip
