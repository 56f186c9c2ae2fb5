"""The page in the browser: boxes are checked and fixed there, and the maps of runs are looked at.

`events` and `state` are what was decided and what follows from it; `store` keeps it in SQLite; `reviewing` is
what can be done with a review; `guard`, `app` and `serve` are the web server; `page` holds the page's files.
"""
