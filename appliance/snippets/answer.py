"""What people say of a snippet. It stands alone because it is a command's word, kept snippets or not."""

import enum


class Answer(enum.StrEnum):
    """What its owner says of a snippet: who moved, or what."""

    NOBODY = "nobody"
    SOMEBODY = "somebody"
    PET = "pet"
    FAN = "fan"
    CURTAIN = "curtain"
    OTHER = "other"
