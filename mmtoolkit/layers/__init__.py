"""Layers that know neither words nor files; `keras.ops` only."""

from mmtoolkit.layers.attention import BahdanauAttention, additive_attention
from mmtoolkit.layers.cells import GRUCell, LSTMCell, VanillaCell
from mmtoolkit.layers.decoder import AttentionDecoder
from mmtoolkit.layers.embedding import TokenEmbedding
from mmtoolkit.layers.image_encoder import SmallCNN
from mmtoolkit.layers.loops import DIRECT
from mmtoolkit.layers.memory import Memory

__all__ = [
    "DIRECT",
    "AttentionDecoder",
    "BahdanauAttention",
    "GRUCell",
    "LSTMCell",
    "Memory",
    "SmallCNN",
    "TokenEmbedding",
    "VanillaCell",
    "additive_attention",
]
