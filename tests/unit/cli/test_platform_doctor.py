from cli.platform_day2 import told
from platform_initializer.domain.findings import Finding


def finding(machine: str, evidence: str, code: str = "M101") -> Finding:
    return Finding(code, "error", machine, "little disk is free", evidence, "images fill it", "add some")


def test_what_is_alike_on_several_machines_is_told_once() -> None:
    found = [finding("m1", "1 GiB"), finding("m2", "2 GiB"), finding("m3", "1 GiB"),
             finding("m1", "3 GiB", "M102")]  # fmt: skip
    assert list(told(found)) == [
        "M101 error: m1, m2, m3: little disk is free",
        "    seen: 1 GiB (m1, m3)",
        "    seen: 2 GiB (m2)",
        "    why:  images fill it",
        "    fix:  add some",
        "M102 error: m1: little disk is free",
        "    seen: 3 GiB",
        "    why:  images fill it",
        "    fix:  add some",
    ]
    assert list(told([])) == []
