"""Splitting money without losing any: shares by weight, exact to the last step."""

from collections.abc import Mapping
from decimal import Context, Decimal
from fractions import Fraction
from math import gcd, lcm
from typing import Generic, TypeVar

from shoestring.domain.units import MONEY_STEP

REMAINDER = "(remainder)"
K = TypeVar("K")
EXACT = Context(prec=60)  # more digits than any amount has
FINEST = 10**18  # parts of a whole: the engine's widest integers hold twice its square


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
    return Splitter(weights, step)(amount)


class Splitter(Generic[K]):
    """:func:`split` of many amounts by the same weights.

    Attributes:
        whole: the weights as whole numbers in the same proportions.

    Raises:
        ValueError: nobody to share, or a negative weight.
    """

    def __init__(self, weights: Mapping[K, Decimal | float | int], step: Decimal = MONEY_STEP) -> None:
        if not weights:
            raise ValueError("nobody to share it among")
        whole = _whole_numbers(weights)
        if any(weight < 0 for weight in whole.values()):
            raise ValueError("a weight is 0 or more")
        if not any(whole.values()):
            whole = dict.fromkeys(whole, 1)
        self.whole = whole
        self._keys, self._weights = tuple(whole), tuple(whole.values())
        self._total, self._step = sum(self._weights), step
        self._as_text = sorted(range(len(self._keys)), key=lambda place: str(self._keys[place]))

    def __call__(self, amount: Decimal) -> dict[K, Decimal]:
        """The shares of one amount. Raises ValueError where it is no multiple of the step."""
        steps, odd = EXACT.divmod(amount, self._step)
        if odd:
            raise ValueError(f"{amount} is no multiple of {self._step}")
        sign, shared = (-1 if steps < 0 else 1), abs(int(steps))
        counts, over = [], []
        for weight in self._weights:
            count, rest = divmod(shared * weight, self._total)
            counts.append(count)
            over.append(rest)
        if left := shared - sum(counts):
            for place in sorted(self._as_text, key=lambda place: -over[place])[:left]:
                counts[place] += 1
        return {
            key: EXACT.multiply(Decimal(sign * count), self._step)
            for key, count in zip(self._keys, counts, strict=True)
        }


class Cuts(Generic[K]):
    """A whole cut into parts by weight, and amounts cut at the same places: what engines can do by themselves.

    The keys lie side by side in the order of their texts; an amount is cut where theirs end, each place rounded to
    the nearest step (halves up), and a part is what lies between two cuts. So parts add up exactly, each is less
    than one step from its due, and one multiplication and one division make a part, without a look at the others.

    Attributes:
        bounds: where each part begins and ends, in wholes of ``total``.
        total: the weights' sum as whole numbers, or `FINEST` where they need finer ones than that.
        ratios: of the whole that each key gets; they add up to 1.

    >>> Cuts({"a": 1, "b": 1, "c": 1})(Decimal("0.000000000010"))["b"]
    Decimal('4E-12')

    Raises:
        ValueError: nobody to share, or a negative weight.
    """

    def __init__(self, weights: Mapping[K, Decimal | float | int]) -> None:
        by_weight = Splitter(weights, Decimal(1))
        whole = by_weight.whole
        if sum(whole.values()) > FINEST:
            whole = {key: int(part) for key, part in by_weight(Decimal(FINEST)).items()}
        self.total, end = sum(whole.values()), 0
        bounds = {}
        for key in sorted(whole, key=str):
            bounds[key] = (end, end + whole[key])
            end += whole[key]
        self.bounds = {key: bounds[key] for key in whole}
        self.ratios = {key: Fraction(high - low, self.total) for key, (low, high) in self.bounds.items()}

    def __call__(self, amount: Decimal) -> dict[K, Decimal]:
        """The parts of one amount. Raises ValueError where it is no multiple of the ledger's step."""
        steps, odd = EXACT.divmod(amount, MONEY_STEP)
        if odd:
            raise ValueError(f"{amount} is no multiple of {MONEY_STEP}")
        sign, size = (-1 if steps < 0 else 1), abs(int(steps))
        return {
            key: EXACT.multiply(Decimal(sign * (self._cut(size, high) - self._cut(size, low))), MONEY_STEP)
            for key, (low, high) in self.bounds.items()
        }

    def _cut(self, size: int, place: int) -> int:
        return (2 * size * place + self.total) // (2 * self.total)


def _whole_numbers(weights: Mapping[K, Decimal | float | int]) -> dict[K, int]:
    """Weights in the same proportions, exactly: whole numbers are split much faster than fractions."""
    exact = {key: Fraction(weight) for key, weight in weights.items()}
    common = lcm(*(weight.denominator for weight in exact.values()))
    whole = {key: weight.numerator * (common // weight.denominator) for key, weight in exact.items()}
    most = gcd(*whole.values()) or 1
    return {key: weight // most for key, weight in whole.items()}


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
