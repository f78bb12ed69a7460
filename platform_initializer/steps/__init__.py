"""The steps, a file each: what a machine lacks, why, and how it gets it."""
