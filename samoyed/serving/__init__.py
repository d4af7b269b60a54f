"""A trained run behind HTTP: an API for programs and a page for people.

| file | holds |
| --- | --- |
| limits.py | every limit, with its default |
| protocol.py | the connection: slow and giant headers, and refusals while too much waits |
| guard.py | who may ask, from where, and how much may be sent |
| waiting.py | the queue: requests of many connections computed together, expired ones never |
| answering.py | bodies -> examples -> answers -> JSON |
| replies.py | a status and a JSON body |
| api.py | the paths and their description |
| direct.py | POST /predict, answered ahead of the paths |
| server.py | the socket, the signals, the end |
| page/ | the page: plain HTML, CSS and JavaScript, from this server alone |
"""
