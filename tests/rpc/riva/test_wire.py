"""Riva's protocol, held against the package of its makers."""

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from servers.rpc.riva import riva_audio_pb2, riva_common_pb2, riva_tts_pb2

from .stock import stock


@pytest.fixture(scope="module")
def described():
    return stock("describe")


@pytest.mark.parametrize("module", [riva_audio_pb2, riva_common_pb2, riva_tts_pb2])
def test_every_name_number_and_type_is_theirs(module, described):
    ours = FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(ours)
    theirs = described[module.__name__.rpartition(".")[2]]
    for told in (theirs, own := json_format.MessageToDict(ours)):
        for where_it_is in ("name", "dependency", "options"):
            told.pop(where_it_is, None)
        for service in told.get("service", []):
            for method in service["method"]:
                method.pop("options", None)
    assert own == theirs
