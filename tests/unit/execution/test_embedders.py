"""Vectors of texts: by words in the process, by OpenAI's protocol, by Titan."""

import io
import json
import os
from http import HTTPStatus
from typing import Any

import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.execution.embedders import (
    LONGEST_TEXT,
    OPENAI_URL,
    TitanModel,
    build_vector_model,
)
from quarterdeck.execution.llms import OLLAMA_URL
from quarterdeck.execution.provider_faults import classify_fault
from quarterdeck.execution.word_vectors import embed_words
from quarterdeck.systems.configuration import Embedder
from quarterdeck.vault import SecretMissing
from tests.openai_server import EMBEDDING_TOKENS, OpenAIServer

SECRETS = {"openai": "key-1", "blank": ""}


def build(model: str, **fields: Any) -> Any:
    return build_vector_model(Embedder(model=model, **fields), SECRETS.__getitem__)


def compare(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


FACTS = [
    "The harbour of Rotterdam was closed for a storm in March.",
    "Invoices of the supplier are paid within thirty days.",
    "Tomatoes need six hours of sun a day.",
    "The supplier of the steel has moved to Hamburg.",
    "Our customers prefer to be called in the morning.",
]


@pytest.mark.parametrize(
    ("question", "fact"),
    [
        ("Within how many days do we pay an invoice of a supplier?", 1),
        ("why was Rotterdam's harbour closing", 0),
        ("sunny hours for a tomato", 2),
        ("When do customers like calls?", 4),
    ],
)
def test_a_paraphrase_with_shared_words_ranks_first(question: str, fact: int) -> None:
    asked, *kept = build("rehearsal").embed([question, *FACTS]).vectors
    scores = [compare(asked, vector) for vector in kept]
    assert max(range(len(scores)), key=scores.__getitem__) == fact
    assert scores[fact] > 0.3 > sorted(scores)[-2]


@given(st.text(max_size=200), st.sampled_from([64, 512]))
def test_words_make_one_vector_of_length_one(text: str, dimensions: int) -> None:
    vector = embed_words(text, dimensions)
    assert len(vector) == dimensions
    assert compare(vector, vector) == pytest.approx(1)
    assert embed_words(text, dimensions) == vector


def test_openai_gets_all_texts_in_one_request_and_gives_their_vectors_in_order() -> None:
    with OpenAIServer() as server:
        model = build("openai/small", base_url=server.url, secret="openai", dimensions=64)
        embedded = model.embed(["salt of the sea", "s" * (LONGEST_TEXT + 1)])
    assert [len(vector) for vector in embedded.vectors] == [64, 64]
    assert embedded.vectors[0] == pytest.approx(embed_words("salt of the sea", 64))
    assert embedded.tokens == EMBEDDING_TOKENS
    (body,) = server.embedded
    assert (body["model"], body["dimensions"]) == ("small", 64)
    assert [len(text) for text in body["input"]] == [15, LONGEST_TEXT]


def test_a_key_goes_to_the_constructor_and_to_where_the_configuration_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere:1")
    monkeypatch.setenv("OPENAI_API_KEY", "the-machine's")
    before = dict(os.environ)
    client = build("openai/small", secret="openai")._client
    assert (client.api_key, str(client.base_url).rstrip("/")) == ("key-1", OPENAI_URL)
    assert (client.max_retries, client.timeout) == (0, 10.0)
    assert str(build("ollama/nomic")._client.base_url).rstrip("/") == OLLAMA_URL
    assert dict(os.environ) == before


def test_a_secret_that_is_blank_is_told_of() -> None:
    with pytest.raises(SecretMissing, match="secret 'blank' of the model 'openai/small' is empty"):
        build("openai/small", secret="blank")


def test_a_refusal_is_a_fault_that_passes_and_is_not_tried_again() -> None:
    with OpenAIServer() as server:
        server.refuse_embedding = HTTPStatus.TOO_MANY_REQUESTS
        with pytest.raises(Exception, match="429") as refused:
            build("openai/small", base_url=server.url).embed(["x"])
    fault = classify_fault(refused.value)
    assert fault is not None
    assert fault.kind == "throttled"


def answer_titan(vector: list[float], tokens: int) -> dict[str, Any]:
    body = json.dumps({"embedding": vector, "inputTextTokenCount": tokens}).encode()
    return {"body": io.BytesIO(body), "contentType": "application/json"}


def test_titan_is_asked_for_each_text_with_the_dimensions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    model = TitanModel(Embedder(model="bedrock/amazon.titan-embed-text-v2:0", dimensions=256))
    assert model._client.meta.region_name == "eu-central-1"
    assert model._client.meta.config.read_timeout == 10
    with Stubber(model._client) as bedrock:
        for text, tokens in (("one", 3), ("two", 4)):
            bedrock.add_response(
                "invoke_model",
                answer_titan([1.0, 0.0], tokens),
                {
                    "modelId": "amazon.titan-embed-text-v2:0",
                    "body": json.dumps({"inputText": text, "dimensions": 256}),
                },
            )
        one, two = model.embed(["one"]), model.embed(["two"])
        bedrock.assert_no_pending_responses()
    assert (one.vectors, one.tokens, two.tokens) == ([[1.0, 0.0]], 3, 4)
    monkeypatch.setattr(
        model, "_ask", lambda text: {"embedding": [len(text)], "inputTextTokenCount": 1}
    )
    several = model.embed(["a", "bb", "ccc"])
    assert several == ([[1], [2], [3]], 3)
