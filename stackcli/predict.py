"""A trained classifier, asked: (store, run, texts) -> a probability for each class."""

from collections.abc import Sequence
from pathlib import Path

from stackcli import text as words
from stackcli.store import Store


def predict(out: Path, run: str, texts: Sequence[str]) -> list[dict[str, float]]:
    """For each text, class -> probability. Raises ValueError for an unknown run, one without weights, or one that was
    not trained on text."""
    store = Store(out, create=False)
    run = store.find(run)
    config, known, state = store.load_weights(run)
    if "<unk>" not in known["vocab"]:
        raise ValueError(f"{run} was trained on data={config.data.name}, which is no text")
    import torch

    from stackcli.model import build

    vocab, classes = known["vocab"], known["classes"]
    model = build(config, vocab=len(vocab), classes=len(classes), max_len=known["max_len"])
    model.load_state_dict(state)
    model.eval()
    ids, options = {t: i for i, t in enumerate(vocab)}, config.data.options
    strip = {key: bool(options.get(key, False)) for key in ("strip_links", "strip_punctuation")}
    out_rows = []
    for text in texts:
        found = words.tokens(text, **strip)
        if not found:
            raise ValueError(f"{text!r}: no word in it")
        tokens = words.encode(found, ids, known["max_len"])
        full = tokens + (words.PAD,) * (known["max_len"] - len(tokens)) if config.pad == "max" else tokens
        mask = torch.tensor([[i < len(tokens) for i in range(len(full))]]) if config.mask == "padding" else None
        with torch.no_grad():
            shares = model(torch.tensor([full]), mask).softmax(-1)[0].tolist()
        out_rows.append(dict(zip(classes, shares, strict=True)))
    return out_rows
