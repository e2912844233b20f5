"""Writes requests that the server runs before it accepts others: the first ones are slow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from mmtoolkit.errors import InputError
from mmtoolkit.installation import install_command
from mmtoolkit.serving.golden import Golden
from mmtoolkit.serving.savedmodel import EXTRA

WARMUP = "tf_serving_warmup_requests"  # the file name that the server reads


def write_warmup(folder: Path, golden: Sequence[Golden]) -> None:
    """Writes each golden request once, in the format of the server's request log."""
    try:
        from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
    except ImportError as error:
        raise InputError(
            f"export needs the package tensorflow-serving-api. Received: {error}; "
            f"install it with {install_command('serving')}."
        ) from error
    with tf.io.TFRecordWriter(str(folder / EXTRA / WARMUP)) as writer:
        for request in golden:
            message = predict_pb2.PredictRequest()
            message.model_spec.signature_name = request.signature
            for name, value in request.inputs.items():
                message.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=message))
            writer.write(log.SerializeToString())
