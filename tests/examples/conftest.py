"""The running Gesta of the API's tests."""

from tests.api.conftest import gesta

__all__ = ["gesta"]
