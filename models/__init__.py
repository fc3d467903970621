"""Dual encoders: sealed ONNX bundles and what makes them."""

import os

# ONNX Runtime 1.29 and newer reports its use to its maker unless this is set before it is first imported; nothing that
# runs here may speak to the outside. Here, because no module of ours meets ONNX Runtime without passing this line.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
