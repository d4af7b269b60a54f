"""`python -m samoyed` is `samoyed`."""

from samoyed.cli import main

main()
