"""Reading and editing of ONNX graphs."""
