"""The peers of the speed benchmark: the same network in other libraries, with the same sizes and dropout.

All are encoders with learned positions, ReLU, the mean over real tokens and a linear classifier. Dropout acts on the
embedding and on the output of every branch; there is none on attention weights and none inside the feed-forward
network. What is left of differences: BERT is post-LN; x-transformers has no biases in attention and in its norms.
"""

from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

import torch
from torch import Tensor, nn

from stackcli.config.settings import Config
from stackcli.model.blocks import hidden_of
from stackcli.model.stack import pool


class TorchEncoder(nn.Module):
    """`torch.nn.TransformerEncoder`, pre-LN with a closing norm. Token ids (B, T) -> logits (B, C).

    plain: as the class comes, with dropout inside the feed-forward network and on the attention weights too.
    """

    def __init__(self, c: Config, *, vocab: int, classes: int, max_len: int, plain: bool = False) -> None:
        super().__init__()
        before = c.residual.name == "pre"
        layer = nn.TransformerEncoderLayer(c.dim, c.heads, hidden_of(c), c.dropout, batch_first=True, norm_first=before)
        if not plain:
            layer.self_attn.dropout, layer.dropout.p = 0.0, 0.0
        closing = nn.LayerNorm(c.dim) if before else None
        self.embedding, self.table = nn.Embedding(vocab, c.dim), nn.Parameter(torch.randn(max_len, c.dim) * c.embed_std)
        nn.init.normal_(self.embedding.weight, 0, c.embed_std)
        self.encoder = nn.TransformerEncoder(layer, c.depth, closing, enable_nested_tensor=False)
        self.dropout, self.head = nn.Dropout(c.dropout), nn.Linear(c.dim, classes)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.dropout(self.embedding(tokens) + self.table[: tokens.shape[1]])
        x = self.encoder(x, src_key_padding_mask=None if mask is None else ~mask)
        logits: Tensor = self.head(pool(x, mask))
        return logits


class BertEncoder(nn.Module):
    """`BertModel` of Hugging Face transformers, from a configuration, without its pooler. (B, T) -> (B, C)."""

    def __init__(self, c: Config, *, vocab: int, classes: int, max_len: int) -> None:
        from transformers import BertConfig, BertModel

        super().__init__()
        settings = BertConfig(
            vocab_size=vocab,
            hidden_size=c.dim,
            num_hidden_layers=c.depth,
            num_attention_heads=c.heads,
            intermediate_size=hidden_of(c),
            hidden_act="relu",
            hidden_dropout_prob=c.dropout,
            attention_probs_dropout_prob=0.0,
            max_position_embeddings=max_len,
            type_vocab_size=1,
            attn_implementation="sdpa",
        )
        self.bert, self.head = BertModel(settings, add_pooling_layer=False), nn.Linear(c.dim, classes)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.bert(input_ids=tokens, attention_mask=mask).last_hidden_state
        logits: Tensor = self.head(pool(x, mask))
        return logits


class XTransformer(nn.Module):
    """`TransformerWrapper` and `Encoder` of x-transformers, pre-LN, with `attn_flash`. (B, T) -> (B, C).

    reach: causal attention to at most that many earlier tokens (`attn_max_attend_past`), its only local attention.
    """

    def __init__(self, c: Config, *, vocab: int, classes: int, max_len: int, reach: int = 0) -> None:
        from x_transformers import Decoder, Encoder, TransformerWrapper

        super().__init__()
        layers = (Decoder if reach else Encoder)(
            dim=c.dim,
            depth=c.depth,
            heads=c.heads,
            attn_dim_head=c.dim // c.heads,
            attn_flash=True,
            attn_sublayer_dropout=c.dropout,
            ff_mult=hidden_of(c) / c.dim,
            ff_custom_activation=nn.ReLU(),
            ff_sublayer_dropout=c.dropout,
            **({"attn_max_attend_past": reach} if reach else {}),
        )
        self.wrapper = TransformerWrapper(
            num_tokens=vocab,
            max_seq_len=max_len,
            attn_layers=layers,
            emb_dropout=c.dropout,
            logits_dim=classes,
            average_pool_embed=True,
        )

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        logits: Tensor = self.wrapper(tokens, mask=mask)
        return logits


class Peer(NamedTuple):
    """A library's encoder. package: what must be installed besides PyTorch; "" for nothing."""

    build: Callable[..., nn.Module]
    package: str = ""

    @property
    def missing(self) -> str:
        """Says that the package is not installed; "" if it is."""
        try:
            version(self.package or "torch")
        except PackageNotFoundError:
            return f"not installed; pip install -c constraints.txt -e '.[bench]' brings {self.package}"
        return ""


PEERS: Mapping[str, Peer] = {
    "nn.TransformerEncoder": Peer(TorchEncoder),
    "x-transformers": Peer(XTransformer, "x-transformers"),
    "BertModel": Peer(BertEncoder, "transformers"),
}


def count_parameters(model: nn.Module) -> int:
    """Returns the number of parameters that are trained."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
