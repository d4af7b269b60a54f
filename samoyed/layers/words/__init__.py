"""What models of words share: vectors learned from windows of text by kernels, or by the same equations in PyTorch.

`model` is what skip-gram and CBOW have in common, `learning` takes a model through a part of a text, `library` finds the kernels,
`reference` states the same steps and the same draws in PyTorch, `tables` makes noise, paths and chances from counts of words.
"""

from samoyed.layers.words.model import WordModel

__all__ = ["WordModel"]
