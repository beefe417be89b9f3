"""The workloads of `oc-gpu bench`: a package that needs PyTorch and nothing else.

It also runs alone, so that it can be put into any container that has PyTorch: as one file, which
`oc_gpu.bench.packing` makes of it.

    python workloads.pyz --device cuda --plan plan.json --out result.jsonl
    python workloads.pyz --device cpu --point '{"workload": "matmul", "shape": {"n": 512}}'

What it finds goes to stdout, or to --out, as one JSON object a line, each as soon as it is known:
`plan` and `machine` first, `start` and `point` for every point of the plan, `end` last. A run that
is killed leaves what it had measured. `oc-gpu bench show` makes a report of such files.

Weights and data are drawn on the CPU from a seeded generator and then moved, so that every device
computes the same. The first steps are warm-up and proof at once: their losses and a sample of the
outputs are told, to be compared with those of another device.
"""
