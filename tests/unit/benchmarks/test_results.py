import json
from datetime import UTC, datetime

from benchmarks import results

STORM = {
    "id": "b1", "size": 100_000, "ours": 12345.678, "limit": 20_000, "ratio_to_limit": 0.617,
    "unit": "jobs/s", "spread": 12.5, "limits": {"sql": 3}, "early": 0, "memory_mb": 155,
}  # fmt: skip
FACTS = {"command": "python -m benchmarks b1 --keep", "machine": "2 cores, quiet"}


def test_a_kept_result_is_read_back_and_replaces_the_one_before(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    on = datetime(2026, 11, 25, tzinfo=UTC)
    results.keep({**STORM, "ours": 1.0}, FACTS, on)
    file = results.keep(STORM, FACTS, on)
    results.keep({**STORM, "size": 10}, FACTS, on)
    assert file.name == "b1-100000.json"
    assert [one["size"] for one in results.kept()] == [10, 100_000]
    assert results.kept()[1] == {**STORM, **FACTS, "on": "2026-11-25"}


def test_a_row_shows_the_figures_the_aim_and_how_to_get_them():
    row = results.table([{**STORM, **FACTS, "on": "2026-11-25"}]).splitlines()[-1]
    assert row == (
        "| B1 | 100,000 | 12,346 | 20,000 | jobs/s | 0.617 | early 0, memory_mb 155 "
        "| ≥ 0.7 of the limit at 100 k | 2 cores, quiet, 2026-11-25 "
        "| `python -m benchmarks b1 --keep` |"
    )


def test_only_the_table_of_the_document_is_written_anew():
    text = f"before\n{results.BEGIN}\n\nold\n\n{results.END}\nafter\n"
    written = results.document(text, [])
    assert written.startswith("before\n")
    assert written.endswith(f"{results.END}\nafter\n")
    assert "old" not in written
    assert results.document(written, []) == written


def test_every_kept_result_has_what_the_table_shows():
    for one in results.kept():
        assert {"id", "size", "ours", "limit", "ratio_to_limit", "unit", "command"} <= set(one)
        assert json.dumps(one)
