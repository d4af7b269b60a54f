"""Settings searched for instead of given: Optuna over the signatures of models and the trainer.

| file | holds |
| --- | --- |
| space.py | what is searched: a range for each setting, from its type and its default |
| trial.py | one training of a search, ended early where it is hopeless |
| study.py | the search: many trials, several processes, resumable |
| confirming.py | the best trained with other seeds, and held against the defaults |
| journal.py | where a search is kept |
| page.py | the page about it |
| front.py | from the words of the command to the winner's run, trained like any other |
"""
