"""Reading bundles that others made: must-gather, `oc adm inspect`, NVIDIA's own gather.

Nothing is parsed before a check looks at it, and nothing is written but what an archive holds,
into a private folder that is removed in the end.
"""

from oc_gpu.snapshot.bundle.reading import Bundle, open_bundle

__all__ = ["Bundle", "open_bundle"]
