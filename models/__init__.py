"""Dual encoders: sealed ONNX bundles and what makes them."""
