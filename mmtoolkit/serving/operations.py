"""The operations of exported models: they compute, and nothing else.

What is not here is refused before a model is loaded: a graph can also read and write files, run Python, and send what
it finds to other machines. An export that needs another operation, one without effects, is a reason to add it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tensorflow.core.framework import attr_value_pb2, node_def_pb2
from tensorflow.core.protobuf import meta_graph_pb2

TEXT_OPS = {"NormalizeUTF8", "CaseFoldUTF8"}  # of tensorflow-text: what the stock server links and this project uses
RESTORE, CALLS = "RestoreV2", ("PartitionedCall", "StatefulPartitionedCall")
SAVER_OPS = {RESTORE, "SaveV2", "MergeV2Checkpoints", "ShardedFilename"}  # in every SavedModel, most of them never run
EXCHANGED = "api_implements"  # an attribute by which TensorFlow exchanges a function for another one

NUMBERS = """
    Abs Add AddN AddV2 All Any ArgMax ArgMin BatchMatMulV2 BatchMatMulV3 BiasAdd Bincount BitwiseAnd BitwiseOr
    BitwiseXor Cast Ceil ClipByValue Conv2D Cos Cumprod Cumsum DenseBincount DepthwiseConv2dNative Div DivNoNan Einsum
    Elu Equal Erf Exp Expm1 Floor FloorDiv FloorMod FusedBatchNormV3 Greater GreaterEqual IsFinite IsInf IsNan LeakyRelu
    LeftShift Less LessEqual Log Log1p LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul Max MaxPool Maximum Mean Min
    Minimum Mod Mul Neg NotEqual Pow Prod RealDiv Reciprocal Relu Relu6 RightShift Round Rsqrt Selu Sigmoid Sign Sin
    Softmax Softplus Softsign Sqrt Square SquaredDifference Sub Sum Tanh TopKV2 AvgPool
    StatelessRandomGetAlg StatelessRandomGetKeyCounter StatelessRandomNormalV2 StatelessRandomUniformV2
"""
SHAPES = """
    Bitcast BroadcastArgs BroadcastTo ConcatV2 Const EnsureShape ExpandDims Fill GatherNd GatherV2 Identity IdentityN
    InvertPermutation LinSpace MatrixBandPart MirrorPad OneHot OnesLike Pack Pad PadV2 Placeholder
    PlaceholderWithDefault PreventGradient Range Rank Reshape ResourceGather ReverseSequence ReverseV2 ScatterNd Select
    SelectV2 Shape ShapeN Size Slice Split SplitV Squeeze StopGradient StridedSlice TensorScatterAdd
    TensorScatterUpdate Tile Transpose UniqueV2 Unpack UnsortedSegmentMax UnsortedSegmentSum Where ZerosLike
    TensorListConcatV2 TensorListElementShape TensorListFromTensor TensorListGather TensorListGetItem TensorListLength
    TensorListPopBack TensorListPushBack TensorListReserve TensorListSetItem TensorListStack
"""
TEXTS = """
    AsString RaggedGather RaggedRange RaggedTensorFromVariant RaggedTensorToTensor RaggedTensorToVariant ReduceJoin
    StaticRegexFullMatch StaticRegexReplace StringFormat StringJoin StringLength StringLower StringSplitV2 StringStrip
    StringToNumber StringUpper Substr UnicodeDecodeWithOffsets UnicodeDecode UnicodeEncode UnicodeScript
    UnsortedSegmentJoin
"""
PICTURES = """
    DecodeBmp DecodeGif DecodeImage DecodeJpeg DecodePng DecodeRaw ExtractJpegShape ResizeBicubic ResizeBilinear
    ResizeNearestNeighbor ScaleAndTranslate
"""
FLOW = """
    Assert If NoOp PartitionedCall StatefulPartitionedCall StatelessIf StatelessWhile While
    BatchDatasetV2 ConcatenateDataset DatasetToSingleElement IgnoreErrorsDataset MapDataset TensorDataset
    TensorSliceDataset
"""
STATE = """
    AssignVariableOp DisableCopyOnRead HashTableV2 LookupTableFindV2 LookupTableImportV2 LookupTableSizeV2
    ReadVariableOp VarHandleOp VarIsInitializedOp
"""
COMPUTING = frozenset(" ".join((NUMBERS, SHAPES, TEXTS, PICTURES, FLOW, STATE)).split()) | TEXT_OPS


class Reached(NamedTuple):
    """A node that a session runs, and the function that it is in, none for the graph itself."""

    node: node_def_pb2.NodeDef
    function: str


def refused_ops(model: meta_graph_pb2.MetaGraphDef) -> set[str]:
    """Finds the operations of a graph and of its functions that do more than compute.

    Every SavedModel also has a function that restores its variables while it is loaded, and one that saves them. Those
    read and write files: they must be reached from nowhere else, and what is restored must be the model's own.

    Args:
        model: The graph, as it was read from a file.

    Returns:
        Names of operations, or of an attribute that would change which function runs; empty for an export.
    """
    saver, library = model.saver_def, model.graph_def.library.function
    refused = {node.op for node in every_node(model)} - COMPUTING - SAVER_OPS
    refused |= {EXCHANGED for function in library if EXCHANGED in function.attr}
    fetched = [output.name for signature in model.signature_def.values() for output in signature.outputs.values()]
    fetched += [name for collection in model.collection_def.values() for name in collection.node_list.value]
    refused |= {each.node.op for each in reached(model, fetched)} & SAVER_OPS
    own = own_restores(model)
    restoring = [each for each in reached(model, [saver.restore_op_name]) if each.node.op in SAVER_OPS]
    return refused | {each.node.op for each in restoring if (each.function, each.node.name) not in own}


def own_restores(model: meta_graph_pb2.MetaGraphDef) -> set[tuple[str, str]]:
    """Finds the nodes, each with its function, that restore variables from the path that the loader gives.

    That path is the first input of the restoring call, which is the only one of its function, and there the first
    argument.
    """
    given, restore = tensor(model.saver_def.filename_tensor_name), model.saver_def.restore_op_name
    names = [
        function
        for node in model.graph_def.node
        if node.name == operation(restore) and node.op in CALLS and node.input and tensor(node.input[0]) == given
        for function in called(node)
    ]
    calls = [function for node in every_node(model) for function in called(node) if function in names]
    return {
        (function.signature.name, node.name)
        for function in model.graph_def.library.function
        if calls == [function.signature.name] and function.signature.input_arg
        for node in function.node_def
        if node.op == RESTORE and node.input[:1] == [function.signature.input_arg[0].name]
    }


def every_node(model: meta_graph_pb2.MetaGraphDef) -> list[node_def_pb2.NodeDef]:
    """Lists the nodes of a graph and of its functions."""
    graph = model.graph_def
    return [*graph.node, *(node for function in graph.library.function for node in function.node_def)]


def reached(model: meta_graph_pb2.MetaGraphDef, tensors: Iterable[str]) -> list[Reached]:
    """Lists what a session runs to compute tensors: their nodes, the nodes before those, and the functions of all."""
    nodes = {node.name: node for node in model.graph_def.node}
    functions = {function.signature.name: function.node_def for function in model.graph_def.library.function}
    waiting, found = [operation(name) for name in tensors], list[Reached]()
    while waiting:
        if node := nodes.pop(waiting.pop(), None):
            found.append(Reached(node, ""))
            waiting += map(operation, node.input)
    for each in found:  # which grows
        found += [Reached(node, name) for name in called(each.node) for node in functions.pop(name, ())]
    return found


def called(node: node_def_pb2.NodeDef) -> list[str]:
    """Lists the functions that the attributes of a node name."""

    def named(attribute: attr_value_pb2.AttrValue) -> Iterator[str]:
        for function in (attribute.func, *attribute.list.func):
            yield function.name
            for inner in function.attr.values():
                yield from named(inner)

    return [name for attribute in node.attr.values() for name in named(attribute) if name]


def tensor(name: str) -> str:
    """Returns the full name of a tensor: its operation, and the number of the output."""
    return name if ":" in name else f"{name}:0"


def operation(name: str) -> str:
    """Returns the name of the operation of a tensor, or of a control input."""
    return name.removeprefix("^").partition(":")[0]
