"""What is generated and committed equals what would be generated now."""

from benchmarks import results
from scripts import asyncapi


def test_the_asyncapi_document_is_that_of_the_messages():
    assert asyncapi.TARGET.read_text(encoding="utf-8") == asyncapi.text(), (
        "run: python -m scripts.asyncapi"
    )


def test_every_topic_says_who_writes_it():
    channels = asyncapi.document()["channels"]
    assert len(channels) == 9
    assert all("Written by" in channel["description"] for channel in channels.values())


def test_the_table_of_benchmarks_is_that_of_the_kept_results():
    text = results.DOCUMENT.read_text(encoding="utf-8")
    assert results.document(text, results.kept()) == text, "run: python -m benchmarks table"
