"""Options of networks and of how they are connected."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.options.section import FilePath, Section


class Component(BaseModel):
    """A thing with arguments: what is no field here is an argument of its class."""

    model_config = ConfigDict(extra="allow", frozen=True)

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments for the class."""
        return dict(self.model_extra or {})


class Network(Component):
    """A network by its type."""

    type: str = Field(description="which network: python -m tools.options --networks")
    weights: FilePath | None = Field(None, description="file of weights to start from")


class Joint(Section):
    """How the two networks are connected."""

    normalise: Literal["instance", "local", "fixed", "none"] = Field(
        "instance", description="before segmentation; local: instance, in windows of the training crop's side"
    )
    clip: bool = Field(True, description="clip the restored image to [0,1] at inference, as the paper does")
    handover: bool = Field(False, description="hand the SR network's features over beside the image")
    connection: Literal["chain", "residual"] = Field(
        "chain",
        description="chain: the restored image is segmented; residual: the bicubic enlargement is, with what "
        "restoration changed joining the features through convolutions that start at zero",
    )
    stop_gradient: bool = Field(False, description="the gradient of the segmentation does not reach the SR network")
