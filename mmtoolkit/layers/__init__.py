"""Layers that know neither words nor files; `keras.ops` only."""

from mmtoolkit.layers.attention import BahdanauAttention, HardAttention, additive_attention
from mmtoolkit.layers.cells import (
    CoupledLSTMCell,
    DepthGatedLSTMCell,
    GRUCell,
    GRULectureCell,
    JordanCell,
    LSTMCell,
    PeepholeLSTMCell,
    VanillaCell,
)
from mmtoolkit.layers.crop import RegionCrop, RegionPool
from mmtoolkit.layers.decoder import AttentionDecoder
from mmtoolkit.layers.embedding import TokenEmbedding
from mmtoolkit.layers.encoder import SequenceEncoder
from mmtoolkit.layers.fusion import Fusion
from mmtoolkit.layers.image_encoder import SmallCNN, TrainableBlock
from mmtoolkit.layers.memory import Memory
from mmtoolkit.layers.rnn_cell import RNNCell
from mmtoolkit.layers.visual_encoder import VisualEncoder

__all__ = [
    "AttentionDecoder",
    "BahdanauAttention",
    "CoupledLSTMCell",
    "DepthGatedLSTMCell",
    "Fusion",
    "GRUCell",
    "GRULectureCell",
    "HardAttention",
    "JordanCell",
    "LSTMCell",
    "Memory",
    "PeepholeLSTMCell",
    "RNNCell",
    "RegionCrop",
    "RegionPool",
    "SequenceEncoder",
    "SmallCNN",
    "TokenEmbedding",
    "TrainableBlock",
    "VanillaCell",
    "VisualEncoder",
    "additive_attention",
]
