"""From a trained network to one sealed ONNX file: no paths inside, the same bytes twice."""

from __future__ import annotations

import warnings
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch

from core.ai.card import CARD_KEY, SEAL_KEY, Card, seal
from core.ai.training.network import TinyNet
from core.model.errors import InvariantError

F32 = npt.NDArray[np.float32]
OPSET: Final = 20
_TOLERANCE: Final = 1e-5


def to_onnx(net: TinyNet, rows: F32) -> onnx.ModelProto:
    """Export with a free batch size and check it against torch at several.

    Raises:
        InvariantError: The graph does not compute what the network does.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # An example of one row would freeze the batch size to one, without a word.
        program = torch.onnx.export(
            net,
            (torch.from_numpy(rows[:4]),),
            dynamo=True,
            external_data=False,
            opset_version=OPSET,
            input_names=["rows"],
            output_names=["p_up", "quantiles", "valid"],
            dynamic_shapes={"rows": {0: torch.export.Dim("batch")}},
            verbose=False,
        )
    model: onnx.ModelProto = program.model_proto
    _strip(model)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for size in (1, 2, 7, 64):
        part = np.resize(rows, (size, rows.shape[1])).astype(np.float32)
        with torch.no_grad():
            expected = net(torch.from_numpy(part))
        for ours, theirs in zip(session.run(None, {"rows": part}), expected, strict=True):
            if not np.allclose(ours, theirs.numpy(), rtol=_TOLERANCE, atol=1e-9, equal_nan=True):
                raise InvariantError(f"the exported graph differs from the network at batch {size}")
    return model


def finish(model: onnx.ModelProto, card: Card) -> bytes:
    """Return the file with its card and seal."""
    del model.metadata_props[:]
    text = msgspec.json.encode(card).decode()
    for key, value in ((CARD_KEY, text), (SEAL_KEY, "0" * 64)):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    return seal(model.SerializeToString(deterministic=True))


def _strip(message: Any) -> None:
    """Remove what the exporter notes about the machine: stack traces with local paths."""
    model: onnx.ModelProto = message
    model.doc_string = ""
    for graph in (model.graph, *model.functions):
        graph.doc_string = ""
        del graph.metadata_props[:]
        for node in graph.node:
            node.doc_string = ""
            del node.metadata_props[:]
        for value in graph.value_info:
            del value.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        value.doc_string = ""
        del value.metadata_props[:]
