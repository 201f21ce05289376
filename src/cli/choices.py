"""Choices that options of commands offer."""

from enum import Enum


class Format(Enum):
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class ActivityNames(Enum):
    NAME = "name"
    ID = "id"


class People(Enum):
    NAME = "name"
    EMAIL = "email"
    ID = "id"


class Shown(Enum):
    EXECUTION = "execution"
    NODE = "node"
    REQUEST = "request"
    DECISION = "decision"
    AI = "ai"
