"""One script per job; `mmtoolkit NAME …` and `python pipelines/NAME.py …` run the same `main`."""
