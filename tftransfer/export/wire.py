"""Protocol buffers whose Python classes are not ours to import, described by their field numbers."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["message_class"]

_TYPES = {
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    # A message of another file has the same bytes on the wire, so that it can be left to its own class.
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
}


def message_class(name: str, messages: Mapping[str, Mapping[str, tuple[int, str]]]) -> Any:
    """Returns a class for a message, made of the fields that are given; it skips other fields when it reads.

    Args:
        name: str. Which of `messages` to return.
        messages: dict. Message -> field -> (number, type), where a type is "string", "int64", "bytes" or another
            message of the dict, with "repeated " before it for a list.

    Returns:
        A protobuf message class.
    """
    file = descriptor_pb2.FileDescriptorProto(name="tftransfer.proto", package="tftransfer", syntax="proto3")
    for message, fields in messages.items():
        description = file.message_type.add(name=message)
        for field, (number, kind) in fields.items():
            _add_field(description, field, number, kind)
    # A pool of its own: in the common one, an installed tensorflow-serving-api has the same names.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tftransfer.{name}"))


def _add_field(description: Any, name: str, number: int, kind: str) -> None:
    repeated, _, plain = kind.rpartition(" ")
    field = description.field.add(name=name, number=number)
    field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
    if plain in _TYPES:
        field.type = _TYPES[plain]
    else:
        field.type, field.type_name = field.TYPE_MESSAGE, f".tftransfer.{plain}"
