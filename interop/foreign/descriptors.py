#!/usr/bin/env python3
"""Checks that Selvedge's protobuf definitions are Fabric's.

Compares the descriptors that are checked in beside the generated code with those of the official Python bindings
(`hyperledger-fabric-protos` on PyPI): every message, enumeration and service that Selvedge defines must exist there
with exactly the same fields, values and methods. Fabric may have more messages; of the package `gossip` it may not.
Messages that no recording holds are covered as well.

    descriptors.py [path to descriptors.bin]
"""

import copy
import importlib
import pathlib
import pkgutil
import sys

from google.protobuf import descriptor_pb2, descriptor_pool

import fabric_protos

DESCRIPTORS = pathlib.Path(__file__).parents[2] / "crates/proto/src/generated/descriptors.bin"

# Fields of Fabric that Selvedge leaves out on purpose: (message, field) -> reason. None at present.
LEFT_OUT: dict[tuple[str, str], str] = {}

# Packages of which every message must be there.
WHOLE_PACKAGES = {"gossip"}

Field = descriptor_pb2.FieldDescriptorProto


def definitions(files):
    """All messages, enumerations and services by full name, with nested ones."""
    found = {}

    def message(scope, descriptor):
        name = f"{scope}.{descriptor.name}"
        found[name] = descriptor
        for nested in descriptor.nested_type:
            message(name, nested)
        for enum in descriptor.enum_type:
            found[f"{name}.{enum.name}"] = enum

    for file in files:
        for descriptor in file.message_type:
            message(file.package, descriptor)
        for descriptor in [*file.enum_type, *file.service]:
            found[f"{file.package}.{descriptor.name}"] = descriptor
    return found


def official():
    """The definitions of the bindings."""
    for module in pkgutil.walk_packages(fabric_protos.__path__, "fabric_protos."):
        if module.name.endswith("_pb2"):
            importlib.import_module(module.name)
    pool = descriptor_pool.Default()
    files = {}

    def add(file):
        if file.name in files:
            return
        files[file.name] = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(files[file.name])
        for dependency in file.dependencies:
            add(dependency)

    for name, module in list(sys.modules.items()):
        if name.startswith("fabric_protos.") and name.endswith("_pb2"):
            add(pool.FindFileByName(module.DESCRIPTOR.name))
    return definitions(files.values())


def field_facts(message, field):
    """What of a field decides over its bytes and its JSON."""
    oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else None
    return {
        "number": field.number,
        "type": Field.Type.Name(field.type),
        "type name": field.type_name,
        "label": Field.Label.Name(field.label),
        "oneof": oneof,
        "optional": field.proto3_optional,
        "JSON name": field.json_name or json_name(field.name),
        "packed": field.options.packed if field.options.HasField("packed") else None,
    }


def json_name(name):
    head, *tail = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in tail)


def compare_message(name, ours, theirs):
    """Yields what differs."""
    if ours.options.map_entry != theirs.options.map_entry:
        yield f"{name}: map entry or not"
    our_fields = {field.name: field_facts(ours, field) for field in ours.field}
    their_fields = {field.name: field_facts(theirs, field) for field in theirs.field}
    for field, facts in our_fields.items():
        if field not in their_fields:
            yield f"{name}.{field}: Fabric has no such field"
            continue
        for fact, value in facts.items():
            wanted = their_fields[field][fact]
            if value != wanted:
                yield f"{name}.{field}: {fact} is {value}, Fabric has {wanted}"
    for field in their_fields.keys() - our_fields.keys():
        if (name, field) not in LEFT_OUT:
            yield f"{name}.{field}: left out without a reason"


def compare_numbered(name, what, ours, theirs):
    for item in sorted(ours.keys() | theirs.keys()):
        if ours.get(item) != theirs.get(item):
            yield f"{name}: {what} {item} is {ours.get(item)}, Fabric has {theirs.get(item)}"


def compare(ours, theirs):
    """Yields everything that differs."""
    for name, descriptor in ours.items():
        other = theirs.get(name)
        if other is None:
            yield f"{name}: Fabric has no such definition"
        elif type(other) is not type(descriptor):
            yield f"{name}: another kind of definition"
        elif isinstance(descriptor, descriptor_pb2.DescriptorProto):
            yield from compare_message(name, descriptor, other)
        elif isinstance(descriptor, descriptor_pb2.EnumDescriptorProto):
            values = lambda enum: {value.name: value.number for value in enum.value}
            yield from compare_numbered(name, "value", values(descriptor), values(other))
        else:
            methods = lambda service: {
                method.name: (
                    method.input_type,
                    method.output_type,
                    method.client_streaming,
                    method.server_streaming,
                )
                for method in service.method
            }
            yield from compare_numbered(name, "method", methods(descriptor), methods(other))
    for name in sorted(theirs.keys() - ours.keys()):
        if name.split(".")[0] in WHOLE_PACKAGES:
            yield f"{name}: missing"


def check_the_check(ours, theirs):
    """Each of these changes must be noticed, or the comparison is worth nothing."""

    def changed(change):
        altered = {name: copy.deepcopy(descriptor) for name, descriptor in ours.items()}
        change(altered)
        return any(compare(altered, theirs))

    def field(definitions, message, name):
        return next(field for field in definitions[message].field if field.name == name)

    def set_number(d):
        field(d, "gossip.PeerTime", "inc_num").number = 9

    def set_type(d):
        field(d, "common.BlockHeader", "number").type = Field.TYPE_FIXED64

    def set_label(d):
        field(d, "gossip.MembershipResponse", "alive").label = Field.LABEL_OPTIONAL

    def set_type_name(d):
        field(d, "gossip.AliveMessage", "membership").type_name = ".gossip.Empty"

    def rename(d):
        field(d, "gossip.StateInfo", "channel_MAC").name = "channel_mac"

    def leave_oneof(d):
        field(d, "gossip.Secret", "internalEndpoint").ClearField("oneof_index")

    def drop_field(d):
        del d["msp.FabricMSPConfig"].field[5]

    def add_message(d):
        d["gossip.Extra"] = descriptor_pb2.DescriptorProto(name="Extra")

    def drop_message(d):
        del d["gossip.PvtDataDigest"]

    def set_value(d):
        d["common.Status"].value[1].number = 201

    def drop_method(d):
        del d["gossip.Gossip"].method[1]

    changes = [
        set_number,
        set_type,
        set_label,
        set_type_name,
        rename,
        leave_oneof,
        drop_field,
        add_message,
        drop_message,
        set_value,
        drop_method,
    ]
    return [change.__name__ for change in changes if not changed(change)]


def main():
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else DESCRIPTORS
    ours = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes())
    for file in ours.file:
        if file.syntax != "proto3":
            sys.exit(f"{file.name}: not proto3")
    ours, theirs = definitions(ours.file), official()
    differences = list(compare(ours, theirs))
    unnoticed = check_the_check(ours, theirs)
    for difference in differences:
        print(difference)
    for change in unnoticed:
        print(f"the comparison does not notice {change}")
    kinds = [type(descriptor).__name__ for descriptor in ours.values()]
    counts = ", ".join(
        f"{kinds.count(kind + 'DescriptorProto')} {plural}"
        for kind, plural in [("", "messages"), ("Enum", "enumerations"), ("Service", "services")]
    )
    print(f"{counts}: {len(differences)} differences")
    return 1 if differences or unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
