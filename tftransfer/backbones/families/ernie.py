"""ERNIE (Sun et al., 2019 to 2021, https://arxiv.org/abs/1904.09223, https://arxiv.org/abs/2107.02137)."""

from collections.abc import Mapping
from typing import Any

from tftransfer import registry
from tftransfer.backbones.families.bert import Bert


@registry.backbones.register("ernie")
class Ernie(Bert):
    """BERT, with embeddings of task types from ERNIE 2.0 on; as in the reference, a text is of the first type."""

    architecture = "Ernie"
    prefix = "ernie."
    checkpoints = ()  # BERT's are not of this type
    fixed = {**Bert.fixed, "use_task_id": (False, True)}

    def extras(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        return {"task_type_vocab_size": raw.get("task_type_vocab_size", 3) if raw.get("use_task_id") else 0}
