"""The stand-alone script beside an exported file: it needs onnxruntime and NumPy, and nothing of Samoyed."""

_HEAD = '''"""{about}"""
import json, sys
from pathlib import Path

import numpy as np
import onnxruntime

here = Path(__file__).parent
about = json.loads((here / "model.json").read_text("utf-8"))
session = onnxruntime.InferenceSession(here / "model.onnx")
'''

_SCRIPTS = {
    "image-classification": (
        "python run.py PICTURE.npy: the classes of a picture, uint8 [height, width] or [height, width, 3] of the right size.",
        """picture = np.load(sys.argv[1])
images = np.atleast_3d(picture).transpose(2, 0, 1)[None]  # [1, channels, height, width]
probs = session.run(None, {"images": images.astype(np.uint8)})[0][0]
for place in probs.argsort()[::-1][:5]:
    print(f"{about['classes'][place]}\\t{probs[place]:.6f}")
""",
    ),
    "time-series-forecasting": (
        "python run.py TABLE.csv: the forecast from a table with a header and the columns that model.json names.",
        """table = np.genfromtxt(sys.argv[1], delimiter=",", names=True, dtype=None, encoding="utf-8", deletechars="", replace_space=" ")
past = np.stack([table[name] for name in about["columns"]], 1)[-about["context"] :]
for value in session.run(None, {"past": past[None].astype(np.float64)})[0][0]:
    print(f"{value:.6g}")
""",
    ),
    "text-generation": (
        "python run.py BEGINNING [LENGTH]: the likeliest continuation of a text.",
        """tokens, beginning = about["tokens"], sys.argv[1]
words = list(beginning) if about["kind"] == "characters" else [w for w in __import__("re").findall(r"\\w+|[^\\w\\s]|\\s+", beginning)]
places = [tokens.index(word) if word in tokens else 0 for word in words]
state = {f"state{i}": np.zeros([1 if d == "batch" else d for d in s], np.float32) for i, s in enumerate(about["state"])}
print(beginning, end="")
for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 100):
    log_probs, *after = session.run(None, {"tokens": np.array([places], np.int64), **state})
    state, places = dict(zip(state, after)), [int(log_probs[0, -1].argmax())]
    print(tokens[places[0]], end="", flush=True)
print()
""",
    ),
}


def script(task: str) -> str:
    """The script's text."""
    about, body = _SCRIPTS[task]
    return _HEAD.format(about=about) + body
