"""The SD card of the image: what its owner writes on it, and which of its two systems starts."""
