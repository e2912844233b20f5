"""Reads a SavedModel's file: its signatures, and the operations that a server must have.

A SavedModel is a program. It is read here as data, and refused if it can do more than compute, before it is loaded:
loading alone runs a part of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from mmtoolkit.errors import InputError
from mmtoolkit.files import read_whole
from mmtoolkit.serving.operations import TEXT_OPS, every_node, refused_ops

EXTRA = "assets.extra"  # a server loads nothing from there but the warm-up
GRAPH = "saved_model.pb"
MOST_BYTES = 2**25  # of the graph, without the weights
MOST_NAMES = 8  # of operations in a message
SERVE = "serve"
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
    """Reads the graph that is served, once it is known that it only computes.

    Raises:
        InputError: There is no SavedModel, it is damaged, too large or more than one, has files that are links to
            elsewhere, or has operations that exports do not have, which are named.
    """
    path = folder / GRAPH
    check_files(folder)
    try:
        saved = saved_model_pb2.SavedModel.FromString(read_whole(path, most=MOST_BYTES))
    except FileNotFoundError as error:
        versions = ", ".join(path.name for path in versions_in(folder))
        hint = f"name one of its versions: {versions}" if versions else "export a preset to it first"
        raise InputError(f"Expected the directory of an exported version. Received: {folder}; {hint}.") from error
    except DecodeError as error:
        raise InputError(f"{path} is damaged; export the preset again.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); export the preset again.") from error
    if [list(graph.meta_info_def.tags) for graph in saved.meta_graphs] != [[SERVE]]:
        raise InputError(f"{path} does not have one graph, with the tag {SERVE}; export the preset again.")
    (graph,) = saved.meta_graphs
    if refused := sorted(refused_ops(graph)):
        names = ", ".join(f"{name:.60}" for name in refused[:MOST_NAMES]) + ", …" * (len(refused) > MOST_NAMES)
        raise InputError(
            f"{path}: expected operations that only compute, as exports have. Received: {names}; nothing of it was "
            "run. Use a model only from whom you trust, or export the preset again."
        )
    return graph


def check_files(folder: Path) -> None:
    """Checks that a version has only plain files inside it, and its graph in one form.

    Raises:
        InputError: A file is a pipe, a device or a link to elsewhere, or there is a second graph.
    """
    for path in folder.rglob("*") if (folder / GRAPH).exists() else ():
        with contextlib.suppress(OSError, RuntimeError):  # of links that loop
            inside = path.resolve().is_relative_to(folder.resolve())
            if inside and (path.is_file() or path.is_dir()) and (path.stem != "saved_model" or path.name == GRAPH):
                continue
        raise InputError(
            f"Expected {GRAPH} and plain files inside {folder}. Received: {path.relative_to(folder)}; export the "
            "preset again."
        )


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
    known = info.dtype in types_pb2.DataType.values()
    kind = types_pb2.DataType.Name(info.dtype).removeprefix("DT_").lower() if known else str(info.dtype)
    return ServedTensor(info.name, kind, tuple(side.size for side in info.tensor_shape.dim))


def foreign_ops(model: meta_graph_pb2.MetaGraphDef) -> tuple[list[str], list[str]]:
    """Lists why the stock server would load a graph but not run it, and the operations of tensorflow-text in it."""
    nodes, library = every_node(model), model.graph_def.library.function
    compiled = [node.name for node in nodes if node.attr[COMPILED].b]
    compiled += [function.signature.name for function in library if function.attr[COMPILED].b]
    reasons = [f"{COMPILED} in {compiled[0]}: the stock server has no XLA for the processor"] if compiled else []
    return reasons, sorted({node.op for node in nodes} & TEXT_OPS)
