"""How loaded a node is: the harmonic mean of CPU load and RAM in use (architecture.md, 3)."""

from __future__ import annotations

CEILING = 0.90
"""A node over this in either CPU or RAM is not eligible: the harmonic mean leans to the smaller
number (RAM 95 %, CPU 2 % gives 3.9 %) and would hide it."""


def harmonic_mean(cpu: float, ram: float) -> float:
    """Return 2·cpu·ram / (cpu + ram), fractions 0..1; 0 when either is 0."""
    return 2 * cpu * ram / (cpu + ram) if cpu > 0 and ram > 0 else 0.0


def is_over_ceiling(cpu: float, ram: float) -> bool:
    """Tell whether a node is too loaded to be given anything."""
    return cpu > CEILING or ram > CEILING
