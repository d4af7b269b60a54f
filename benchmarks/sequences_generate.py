"""The encoder-decoder of benchmarks/sequences.py as a model of Transformers, in torch.nn's layers: what `generate` is given."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel  # type: ignore[import-not-found]
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput  # type: ignore[import-not-found]


class State:
    """h and c [B K, H] of every hypothesis, which a search puts in another order."""

    def __init__(self, h: Tensor, c: Tensor) -> None:
        self.h, self.c = h, c

    def reorder_cache(self, beams: Tensor) -> None:
        self.h, self.c = self.h[beams], self.c[beams]

    def get_seq_length(self) -> int:
        return 0


class Config(PretrainedConfig):  # type: ignore[misc]
    """Sizes are read off the weights."""

    model_type = "attended_lstm"


class Encoder(nn.Module):
    """input_ids [B, S] -> the memory [B, S, H] and, as hidden_states, the decoder's first h and c."""

    main_input_name = "input_ids"

    def __init__(self, vocabulary: int, embedding: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.lstm = nn.LSTM(embedding, hidden // 2, batch_first=True, bidirectional=True)
        self.bridge = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(2))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **others: Any) -> Any:
        lengths = attention_mask.sum(1)
        packed = pack_padded_sequence(self.embedding(input_ids), lengths, batch_first=True, enforce_sorted=False)
        memory, last = self.lstm(packed)
        values, _ = pad_packed_sequence(memory, batch_first=True, total_length=input_ids.shape[1])
        first = [torch.tanh(f(torch.cat([*part], 1))) for f, part in zip(self.bridge, last, strict=True)]
        return BaseModelOutput(last_hidden_state=torch.cat([values, *(part[:, None] for part in first)], 1))


class AttendedLSTM(PreTrainedModel, GenerationMixin):  # type: ignore[misc]
    """A step of the decoder for each hypothesis."""

    config_class = Config
    main_input_name = "input_ids"

    def __init__(self, config: Any, vocabulary: int, embedding: int, hidden: int, read: int) -> None:
        super().__init__(config)
        self.encoder = Encoder(vocabulary, embedding, hidden)
        self.embedding, self.cell = nn.Embedding(vocabulary, embedding), nn.LSTMCell(embedding, hidden)
        self.key = nn.Linear(hidden, hidden, bias=False)
        self.readout, self.output_layer = nn.Linear(2 * hidden, read), nn.Linear(read, vocabulary)
        self.post_init()

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False

    def get_encoder(self, *given: Any, **others: Any) -> nn.Module:
        return self.encoder

    def prepare_inputs_for_generation(self, input_ids: Tensor, **given: Any) -> dict[str, Any]:
        names = ("encoder_outputs", "attention_mask", "past_key_values")
        return {"decoder_input_ids": input_ids[:, -1:], **{name: given.get(name) for name in names}}

    def forward(
        self, decoder_input_ids: Tensor, encoder_outputs: Any, attention_mask: Tensor,
        past_key_values: Any = None, **others: Any,
    ) -> Any:  # fmt: skip
        whole = encoder_outputs.last_hidden_state
        memory = whole[:, :-2]
        state = past_key_values
        if state is None:
            state = State(whole[:, -2], whole[:, -1])
            state.keys = self.key(
                memory
            )  # of all hypotheses of a sentence the same, so that their order does not matter
        state.h, state.c = self.cell(self.embedding(decoder_input_ids[:, 0]), (state.h, state.c))
        scores = (state.keys @ state.h[:, :, None])[..., 0].masked_fill(attention_mask == 0, -torch.inf)
        context = (scores.softmax(1)[:, None] @ memory)[:, 0]
        read = torch.tanh(self.readout(torch.cat([context, state.h], 1)))
        return Seq2SeqLMOutput(logits=self.output_layer(read)[:, None], past_key_values=state)


def network(given: dict[str, Tensor]) -> Any:
    """The model with these weights, named as Samoyed names them."""
    vocabulary, embedding = given["source_embedding.weight"].shape
    hidden, read = given["decoder.weight_hh_l0"].shape[1], given["readout.weight"].shape[0]
    ends = dict.fromkeys(("decoder_start_token_id", "eos_token_id", "pad_token_id", "bos_token_id"), vocabulary - 1)
    model = AttendedLSTM(
        Config(vocab_size=vocabulary, is_encoder_decoder=True, **ends), vocabulary, embedding, hidden, read
    ).eval()
    for name, value in ends.items():
        setattr(model.generation_config, name, value)

    def part(prefix: str, suffix: str = "") -> dict[str, Tensor]:
        return {
            k.removeprefix(prefix).removesuffix(suffix): v
            for k, v in given.items()
            if k.startswith(prefix) and k.endswith(suffix)
        }

    model.encoder.embedding.load_state_dict(part("source_embedding."))
    model.encoder.lstm.load_state_dict(part("encoder."))
    model.encoder.bridge.load_state_dict(part("bridge."))
    model.embedding.load_state_dict(part("target_embedding."))
    model.cell.load_state_dict(part("decoder.", "_l0"))
    model.key.load_state_dict(part("attention.key."))
    model.readout.load_state_dict(part("readout."))
    model.output_layer.load_state_dict(part("output."))
    return model
