"""The options of an experiment: every key, its type, its default and what it means.

Unknown keys, wrong types and contradictions are refused before anything is built. Options of a
network are the keyword arguments of its class, so a new network needs no entry here.
"""

from engine.options.data import Drawn, Folder
from engine.options.experiment import Corrections, Options
from engine.options.networks import Network
from engine.options.training import Loss, StageOptions, Train

__all__ = ["Corrections", "Drawn", "Folder", "Loss", "Network", "Options", "StageOptions", "Train"]
