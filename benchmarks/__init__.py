"""Samoyed side by side with its peers, in one run. `python -m benchmarks --help`, or `make bench`.

How a figure comes about:

1. The floor is measured: what this machine's matrix multiplication and copying reach, on one thread and on all. A row states
   the operations and bytes that a step cannot do without; the larger of the two times is the step's floor, and each
   contestant is told the share of it that it reaches.
2. Every contestant runs in a process of its own, so that imports, backends and thread pools do not meet. Peers live in a
   virtual environment of their own (`python -m benchmarks setup`).
3. Same work, same answer: from equal weights and an equal batch, all must give the same loss, the same gradient and the same
   losses over a few steps, or the row is abandoned.
4. Rounds are interleaved: in each, every contestant does the same amount of work once, and the order rotates. What other
   processes of the machine burn meanwhile is read from /proc/stat; a timing that was taken under such load is discarded.
5. What is claimed is the median over rounds of (peer's seconds / ours), with its quartiles; of several baselines in one
   family the smaller win is the claim.
"""
