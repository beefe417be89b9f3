"""Words for numbers of things."""


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with the word for so many.

    >>> counted(1, "file was", "files were"), counted(2, "file")
    ('1 file was', '2 files')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"
