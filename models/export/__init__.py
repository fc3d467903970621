"""From torch towers to sealed ONNX bundles."""
