"""Reads a SavedModel's file: its signatures, and the operations that a server must have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from mmtoolkit.errors import InputError

EXTRA = "assets.extra"  # a server loads nothing from there but the warm-up
SERVE = "serve"
PYTHON_OPS = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
TEXT_OPS = {"NormalizeUTF8", "CaseFoldUTF8"}  # of tensorflow-text: what the stock server links and this project uses
COMPILED = "_XlaMustCompile"


@dataclass(frozen=True)
class ServedTensor:
    """An input or output of a signature.

    Args:
        tensor: Name of the tensor in the graph, `operation:index`.
        dtype: `"string"`, `"float"`, …, as in the server's metadata.
        shape: Sides, -1 for one of any length.
    """

    tensor: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ServedSignature:
    """Inputs and outputs of a signature, by name."""

    inputs: Mapping[str, ServedTensor]
    outputs: Mapping[str, ServedTensor]


def versions_in(folder: Path) -> list[Path]:
    """Lists the versions in a model's directory, the newest last; none if it is no such directory."""
    versions = [path for path in folder.glob("*") if path.name.isdecimal() and path.is_dir()] if folder.is_dir() else []
    return sorted(versions, key=lambda path: int(path.name))


def read_model(folder: Path) -> meta_graph_pb2.MetaGraphDef:
    """Reads the graph that is served."""
    path = folder / "saved_model.pb"
    try:
        saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    except FileNotFoundError as error:
        versions = ", ".join(path.name for path in versions_in(folder))
        hint = f"name one of its versions: {versions}" if versions else "export a preset to it first"
        raise InputError(f"Expected the directory of an exported version. Received: {folder}; {hint}.") from error
    except DecodeError as error:
        raise InputError(f"{path} is damaged; export the preset again.") from error
    for graph in saved.meta_graphs:
        if SERVE in graph.meta_info_def.tags:
            return graph
    raise InputError(f"{path} has no graph with the tag {SERVE}; export the preset again.")


def served_signatures(model: meta_graph_pb2.MetaGraphDef) -> dict[str, ServedSignature]:
    """Lists the signatures that can be requested, `serving_default` first."""
    names = sorted(
        (name for name in model.signature_def if not name.startswith("__")),
        key=lambda name: (name != "serving_default", name),
    )
    signatures = {}
    for name in names:
        sides = (model.signature_def[name].inputs, model.signature_def[name].outputs)
        inputs, outputs = ({key: tensor(info) for key, info in sorted(side.items())} for side in sides)
        signatures[name] = ServedSignature(inputs, outputs)
    return signatures


def tensor(info: Any) -> ServedTensor:
    """Converts a signature's TensorInfo to a `ServedTensor`."""
    kind = types_pb2.DataType.Name(info.dtype).removeprefix("DT_").lower()
    return ServedTensor(info.name, kind, tuple(side.size for side in info.tensor_shape.dim))


def foreign_ops(model: meta_graph_pb2.MetaGraphDef) -> tuple[list[str], list[str]]:
    """Lists why the stock server would load a graph but not run it, and the operations of tensorflow-text in it.

    A graph with operations that the server lacks cannot even be loaded.
    """
    library = model.graph_def.library.function
    nodes = [*model.graph_def.node, *(node for function in library for node in function.node_def)]
    ops = {node.op for node in nodes} - {function.signature.name for function in library}
    compiled = [node.name for node in nodes if node.attr[COMPILED].b]
    compiled += [function.signature.name for function in library if function.attr[COMPILED].b]
    reasons = [f"operation {op}: only a Python process can run it" for op in sorted(ops & PYTHON_OPS)]
    if compiled:
        reasons.append(f"{COMPILED} in {compiled[0]}: the stock server has no XLA for the processor")
    return reasons, sorted(ops & TEXT_OPS)
