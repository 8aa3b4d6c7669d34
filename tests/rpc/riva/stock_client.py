"""nvidia-riva-client as it comes from the registry, in a process of its own: a process has room for one
protocol of that name, and in the tests' it is ours.

`python stock_client.py describe` prints what the package knows of the protocol; `speak ADDRESS` speaks, and
prints what came.
"""

import base64
import json
import sys

import grpc
import riva.client
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from riva.client.proto import riva_audio_pb2, riva_common_pb2, riva_tts_pb2
from riva.client.proto.riva_audio_pb2 import AudioEncoding

TEXT = "Good morning! This is the first test."


def describe() -> dict:
    found = {}
    for module in (riva_audio_pb2, riva_common_pb2, riva_tts_pb2):
        file = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        found[module.__name__.rpartition(".")[2]] = json_format.MessageToDict(file)
    return found


def speak(address: str) -> dict:
    service = riva.client.SpeechSynthesisService(riva.client.Auth(uri=address))
    config = service.stub.GetRivaSynthesisConfig(riva_tts_pb2.RivaSynthesisConfigRequest())
    first = config.model_config[0].parameters
    voice = f"{first['voice_name']}.{first['subvoices'].split(',')[0].split(':')[0]}"
    whole = service.synthesize(TEXT, voice, sample_rate_hz=22050, enable_word_time_offsets=True)
    online = list(service.synthesize_online([TEXT, "And more."], voice, sample_rate_hz=16000))
    opus = service.synthesize_online(TEXT, voice, encoding=AudioEncoding.OGGOPUS, sample_rate_hz=24000)
    try:
        service.synthesize(TEXT, "Magpie-Multilingual.EN-US.Leo")
        refusal = None
    except grpc.RpcError as error:
        refusal = [error.code().name, error.details()]
    return {
        "voice": voice,
        "whole_s": len(whole.audio) / 2 / 22050,
        "words": [[word.word, word.start_time, word.end_time] for word in whole.meta.words],
        "online": base64.b64encode(b"".join(part.audio for part in online)).decode(),
        "opus": base64.b64encode(b"".join(part.audio for part in opus)).decode(),
        "refusal": refusal,
    }


if __name__ == "__main__":
    print(json.dumps(describe() if sys.argv[1] == "describe" else speak(sys.argv[2])))
