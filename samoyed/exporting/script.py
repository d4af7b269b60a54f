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

_RANKED = """for place in probs.argsort()[::-1][:5]:
    print(f"{about['classes'][place]}\\t{probs[place]:.6f}")
"""

_WAVE = """import wave

with wave.open(sys.argv[1]) as file:
    rate, channels = file.getframerate(), file.getnchannels()
    if file.getsampwidth() != 2 or rate != about["rate"]:
        sys.exit(f"give a WAV of 16 bits and {about['rate']} samples a second")
    samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, channels).mean(1)
"""

_BANDS = """window, shift = int(0.025 * rate), int(0.010 * rate)  # from here on as Kaldi's compute-fbank-feats does it
samples = np.pad(samples, (0, max(0, window + 1 - len(samples))))
starts = np.arange((len(samples) + shift // 2) // shift) * shift + shift // 2 - window // 2
places = np.abs(starts[:, None] + np.arange(window) + 0.5) - 0.5  # mirrored at both ends
places = np.where(places < len(samples), places, 2 * len(samples) - 1 - places).astype(int)
frames = samples[places] - samples[places].mean(1, keepdims=True)
frames -= 0.97 * np.concatenate([frames[:, :1], frames[:, :-1]], 1)
frames *= (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / (window - 1))) ** 0.85
size = 1 << (window - 1).bit_length()
power = np.abs(np.fft.rfft(frames, size)[:, :-1]) ** 2
mel = lambda hertz: 1127 * np.log(1 + hertz / 700)
edges = np.linspace(mel(20), mel(rate / 2), about["bands"] + 2)[:, None]
bins = mel(np.arange(size // 2) * rate / size)
rising, falling = (bins - edges[:-2]) / np.diff(edges[:-1], axis=0), (edges[2:] - bins) / np.diff(edges[1:], axis=0)
energies = power @ np.maximum(0, np.minimum(rising, falling)).T
logs = np.log(np.maximum(energies, np.finfo(np.float32).eps)).astype(np.float32)
"""

_READ = """best = log_probs[: int(steps[0])].argmax(-1)  # of each step; repeats are merged, blanks (0) removed
read = [best[i] for i in range(len(best)) if best[i] and (i == 0 or best[i] != best[i - 1])]
print("".join(about["tokens"][symbol - 1] for symbol in read))
"""

_SCRIPTS = {
    "image-classification": (
        "python run.py PICTURE.npy: the classes of a picture, uint8 [height, width] or [height, width, 3] of the right size.",
        """picture = np.load(sys.argv[1])
images = np.atleast_3d(picture).transpose(2, 0, 1)[None]  # [1, channels, height, width]
probs = session.run(None, {"images": images.astype(np.uint8)})[0][0]
"""
        + _RANKED,
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
    "text-classification": (
        "python run.py TEXT: the classes of a text.",
        """import re

pattern = r"\\w+(?:['’]\\w+)*|[^\\w\\s]" if about["kind"] == "words" else r"\\S|\\s+"
words = [" " if word.isspace() else word for word in re.findall(pattern, sys.argv[1].strip())][: about["max_length"]]
index = {token: place for place, token in enumerate(about["tokens"])}
places = [index.get(word.lower() if about["lower"] else word, 0) for word in words]
given = {"tokens": np.array([places or [0]], np.int64), "lengths": np.array([len(places)], np.int64)}
probs = session.run(None, given)[0][0]
"""
        + _RANKED,
    ),
    "sequence-tagging": (
        "python run.py TEXT: the tag of each word and mark of a text.",
        """import re
from itertools import groupby

def shape(word):  # what an unknown word looks like: XxXx-r
    runs = "".join(k for k, _ in groupby("X" if c.isupper() else "x" if c.isalpha() else "0" if c.isdigit() else c for c in word[:40]))
    return "\ufffd" + runs[:12] + (f"-{word[-1].lower()}" if word[-1].isalpha() else "")

words = re.findall(r"\\w+(?:['’]\\w+)*|[^\\w\\s]", sys.argv[1])[: about["max_length"]]
index = {token: place for place, token in enumerate(about["tokens"])}
told = [w if not about["shapes"] or (w.lower() if about["lower"] else w) in index else shape(w) for w in words]
places = [index.get(w.lower() if about["lower"] else w, 0) for w in told]
probs = session.run(None, {"tokens": np.array([places], np.int64), "lengths": np.array([len(places)], np.int64)})[0][0]
for word, row in zip(words, probs):
    print(f"{word}\\t{about['tags'][row.argmax()]}\\t{row.max():.6f}")
""",
    ),
    "audio-classification": (
        "python run.py RECORDING.wav: the classes of a recording, 16 bits, at the rate that model.json names.",
        _WAVE
        + """most = int(about["max_seconds"] * rate)
begin = max(0, (len(samples) - most) // 2)
samples = samples[begin : begin + most]
"""
        + _BANDS
        + """probs = session.run(None, {"frames": logs[None], "lengths": np.array([len(logs)], np.int64)})[0][0]
"""
        + _RANKED,
    ),
    "automatic-speech-recognition": (
        "python run.py RECORDING.wav: what is said in a recording, 16 bits, at the rate that model.json names.",
        _WAVE
        + _BANDS
        + """rest = np.tile(np.float32(about["mean"]), (-len(logs) % about["stack"], 1))
frames = np.concatenate([logs, rest]).reshape(1, -1, about["stack"] * about["bands"])
(log_probs,), steps = session.run(None, {"frames": frames, "lengths": np.array([frames.shape[1]], np.int64)})
"""
        + _READ,
    ),
    "text-line-recognition": (
        "python run.py LINE.npy: what is written in a line, grey uint8 [height, width] of the height that model.json names.",
        """line = np.load(sys.argv[1])
if line.shape[0] != about["height"]:
    sys.exit(f"give a line of {about['height']} rows")
line = 255 - line if np.median(line) > 127 else line
given = {"lines": line[None].astype(np.uint8), "lengths": np.array([line.shape[1]], np.int64)}
(log_probs,), steps = session.run(None, given)
"""
        + _READ,
    ),
    "video-classification": (
        "python run.py CLIP.npy: the classes of a clip, uint8 [frames, height, width] or [frames, height, width, 3] of the right size.",
        """clip = np.load(sys.argv[1])
clip = clip[..., None] if clip.ndim == 3 else clip
clips = clip.transpose(0, 3, 1, 2)[None]  # [1, frames, channels, height, width]
probs = session.run(None, {"clips": clips.astype(np.uint8)})[0][0]
"""
        + _RANKED,
    ),
    "video-tagging": (
        "python run.py CLIP.npy: what is seen when in a clip, uint8 [frames, height, width] or [frames, height, width, 3] of the right size.",
        """clip = np.load(sys.argv[1])
clip = clip[..., None] if clip.ndim == 3 else clip
places = np.linspace(0, len(clip) - 1, min(len(clip), about["frames"])).round().astype(int)
clips = clip[places].transpose(0, 3, 1, 2)[None]  # [1, frames, channels, height, width]
given = {"clips": clips.astype(np.uint8), "lengths": np.array([len(places)], np.int64)}
probs = session.run(None, given)[0][0]
times = [*places.tolist(), len(clip)]
for tag, column in zip(about["tags"], probs.T):  # its runs of frames: first, first after it, mean probability
    there = np.pad((column >= 0.5).astype(int), 1)
    for begin, end in zip(np.flatnonzero(np.diff(there) == 1), np.flatnonzero(np.diff(there) == -1)):
        print(f"{times[begin]}\\t{times[end]}\\t{tag}\\t{column[begin:end].mean():.6f}")
""",
    ),
    "volume-classification": (
        "python run.py VOLUME.npy: the classes of a volume, numbers [slices, height, width] of the right size, in the data's unit.",
        """volumes = np.load(sys.argv[1])[None]
probs = session.run(None, {"volumes": volumes.astype(np.float32)})[0][0]
"""
        + _RANKED,
    ),
    "image-similarity": (
        "python run.py ONE.npy OTHER.npy: how alike two pictures are, uint8 [height, width] or [height, width, 3] of the right size.",
        """images = np.stack([np.atleast_3d(np.load(name)).transpose(2, 0, 1) for name in sys.argv[1:3]])
one, other = session.run(None, {"images": images.astype(np.uint8)})[0]
likeness = float(one @ other)
print(f"{likeness:.6f}\t{'the same' if likeness >= about['threshold'] else 'different'}")
""",
    ),
}


def script(task: str) -> str:
    """The script's text."""
    about, body = _SCRIPTS[task]
    return _HEAD.format(about=about) + body
