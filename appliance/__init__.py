"""Pipistrelle: presence and motion by inaudible sound. The map of this package is README.md beside this file."""

__version__ = "0.1.0"
