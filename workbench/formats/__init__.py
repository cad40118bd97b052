"""Typed, versioned JSON files."""
