"""What an exported model may do: it is refused as data, before a part of it runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text  # noqa: F401  # registers its operations
from tensorflow.core.framework import function_pb2, node_def_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow.python.framework import op_def_registry

import mmtoolkit as mm
from mmtoolkit.files import write_json
from mmtoolkit.serving import export as exporting
from mmtoolkit.serving.export import Fixed
from mmtoolkit.serving.golden import GOLDEN, Golden
from mmtoolkit.serving.loaded import load_models
from mmtoolkit.serving.operations import COMPUTING, SAVER_OPS, refused_ops
from mmtoolkit.serving.savedmodel import EXTRA, MOST_BYTES, read_model
from mmtoolkit.serving.verify import verify
from mmtoolkit.tasks import task_of
from mmtoolkit.vision.sources import extractor_key

Graph = meta_graph_pb2.MetaGraphDef
WITH_STATE = {  # what TensorFlow calls stateful among the operations that are let in: state of the session, or control
    *("Assert", "AssignVariableOp", "DatasetToSingleElement", "DisableCopyOnRead", "HashTableV2", "If"),
    *("LookupTableFindV2", "LookupTableImportV2", "LookupTableSizeV2", "ReadVariableOp", "ResourceGather"),
    *("StatefulPartitionedCall", "StatelessRandomGetAlg", "TensorDataset", "TensorSliceDataset", "VarHandleOp"),
    *("VarIsInitializedOp", "While"),
}
HARMFUL = (
    *("ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "PyFuncStateless", "EagerPyFunc", "Print", "PrintV2"),
    *("InitializeTableFromTextFileV2", "LookupTableExportV2", "TextLineDataset", "TFRecordDatasetV2", "SqlDataset"),
    *("FixedLengthRecordDatasetV2", "DatasetToTFRecord", "SaveDatasetV2", "LoadDataset", "GeneratorDataset"),
    *(
        "Save",
        "SaveSlices",
        "Restore",
        "RestoreSlice",
        "WholeFileReaderV2",
        "RemoteCall",
        "_Send",
        "_HostRecv",
        "Abort",
    ),
    *("Abort", "WriteSummary", "CreateSummaryFileWriter", "DebugIdentityV2", "RpcClient", "SystemCall"),
)


class Scaled(tf.Module):
    """Multiplies by a variable."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32, name="x")])
    def double(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Doubles numbers."""
        return {"y": x * self.factor}


def write(folder: Path, module: tf.Module, function: Any) -> Path:
    tf.saved_model.save(module, str(folder), signatures={"serving_default": function})
    return folder


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of one variable."""
    module = Scaled()
    return write(tmp_path_factory.mktemp("scaled") / "1", module, module.double)


@pytest.fixture
def graph(scaled: Path) -> Graph:
    """Its graph, to be changed."""
    return read_model(scaled)


def named(graph: Graph, name: str) -> node_def_pb2.NodeDef:
    return next(node for node in graph.graph_def.node if node.name == name.partition(":")[0])


def function(graph: Graph, word: str) -> function_pb2.FunctionDef:
    return next(each for each in graph.graph_def.library.function if word in each.signature.name)


def test_a_graph_that_reads_and_writes_files_is_not_run(tmp_path: Path) -> None:
    """With golden requests that it would answer as they say."""
    written = tmp_path / "written"

    class Evil(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="image_bytes")])
        def served(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            tf.io.write_file(str(written), tf.io.read_file("/etc/hostname"))
            return {"caption": image_bytes}

    module = Evil()
    folder = write(tmp_path / "models" / "evil" / "1", module, module.served)
    rows = [np.array([b"a"] * count, object) for count in (1, 3)]
    golden = [Golden("serving_default", {"image_bytes": row}, {"caption": row}, [[]] * len(row)) for row in rows]
    (folder / EXTRA).mkdir()
    write_json(folder / EXTRA / GOLDEN, {"tolerance": 1e-4, "requests": [each.to_json() for each in golden]})
    for run in (lambda: verify(folder), lambda: load_models(tmp_path / "models")):
        with pytest.raises(mm.InputError, match=r"only compute.* Received: ReadFile, WriteFile; nothing of it was run"):
            run()
    assert not written.exists()
    module.served(tf.constant([b"a"]))  # it would have
    assert written.exists()


def test_what_exports_have_is_let_in(scaled: Path, models: Path) -> None:
    for folder in (scaled, models / "captions" / "1", models / "answers" / "1"):
        assert refused_ops(read_model(folder)) == set()


def test_the_operations_let_in_are_known_and_have_no_effects() -> None:
    kinds = {name: op_def_registry.get(name) for name in COMPUTING}
    assert [name for name, kind in kinds.items() if kind is None] == []
    assert {name for name, kind in kinds.items() if kind.is_stateful} == WITH_STATE
    arguments = {argument.name for kind in kinds.values() for argument in (*kind.input_arg, *kind.attr)}
    arguments -= {"is_files"}  # a note on a data set of names, which opens none
    assert not [name for name in arguments if "file" in name or "path" in name or "address" in name]
    assert not COMPUTING & {*HARMFUL, *SAVER_OPS}


@pytest.mark.parametrize("place", ["graph", "function"])
def test_each_harmful_operation_is_named(graph: Graph, place: str) -> None:
    nodes = graph.graph_def.node if place == "graph" else function(graph, "double").node_def
    for name in HARMFUL:
        nodes.add(name="added", op=name)
        assert refused_ops(graph) == {name}
        nodes.pop()
    graph.graph_def.library.function.add().signature.name = "ReadFile"  # a function does not hide what has its name
    nodes.add(name="added", op="ReadFile")
    assert refused_ops(graph) == {"ReadFile"}


def saved_by_a_signature(graph: Graph) -> None:
    graph.signature_def["serving_default"].outputs["y"].name = graph.saver_def.save_tensor_name


def saved_before_a_signature(graph: Graph) -> None:
    output = named(graph, graph.signature_def["serving_default"].outputs["y"].name)
    output.input.append("^" + graph.saver_def.save_tensor_name.partition(":")[0])


def saved_in_a_signature(graph: Graph) -> None:
    inner = function(graph, "double").node_def.add(name="added", op="StatelessIf")
    inner.attr["then_branch"].func.name = function(graph, "traced_save").signature.name


def saved_in_one_of_many_branches(graph: Graph) -> None:
    inner = function(graph, "double").node_def.add(name="added", op="MapDataset")
    inner.attr["f"].list.func.add().attr["g"].func.name = function(graph, "traced_save").signature.name


def saved_when_loaded(graph: Graph) -> None:
    graph.collection_def["saved_model_main_op"].node_list.value.append(graph.saver_def.save_tensor_name)


def saved_as_restored(graph: Graph) -> None:
    graph.saver_def.restore_op_name = graph.saver_def.save_tensor_name.partition(":")[0]


@pytest.mark.parametrize(
    "change",
    [
        saved_by_a_signature,
        saved_before_a_signature,
        saved_in_a_signature,
        saved_in_one_of_many_branches,
        saved_when_loaded,
        saved_as_restored,
    ],
)
def test_what_saves_variables_is_not_reached(graph: Graph, change: Callable[[Graph], None]) -> None:
    change(graph)
    assert refused_ops(graph) == {"SaveV2", "MergeV2Checkpoints", "ShardedFilename"}


def from_another_path(graph: Graph) -> None:
    graph.graph_def.node.add(name="elsewhere", op="Const")
    named(graph, graph.saver_def.restore_op_name).input[0] = "elsewhere"


def from_another_output(graph: Graph) -> None:
    named(graph, graph.saver_def.restore_op_name).input[0] += ":1"


def from_a_path_inside(graph: Graph) -> None:
    body = function(graph, "traced_restore")
    next(node for node in body.node_def if node.op == "RestoreV2").input[0] = "elsewhere:output:0"


def from_a_second_call(graph: Graph) -> None:
    body = function(graph, "traced_restore")
    inner = body.node_def.add(name="added", op="PartitionedCall", input=["elsewhere:output:0"])
    inner.attr["f"].func.name = body.signature.name


def from_a_copy_inside(graph: Graph) -> None:
    copy = graph.graph_def.library.function.add()
    copy.CopyFrom(function(graph, "traced_restore"))
    copy.signature.name = "copy"
    inner = function(graph, "traced_restore").node_def.add(name="added", op="PartitionedCall", input=["x:output:0"])
    inner.attr["f"].func.name = "copy"


def in_a_signature(graph: Graph) -> None:
    function(graph, "double").node_def.add(name="added", op="RestoreV2", input=["x"])


@pytest.mark.parametrize(
    "change",
    [
        from_another_path,
        from_another_output,
        from_a_path_inside,
        from_a_second_call,
        from_a_copy_inside,
        in_a_signature,
    ],
)
def test_only_the_models_own_variables_are_restored(graph: Graph, change: Callable[[Graph], None]) -> None:
    change(graph)
    assert refused_ops(graph) == {"RestoreV2"}


def test_no_function_is_exchanged_for_another(graph: Graph) -> None:
    function(graph, "traced_save").attr["api_implements"].s = b"double"
    assert refused_ops(graph) == {"api_implements"}


def test_a_version_has_one_graph_of_a_bounded_size_in_plain_files(scaled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "1"
    shutil.copytree(scaled, folder)
    path = folder / "saved_model.pb"
    content = path.read_bytes()
    saved = saved_model_pb2.SavedModel.FromString(content)
    for tags in ([], ["serve", "gpu"]):
        first = saved_model_pb2.SavedModel.FromString(content)
        del first.meta_graphs[0].meta_info_def.tags[:]
        first.meta_graphs[0].meta_info_def.tags.extend(tags)
        path.write_bytes(first.SerializeToString())
        with pytest.raises(mm.InputError, match="does not have one graph, with the tag serve"):
            read_model(folder)
    saved.meta_graphs.add().CopyFrom(saved.meta_graphs[0])
    path.write_bytes(saved.SerializeToString())
    with pytest.raises(mm.InputError, match="does not have one graph, with the tag serve"):
        read_model(folder)
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(mm.InputError, match=r"saved_model\.pb cannot be read \(larger than 33 MB\)"):
        read_model(folder)
    path.write_bytes(content)
    read_model(folder)
    outside = tmp_path / "outside"
    outside.touch()
    for name, add in (
        ("saved_model.pbtxt", Path.touch),
        ("saved_model.cpb", Path.touch),
        ("variables/more", lambda place: place.symlink_to(outside)),
        ("variables/loop", lambda place: place.symlink_to(place)),
        ("more", lambda place: place.symlink_to(tmp_path)),
        ("fingerprint", os.mkfifo),
    ):
        add(folder / name)
        with pytest.raises(mm.InputError, match=f"plain files inside .* Received: {name}; "):
            read_model(folder)
        (folder / name).unlink()
    read_model(folder)


FORMS: dict[str, tuple[dict[str, Any], dict[str, Any], Fixed]] = {
    "question-only": ({}, {"question_only": True, "layers": 2, "bidirectional": False}, Fixed()),
    "generate": ({}, {"head": "generate", "cell": "gru"}, Fixed()),
    "gru, greedy, characters": ({"cell": "gru", "decoding": mm.Greedy()}, {}, Fixed(sample=mm.Sample(0.7, 5, 0.9))),
    "vgg19 in bfloat16": (
        {"encoder": "vgg19", "extractor": extractor_key("random", precision="bfloat16"), "pool": 2},
        {},
        Fixed("bfloat16", decoding=mm.BeamSearch(width=2, length_penalty=0.0, min_length=3)),
    ),
}


@pytest.mark.parametrize(
    "form", [pytest.param(form, marks=[pytest.mark.slow] * (form != "question-only")) for form in FORMS]
)
def test_exports_of_every_form_are_let_in(form: str, tmp_path: Path) -> None:
    """Those of `models` are a captioner and an answerer that chooses, each with a small CNN in float32."""
    captions, answers, fixed = FORMS[form]
    small = {"units": 4, "attention_units": 4, "embedding_dim": 4, "filters": (2, 2, 2, 2), "image_size": 32}
    model: Any
    if captions:
        codec = mm.TextCodec.fit(["a dog"], level="char", lower=False)
        model = mm.Captioner(codec, **{"encoder": "small", "max_length": 4, **small, **captions})
    else:
        chosen = mm.TextCodec.fit(["yes, two", "no"], level="answer" if "head" in answers else "whole")
        model = mm.VisualQA(mm.TextCodec.fit(["how many?"]), chosen, **{"encoder": "small", **small, **answers})
    model.build(model.input_shapes())
    ready = exporting.at_precision(model, fixed)
    extractor = exporting.served_extractor(ready)
    signatures = task_of(model).signatures(ready, extractor, n_best=2, sample=fixed.sample)
    exporting.write_model(tmp_path / "1", ready, signatures)
    assert refused_ops(read_model(tmp_path / "1")) == set()
