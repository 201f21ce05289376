"""Expressions in CEL: an `Evaluator` (`engine.expressions`) by the library `cel_expr_python`.

Everybody else knows this name alone, so that another runtime can take its place.
"""

from engine.cel.evaluator import CelEvaluator

__all__ = ["CelEvaluator"]
