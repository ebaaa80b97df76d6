"""The models that make vectors of texts, as a crew's configuration names them."""

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import boto3
from botocore.config import Config

from quarterdeck.execution.llms import OLLAMA_URL, read_key
from quarterdeck.execution.word_vectors import embed_words
from quarterdeck.systems.configuration import REHEARSAL, Embedder

LONGEST_TEXT = 8_000
"""Characters of a text that are read: no model's limit of tokens is met by so many."""
OPENAI_URL = "https://api.openai.com/v1"
REQUEST_SECONDS = 10.0
REQUESTS_AT_ONCE = 4
WORD_DIMENSIONS = 512


class Embedded(NamedTuple):
    """A vector for each text, and the tokens that the provider counted."""

    vectors: list[list[float]]
    tokens: int


class VectorModel(Protocol):
    """`is_local`: costs nothing and cannot fail, so that nobody has to record what it said."""

    embedder: Embedder
    is_local: bool

    def embed(self, texts: Sequence[str]) -> Embedded:
        """Makes no second attempt: errors are the provider's own."""


def build_vector_model(embedder: Embedder, read_secret: Callable[[str], str]) -> VectorModel:
    """SecretMissing names the secret. Asks nobody."""
    if embedder.model == REHEARSAL:
        return WordModel(embedder)
    if embedder.provider == "bedrock":
        return TitanModel(embedder)
    return OpenAIModel(embedder, read_key(embedder, read_secret))


class WordModel:
    """In the process itself: texts that share words are near each other."""

    is_local = True

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def embed(self, texts: Sequence[str]) -> Embedded:
        dimensions = self.embedder.dimensions or WORD_DIMENSIONS
        return Embedded([embed_words(text[:LONGEST_TEXT], dimensions) for text in texts], 0)


class TitanModel:
    """Amazon Titan Text Embeddings: a request for each text, a few at once."""

    is_local = False

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def embed(self, texts: Sequence[str]) -> Embedded:
        if len(texts) == 1:
            answers = [self._ask(texts[0])]
        else:
            with ThreadPoolExecutor(REQUESTS_AT_ONCE, "titan") as pool:
                answers = list(pool.map(self._ask, texts))
        tokens = sum(answer["inputTextTokenCount"] for answer in answers)
        return Embedded([answer["embedding"] for answer in answers], tokens)

    def _ask(self, text: str) -> dict[str, Any]:
        body: dict[str, Any] = {"inputText": text[:LONGEST_TEXT]}
        if self.embedder.dimensions:
            body["dimensions"] = self.embedder.dimensions
        model = self.embedder.model.partition("/")[2]
        answer = self._client.invoke_model(modelId=model, body=json.dumps(body))
        return dict(json.loads(answer["body"].read()))

    @cached_property
    def _client(self) -> Any:
        config = Config(
            connect_timeout=REQUEST_SECONDS,
            read_timeout=REQUEST_SECONDS,
            retries={"total_max_attempts": 1, "mode": "standard"},
        )
        url = self.embedder.base_url
        return boto3.client(
            "bedrock-runtime",
            region_name=os.environ.get("AWS_REGION"),
            endpoint_url=str(url) if url else None,
            config=config,
        )


class OpenAIModel:
    """OpenAI, and servers that speak as it does."""

    is_local = False

    def __init__(self, embedder: Embedder, key: str) -> None:
        self.embedder = embedder
        self._key = key

    def embed(self, texts: Sequence[str]) -> Embedded:
        wanted: dict[str, Any] = {}
        if self.embedder.dimensions:
            wanted["dimensions"] = self.embedder.dimensions
        answer = self._client.embeddings.create(
            model=self.embedder.model.partition("/")[2],
            input=[text[:LONGEST_TEXT] for text in texts],
            encoding_format="float",
            **wanted,
        )
        found = sorted(answer.data, key=lambda one: one.index)
        if len(found) != len(texts):
            raise ValueError(f"{len(texts)} texts were sent, and {len(found)} vectors came back")
        return Embedded(
            [one.embedding for one in found], answer.usage.prompt_tokens if answer.usage else 0
        )

    @cached_property
    def _client(self) -> Any:
        # Imported here: its models are many, and most crews ask other providers.
        from openai import OpenAI

        # Always given: without it the client takes what the process's variables say.
        usual = OLLAMA_URL if self.embedder.provider == "ollama" else OPENAI_URL
        return OpenAI(
            api_key=self._key,
            base_url=str(self.embedder.base_url or usual),
            timeout=REQUEST_SECONDS,
            max_retries=0,
        )
