"""Finds anomalies in the histories of transactional clients: a pure function of events and of the logs' last state."""

from .events import Final, load_events, load_final
from .judgement import Anomaly, Judgement, judge

__all__ = ["Anomaly", "Final", "Judgement", "judge", "load_events", "load_final"]
