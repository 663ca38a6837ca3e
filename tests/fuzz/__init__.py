"""Hostile input: random and mutated messages to gateway and unit, schemathesis over the API."""
