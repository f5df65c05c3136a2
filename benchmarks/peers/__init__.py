"""Our retriever side by side with what people use today, on equal terms; `python -m benchmarks.peers --help` tells how.

Every log is split once. Every contender learns from the same interactions in a process of its own, on one thread, and
hands back lists of item numbers, which our evaluator marks. Peers live in an environment of their own, which knows
nothing of `recsys_cl`: what runs there imports numpy and scipy, and the library it is about.
"""
