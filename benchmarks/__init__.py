"""Measurements; each is a script that prints its figures as JSON."""
