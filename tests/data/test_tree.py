"""Every answer, looked up in the tree; the order of the nodes."""

from collections.abc import Sequence

import numpy as np

from tests.data.oracle import every_part, load, named


def test_the_answer_is_the_token_of_the_parent() -> None:
    loaded = load("tree")
    for part in every_part(loaded):
        for (tokens, asked), tree in zip(named(loaded, part), part.trees, strict=True):
            assert tree[0] == 0 and asked == [None, *(tokens[p] for p in tree[1:])]


def test_nodes_are_in_depth_first_order() -> None:
    loaded = load("tree")
    for tree in loaded.train.trees:
        for i in range(1, len(tree)):
            above = i - 1  # the parent of a node is the node before it, or stands above that one
            while above != tree[i]:
                assert above != tree[above]
                above = tree[above]


def test_trees_differ_in_depth() -> None:
    def deep(tree: Sequence[int] | np.ndarray, at: int) -> int:
        return 0 if tree[at] == at else 1 + deep(tree, tree[at])

    depths = {max(deep(tree, i) for i in range(len(tree))) for tree in load("tree").train.trees}
    assert len(depths) >= 4 and min(depths) >= 1
