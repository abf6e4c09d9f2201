"""Training: `train(config, run)` reads a TOML file, and leaves a model folder and everything needed to go on later."""

from engine.training.config import TrainConfig, read_config
from engine.training.trainer import train

__all__ = ["TrainConfig", "read_config", "train"]
