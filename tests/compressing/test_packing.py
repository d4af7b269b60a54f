"""What is written to the disk: Huffman's code and the packed file, read back to the last bit, and refused where it is damaged."""

import heapq
import random

import numpy as np
import pytest
import torch

from samoyed.compressing import huffman, packing
from samoyed.compressing.packing import How, pack, unpack


def cost_by_hand(counts: list[int]) -> int:
    """The bits of an optimal code: the sum of all merged weights (Huffman 1952)."""
    heap, total = [c for c in counts if c], 0
    heapq.heapify(heap)
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        total += both
        heapq.heappush(heap, both)
    return total


@pytest.mark.parametrize("kinds", [1, 2, 3, 33, 256])
@pytest.mark.parametrize("count", [1, 5, 1024, 1025, 5000])
def test_symbols_come_back(kinds: int, count: int) -> None:
    draw = np.random.default_rng(kinds * count)
    symbols = np.minimum(draw.geometric(0.2, count) - 1, kinds - 1).astype(np.uint8)
    lengths, stream = huffman.encode(symbols)
    assert np.array_equal(huffman.decode(lengths, count, stream), symbols)
    coded = int(lengths[symbols].astype(int).sum())
    counts = np.bincount(symbols)
    assert coded == (cost_by_hand(counts.tolist()) or count)
    blocks = -(-count // huffman.BLOCK)
    assert len(stream) <= coded / 8 + 3 * blocks


def test_no_code_is_longer_than_fits() -> None:
    counts = np.array([int(1.7**i) for i in range(40)], np.int64)  # Fibonacci-like: an optimal code has 39 bits
    lengths = huffman.code_lengths(counts)
    assert 1 <= lengths.min() <= lengths.max() <= huffman.LONGEST
    assert sum(2.0 ** -int(n) for n in lengths) <= 1


def test_many_symbols_span_several_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huffman, "BLOCK", 2)  # so that 5,000 symbols are more than one part of 1,024 blocks
    symbols = np.random.default_rng(0).integers(0, 20, 5001).astype(np.uint8)
    lengths, stream = huffman.encode(symbols)
    sizes = -(-len(symbols) // 2)
    assert np.array_equal(huffman.decode(lengths, 5001, stream), symbols), sizes


def weights(seed: int = 0, shape: tuple[int, ...] = (30, 7, 5), share: float = 0.9) -> torch.Tensor:
    """Random numbers, most of them 0."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=draw) * (torch.rand(shape, generator=draw) > share)


def few_levels(tensor: torch.Tensor) -> torch.Tensor:
    return (tensor * 4).round() / 4


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("form", ["float", "few", "int8", "few int8"])
def test_a_tensor_comes_back(form: str, share: float) -> None:
    how = How(few="few" in form, int8="int8" in form)
    given = weights(share=share)
    if how.few:
        given = few_levels(given)
    back = unpack(pack({"w": given}, {"w": how}))["w"]
    assert back.shape == given.shape
    assert back.dtype == torch.float32
    if not how.int8:
        assert torch.equal(back, given)
    else:
        largest = given.abs().amax() if how.few else given.abs().amax((1, 2), keepdim=True)
        assert ((back - given).abs() <= largest / 127 / 2 * 1.0001).all()
        again = unpack(pack({"w": back}, {"w": how}))["w"]
        assert torch.allclose(again, back, rtol=1e-6)


def test_levels_are_rounded_to_half_precision() -> None:
    given = torch.full((64, 4), 1 / 3)
    back = unpack(pack({"w": given}, {"w": How(few=True)}))["w"]
    assert torch.equal(back, given.half().float())


@pytest.mark.parametrize("int8", [False, True])
def test_levels_beyond_half_precision_stay_finite(int8: bool) -> None:
    weight = torch.tensor([[-70_000.0, 0.0, 123.25], [70_000.0, 123.25, 0.0]])
    found = unpack(pack({"w": weight}, {"w": How(few=True, int8=int8)}))["w"]
    assert torch.allclose(found, weight, atol=300 if int8 else 0)


def test_numbers_too_small_for_a_scale_become_0() -> None:
    tiny = torch.full((3, 4), 1e-44)
    for how in (How(int8=True), How(few=True, int8=True)):
        assert unpack(pack({"w": tiny}, {"w": how}))["w"].abs().max() < 1e-43


def test_other_tensors_are_kept_exactly_or_in_half() -> None:
    given = {
        "a": torch.arange(7), "b": torch.tensor(3.25, dtype=torch.float64), "c": torch.tensor([True, False]),
        "d": torch.randn(5), "e": torch.zeros(0, 4), "f": torch.tensor([1e30, 2.0]), "g": torch.randn(3).bfloat16(),
    }  # fmt: skip
    back = unpack(pack(given, {}, {"d", "f"}))
    for name, tensor in given.items():
        wanted = tensor.half().float() if name == "d" else tensor
        assert back[name].dtype == tensor.dtype
        assert torch.equal(back[name], wanted), name


def test_tied_weights_are_written_once() -> None:
    shared = weights(share=0.0)
    both = pack({"a": shared, "b": shared}, {"a": How(int8=True), "b": How(int8=True)})
    assert len(both) < len(pack({"a": shared}, {"a": How(int8=True)})) + 60
    back = unpack(both)
    assert torch.equal(back["a"], back["b"])


def test_far_apart_weights() -> None:
    given = torch.zeros(3000)
    given[[0, 255, 256, 1500, 2999]] = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    back = unpack(pack({"w": given.view(3, 1000)}, {"w": How()}))["w"]
    assert torch.equal(back.flatten(), given)


def test_sizes_add_up() -> None:
    data = pack({"a": weights(), "b": torch.randn(9)}, {"a": How(int8=True)}, {"b"})
    assert sum(packing.sizes(data).values()) == len(data)


def test_pruned_and_shared_weights_take_few_bits() -> None:
    """10 % of the weights at 32 even levels: the entropies of places and levels, 0.47 + 0.1 x 5 bits a weight, and little more."""
    draw = np.random.default_rng(0)
    given = (draw.integers(1, 33, 200_000) / 8 * (draw.random(200_000) < 0.1)).astype(np.float32)
    data = pack({"w": torch.from_numpy(given).view(400, 500)}, {"w": How(few=True)})
    assert 8 * len(data) / given.size < 1.05 * (0.469 + 0.5)


def test_damage_is_refused_or_harmless() -> None:
    """Without the manifest's digest, which notices any damage: no other error, no bad shape, nothing that hangs."""
    tensors = {"a": few_levels(weights()), "b": weights(1), "c": torch.randn(20), "d": torch.arange(3)}
    how = {"a": How(few=True), "b": How(int8=True)}
    data, draw = pack(tensors, how, {"c"}), random.Random(0)
    refused = 0
    for _ in range(300):
        spoilt = bytearray(data)
        for _ in range(draw.choice((1, 3))):
            spoilt[draw.randrange(len(spoilt))] ^= 1 << draw.randrange(8)
        if draw.random() < 0.3:
            spoilt = spoilt[: draw.randrange(len(spoilt))]
        try:
            unpack(bytes(spoilt), tensors)
        except (ValueError, KeyError, TypeError, IndexError, OverflowError):
            refused += 1
    assert refused > 100
    with pytest.raises(ValueError, match="shape"):
        unpack(data, {**tensors, "a": torch.zeros(2, 2)})
    with pytest.raises(ValueError, match="more bytes"):
        unpack(data + b"x")


def test_a_bomb_is_refused() -> None:
    import json
    import zlib

    def file(header: list[dict[str, object]], body: bytes) -> bytes:
        words = zlib.compress(json.dumps(header).encode())
        return b"samoyed\x01" + len(words).to_bytes(4, "little") + words + body

    small = zlib.compress(bytes(1000))
    exact = {"name": "w", "shape": [2**40], "form": "exact", "type": "float32", "bytes": [len(small) + 1]}
    with pytest.raises(ValueError, match="size"):
        unpack(file([exact], b"z" + small))
    coded = {"name": "w", "shape": [2**40], "form": "coded", "gaps": [2**40, "1"], "symbols": [1, "1"], "bytes": [3, 3]}
    with pytest.raises(ValueError, match="shape"):
        unpack(file([coded], bytes(6)), {"w": torch.zeros(4)})
    with pytest.raises(ValueError, match="damaged"):
        unpack(file([coded], bytes(6)))


def test_scales_come_back_with_which_the_numbers_are_whole() -> None:
    rows, shared, sparse = torch.randn(8, 40), few_levels(torch.randn(8, 40)), weights(3, (8, 40))
    tensors = {"rows": rows, "shared": shared, "sparse": sparse, "tied": rows, "float": torch.randn(4, 4)}
    coded = {"rows": How(int8=True), "shared": How(few=True, int8=True), "sparse": How(int8=True)}
    data = pack(tensors, coded)
    found, back = packing.scales(data), unpack(data)
    assert sorted(found) == ["rows", "shared", "sparse"]
    assert found["shared"].shape == (1,)
    assert found["rows"].shape == (8,)
    for name, scales in found.items():
        whole = back[name] / scales[:, None]
        assert torch.allclose(whole, whole.round(), atol=1e-4)
        assert whole.abs().max() <= 127.001
    with pytest.raises(ValueError, match="cut off"):
        packing.scales(data[: len(data) // 2])
