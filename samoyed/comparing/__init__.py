"""Runs side by side: what differs between them, and whether it is more than chance.

| file | holds |
| --- | --- |
| identity.py | what tells examples apart |
| beside.py | earlier runs on the same examples, for a report |
| paired.py | the tests on the same examples |
| alike.py | whether runs may be compared: one task, the same test examples |
| speed.py | how fast each answers, measured in turn |
| sides.py | all of it, for several runs |
| table.py | the same for the terminal |
"""
