"""Endpoints of simulated patients: how they are scanned, judged, followed and counted.

`scans` reads simulated lesions as a reader of CT does, `recist` and `irecist` judge the scans, `survival` gives death,
dropout and the end of follow-up, `toxicity` grade >= 3 events, `statistics` shares and survival curves with intervals,
and `outcomes` puts them together into the rows of a trial's tables. Takes trajectories of `systemic`; everything is
NumPy on whole arms. May import: ``systemic`` and the layers above ``trial``.
"""
