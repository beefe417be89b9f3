"""What all logs have in common, whoever keeps them."""

from collections.abc import AsyncIterator


async def limited(pieces: AsyncIterator[bytes], limit: int | None) -> AsyncIterator[bytes]:
    """Yield the first bytes of a log.

    Args:
        pieces: The log.
        limit: How many bytes, None for all.
    """
    left = limit
    async for piece in pieces:
        if left is None:
            yield piece
            continue
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            return
