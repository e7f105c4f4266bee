"""An ONNX graph of fixed shapes made simpler: constants computed, then few axes only.

onnxruntime's own optimiser computes what does not depend on the input: the shapes, ranges, masks
and scattered constants that exporters leave in a graph. All else it can do is switched off, as its
fusions make operations of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from piyard.convert.onnx.axes import COMPUTING_RULES
from piyard.convert.onnx.edit import Rule, edit_graph, infer_shapes
from piyard.convert.onnx.graph import OnnxGraph
from piyard.convert.onnx.layout import MOVING_RULES
from piyard.convert.onnx.select import SELECTING_RULES
from piyard.core.errors import ConversionFailed
from piyard.core.files import scratch_folder

FUSIONS = (
    *("ClipQuantFusion", "ConstantSharing", "ConvActivationFusion", "ConvAddFusion"),
    *("ConvBNFusion", "ConvMulFusion", "DivMulFusion", "FuseReluClip", "GeluFusionL1"),
    *("GemmActivationFusion", "GemmSumFusion", "GemmTransposeFusion", "LayerNormFusionL1"),
    *("MatMulAddFusion", "MatMulBatchNormFusion", "MatmulBNFusion", "NotWhereFusion", "PadFusion"),
    *("ReluQuantFusion", "ReshapeFusion", "ShapeInputMerge", "SimplifiedLayerNormFusion"),
    "TransposeOptimizer",
)
"""onnxruntime's optimisers of level 1 that put several operations into one or move them."""


def simplify_graph(graph: OnnxGraph) -> OnnxGraph:
    """The same computation in operations and tensors that ncnn has; the inputs' shapes are fixed.

    Raises ``ConversionFailed`` where onnxruntime cannot read the graph.
    """
    return edit_graph(infer_shapes(fold_constants(graph)), _all_rules())


def _all_rules() -> dict[str, Sequence[Rule]]:
    tables: Sequence[Mapping[str, Sequence[Rule]]] = (
        COMPUTING_RULES,
        MOVING_RULES,
        SELECTING_RULES,
    )
    kinds = [kind for table in tables for kind in table]
    return {kind: [rule for table in tables for rule in table.get(kind, ())] for kind in kinds}


def fold_constants(graph: OnnxGraph) -> OnnxGraph:
    """A copy in which what depends on constants only is a constant."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    with scratch_folder("piyard-fold-") as folder:
        options.optimized_model_filepath = str(folder / "folded.onnx")
        try:
            onnxruntime.InferenceSession(
                graph.SerializeToString(),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=list(FUSIONS),
            )
        except Exception as error:  # noqa: BLE001  # its classes derive from nothing else
            raise ConversionFailed(
                "onnxruntime cannot read the ONNX graph", evidence=str(error)[:600]
            ) from None
        folded = onnx.load(folder / "folded.onnx")
    return _without_additions(folded)


def _without_additions(folded: Any) -> OnnxGraph:
    """Without the domains that onnxruntime names in every file, and its notes on shapes."""
    standard = [each for each in folded.opset_import if not each.domain]
    used = {node.domain for node in folded.graph.node}
    others = [each for each in folded.opset_import if each.domain and each.domain in used]
    kept = [type(each).FromString(each.SerializeToString()) for each in [*standard, *others]]
    del folded.opset_import[:]
    folded.opset_import.extend(kept)
    del folded.graph.value_info[:]
    return folded
