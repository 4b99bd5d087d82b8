"""Addressed random generators: the same on every machine, and independent of other draws."""

import numpy as np
import pytest
import torch

from stackcli.common.seeding import address, generator, torch_at


def test_an_address_is_63_bits_of_the_sha256_of_typed_names() -> None:
    # the first 16 digits of: printf 'int:7\x1fstr:order\x1fint:2' | sha256sum
    assert address(7, "order", 2) == 0xBF703B6609F4D5C5 >> 1
    assert address("7") == 0x249660734E4773A1 >> 1


def test_numbers_texts_and_other_orders_have_different_addresses() -> None:
    assert len({address(7), address("7"), address(7, 2), address(2, 7), address(72)}) == 5


def test_a_generator_does_not_depend_on_other_draws() -> None:
    first = generator("test", 1).random(5)
    np.random.seed(0)
    other = generator("test", 2)
    assert not np.array_equal(other.random(5), first)
    assert np.array_equal(generator("test", 1).random(5), first)


def test_a_generator_is_philox_seeded_with_the_address() -> None:
    expected = np.random.Generator(np.random.Philox(seed=0xBF703B6609F4D5C5 >> 1)).integers(0, 1000, 8)
    assert np.array_equal(generator(7, "order", 2).integers(0, 1000, 8), expected)


def test_torch_is_seeded_by_the_address_inside_and_unaffected_outside() -> None:
    torch.manual_seed(1)
    expected = torch.rand(4)
    torch.manual_seed(1)
    with torch_at(7, "order", 2):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(4), expected)
    assert torch.equal(inside, torch.rand(3, generator=torch.Generator().manual_seed(0xBF703B6609F4D5C5 >> 1)))


def test_torch_is_unaffected_after_an_error_too() -> None:
    state = torch.random.get_rng_state()
    with pytest.raises(RuntimeError, match="inside"), torch_at("test"):
        torch.rand(3)
        raise RuntimeError("inside")
    assert torch.equal(torch.random.get_rng_state(), state)


def test_nothing_is_kept_for_devices_that_are_not_used() -> None:
    before = len(torch.cuda._queued_calls)
    for n in range(3):
        with torch_at("test", n):
            pass
    assert len(torch.cuda._queued_calls) == before
