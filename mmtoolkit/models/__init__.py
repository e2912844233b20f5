from mmtoolkit.models.captioner import Captioner

__all__ = ["Captioner"]
