"""Makes and checks the safetensors fixtures (needs numpy, torch and safetensors; 0.8.0 made the committed files).

    python3 fixtures.py make     writes reference.safetensors, with the reference implementation
    python3 fixtures.py check    reads written.safetensors, made by SafetensorsTests, with numpy and with torch
"""

import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent


def make():
    from safetensors.numpy import save_file

    tensors = {
        "decoder.0.weight": np.arange(15, dtype=np.float32).reshape(3, 5) / 8 - 1,
        "decoder.0.bias": np.array([0.5, -0.25, np.inf], dtype=np.float32),
        "scalar": np.array(3.75, dtype=np.float32),
        "empty": np.zeros((0, 4), dtype=np.float32),
        "größe \"μ\"\n": np.array([[7.0]], dtype=np.float32),
        "counts": np.array([1, 2, 3], dtype=np.int64),
        "half": np.array([1, 2, 3], dtype=np.float16),
        "flags": np.array([True, False, True]),
    }
    save_file(tensors, HERE / "reference.safetensors", metadata={"config": '{"β": 1, "path": "a\\b"}', "format": "pt"})


def check():
    import safetensors.numpy
    import safetensors.torch
    from safetensors import safe_open

    path = HERE / "written.safetensors"
    expected = {
        "encoder.0.weight": np.arange(6, dtype=np.float32).reshape(2, 3) * 0.5 - 1,
        "log scale \"σ\"\t": np.array(2.5, dtype=np.float32),
        "empty": np.zeros((0, 2), dtype=np.float32),
        "bias": np.array([np.inf, -0.0, 1e-45], dtype=np.float32),
    }
    found = safetensors.numpy.load_file(path)
    assert found.keys() == expected.keys(), found.keys()
    for name, values in expected.items():
        assert found[name].shape == values.shape and found[name].tobytes() == values.tobytes(), name
    for name, tensor in safetensors.torch.load_file(path).items():
        assert tensor.numpy().tobytes() == expected[name].tobytes(), name
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {"format": "pt", "config": 'a "quoted" \\ β\u0001\n'}, file.metadata()
    print("written.safetensors is read right by numpy and torch")


{"make": make, "check": check}[sys.argv[1]]()
