"""Makes the image of the SD card, one step after the other; `__main__.py` has the list."""
