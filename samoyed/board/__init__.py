"""The runs of a folder as a live page, for this machine alone.

| file | holds |
| --- | --- |
| watching.py | what each run is and how far it has come, read again only where its files have changed |
| app.py | the paths |
| server.py | the socket |
| page/ | the page: plain HTML, CSS and JavaScript, from this server alone |
"""
