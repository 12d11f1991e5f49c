"""Tests whether one of two classifiers is right more often on the same images than chance explains."""

from math import exp, lgamma, log

_Z = 1.96
"""Standard deviations that hold 95 % of a normal distribution."""


def exact_mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value of the exact McNemar test, from 0 to 1.

    It is the probability of counts at least as unequal as these, if on each image that one classifier alone gets right,
    either is the right one with probability 1/2. only_first, only_second: number of such images of each classifier.
    Source: McNemar, Psychometrika 1947, with the binomial distribution instead of its approximation.
    """
    differing, fewer = only_first + only_second, min(only_first, only_second)
    if only_first == only_second:
        return 1.0
    logarithms = (
        lgamma(differing + 1) - lgamma(count + 1) - lgamma(differing - count + 1) - differing * log(2)
        for count in range(fewer + 1)
    )
    return min(1.0, 2 * sum(map(exp, logarithms)))


def difference_interval(only_first: int, only_second: int, images: int) -> tuple[float, float]:
    """Return the 95 % interval of the accuracy of the first classifier minus that of the second, from -1 to 1.

    images: number of all images, at least 1. Source: Agresti and Min, Statistics in Medicine 2005: half an image more
    in each of the four cells of the table.
    """
    first, second, every = only_first + 0.5, only_second + 0.5, images + 2
    difference = (first - second) / every
    half = _Z * ((first + second) / every - difference**2) ** 0.5 / every**0.5
    return max(-1.0, difference - half), min(1.0, difference + half)
