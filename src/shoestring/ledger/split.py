"""Splitting money without losing any: shares by weight, exact to the last step."""

from collections.abc import Mapping
from decimal import Decimal, localcontext
from fractions import Fraction
from math import lcm
from typing import TypeVar

from shoestring.domain.units import MONEY_STEP

REMAINDER = "(remainder)"
K = TypeVar("K")


def split(
    amount: Decimal, weights: Mapping[K, Decimal | float | int], step: Decimal = MONEY_STEP
) -> dict[K, Decimal]:
    """Shares of ``amount`` by weight, multiples of ``step``, summing exactly to it (largest remainder).

    Ties go to the key that sorts first as text, so that order means nothing. Equal weights when all are 0.

    Raises:
        ValueError: nobody to share, a negative weight, or an amount that is no multiple of ``step``.

    >>> split(Decimal("1.00"), {"a": 1, "b": 1, "c": 1}, Decimal("0.01"))
    {'a': Decimal('0.34'), 'b': Decimal('0.33'), 'c': Decimal('0.33')}
    """
    if not weights:
        raise ValueError(f"{amount}: nobody to share it among")
    whole = _whole_numbers(weights)
    if any(weight < 0 for weight in whole.values()):
        raise ValueError("a weight is 0 or more")
    total = sum(whole.values())
    if total == 0:
        whole, total = dict.fromkeys(whole, 1), len(whole)
    steps = Fraction(amount) / Fraction(step)
    if steps.denominator != 1:
        raise ValueError(f"{amount} is no multiple of {step}")
    sign = -1 if steps < 0 else 1
    shared = abs(steps.numerator)
    counts = {key: shared * weight // total for key, weight in whole.items()}
    rest = shared - sum(counts.values())
    for key in sorted(whole, key=lambda key: (-(shared * whole[key] % total), str(key)))[:rest]:
        counts[key] += 1
    with localcontext(prec=60):
        return {key: sign * count * step for key, count in counts.items()}


def _whole_numbers(weights: Mapping[K, Decimal | float | int]) -> dict[K, int]:
    """Weights in the same proportions, exactly: whole numbers are split much faster than fractions."""
    exact = {key: Fraction(weight) for key, weight in weights.items()}
    common = lcm(*(weight.denominator for weight in exact.values()))
    return {key: weight.numerator * (common // weight.denominator) for key, weight in exact.items()}


def fractions_of_one(parts: Mapping[str, Fraction | float]) -> dict[str, Fraction]:
    """Fractions of one GPU (MIG slices, time slices), with what nobody holds as a line of its own.

    Raises:
        ValueError: a fraction is negative, or together they are more than the whole.

    >>> fractions_of_one({"a": Fraction(3, 7), "b": Fraction(2, 7)})["(remainder)"]
    Fraction(2, 7)
    """
    exact = {name: Fraction(part).limit_denominator(10**6) for name, part in parts.items()}
    if any(part < 0 for part in exact.values()):
        raise ValueError("a fraction of a GPU is 0 or more")
    held = sum(exact.values(), Fraction(0))
    if held > 1:
        raise ValueError(f"fractions of one GPU add up to {float(held):g}, more than the whole")
    return exact | ({REMAINDER: 1 - held} if held < 1 else {})
