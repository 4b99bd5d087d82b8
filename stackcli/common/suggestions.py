"""Suggests the nearest known name for an unknown one."""

from collections.abc import Iterable

SYNONYMS = {  # names of other libraries and papers -> ours
    **dict.fromkeys(
        ("layers", "n_layer", "n_layers", "num_layers", "num_hidden_layers", "blocks", "n_blocks"), "depth"
    ),
    **dict.fromkeys(("learning_rate", "learningrate", "max_lr", "step_size"), "lr"),
    **dict.fromkeys(("batch_size", "batchsize", "bs", "minibatch"), "batch"),
    **dict.fromkeys(("d_model", "n_embd", "hidden_size", "embed_dim", "embedding_dim", "width", "model_dim"), "dim"),
    **dict.fromkeys(("n_head", "n_heads", "nhead", "num_heads", "num_attention_heads"), "heads"),
    **dict.fromkeys(("d_ff", "dim_feedforward", "mlp_ratio", "ffn", "ffn_dim", "intermediate_size"), "ff"),
    **dict.fromkeys(("num_epochs", "n_epochs", "num_train_epochs"), "epochs"),
    **dict.fromkeys(("max_steps", "iterations", "max_iters", "num_steps"), "steps"),
    **dict.fromkeys(("dropout_rate", "p_dropout", "hidden_dropout"), "dropout"),
    **dict.fromkeys(("wd", "l2"), "weight_decay"),
    **dict.fromkeys(("grad_clip", "clip_grad", "gradient_clipping", "max_grad_norm"), "clip"),
    **dict.fromkeys(("warmup_steps", "warmup_ratio"), "warmup"),
    **dict.fromkeys(("random_seed", "manual_seed"), "seed"),
    **dict.fromkeys(("early_stopping", "early_stop"), "patience"),
    **dict.fromkeys(("position_encoding", "positional_encoding", "pos_enc", "position_embedding", "pos_emb"), "pe"),
    **dict.fromkeys(("rotary", "roformer"), "rope"),
    **dict.fromkeys(("absolute", "trained", "bert"), "learned"),
    **dict.fromkeys(("sine", "sin", "fixed", "vaswani"), "sinusoidal"),
    **dict.fromkeys(("shaw", "rel"), "relative"),
    **dict.fromkeys(("nope", "no_pe", "off"), "none"),
    **dict.fromkeys(("preln", "pre_ln", "prenorm", "pre_norm"), "pre"),
    **dict.fromkeys(("postln", "post_ln", "postnorm", "post_norm"), "post"),
    **dict.fromkeys(("layernorm", "layer_norm", "ln"), "layer"),
    **dict.fromkeys(("rmsnorm", "rms_norm"), "rms"),
    **dict.fromkeys(("batchnorm", "batch_norm", "bn"), "batch"),
    **dict.fromkeys(("sliding_window", "local", "longformer"), "window"),
    **dict.fromkeys(("bigbird",), "blocks"),
    **dict.fromkeys(("linformer",), "lowrank"),
    **dict.fromkeys(("adv", "adversarial_training", "defence", "defense", "robust"), "adversarial"),
    **dict.fromkeys(("fgsm", "fast_gradient"), "fgm"),
    **dict.fromkeys(("free_lb", "free"), "freelb"),
    **dict.fromkeys(("projected_gradient", "madry"), "pgd"),
    **dict.fromkeys(("distillation", "teacher", "kd"), "distill"),
    **dict.fromkeys(("defensive_distillation", "papernot"), "defensive"),
    **dict.fromkeys(("token_dropout", "unk_dropout", "word_drop"), "word_dropout"),
    **dict.fromkeys(("performer", "linear_attention"), "linear"),
}


def suggest_nearest(given: str, names: Iterable[str], then: str = "") -> str:
    """Returns `; did you mean depth?`, or an empty text if no name is near, followed by the sentence `then`. A known
    synonym comes before a similar name."""
    import difflib  # imported here because it is slow to load and rarely needed

    known = list(names)
    synonym = SYNONYMS.get(given.lower().replace("-", "_"), "")
    near = [synonym] if synonym in known else difflib.get_close_matches(given, known, n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]}?" if near else ""
    if not then:
        return hint
    return f"{hint} {then[0].upper()}{then[1:]}" if hint else f"; {then}"
