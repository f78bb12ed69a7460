"""What the services' users may read of each other's tables is just what their queries read."""

import re
from pathlib import Path

import pytest

from node_manager import migrations as node_manager
from scheduler import schedulerInit

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(("package", "module"), [
    ("scheduler", schedulerInit), ("node_manager", node_manager)])
def test_a_service_may_read_the_tables_its_queries_name_and_no_others(package, module):
    statements = "\n".join(
        line for path in (ROOT / package).rglob("*.sql") for line in path.read_text().splitlines()
        if not line.startswith("--"))
    assert set(re.findall(r"rota_app\.\w+", statements)) == set(module.READ)
    assert set(module.GRANTS) == {
        f"SELECT, INSERT, UPDATE, DELETE ON {module.DATABASE}.*",
        *(f"SELECT ON {table}" for table in module.READ)}
