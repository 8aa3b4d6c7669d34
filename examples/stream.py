"""A client of the streaming worker: python examples/stream.py 127.0.0.1:7002 "Good morning."

It speaks the text into stream.wav, and goes on at the next frame where the connection is lost. Any other
language does the same with what its protoc makes of servers/rpc/skylark.proto.
"""

import sys
import time
import wave

import grpc

from servers.rpc import skylark_pb2 as tts
from servers.rpc.skylark_pb2_grpc import TTSStub

address, text = sys.argv[1:]
stub = TTSStub(grpc.insecure_channel(address))
session = stub.StartSession(tts.StartSessionRequest(loudness=tts.Loudness(method=tts.Loudness.VOICE)))
file = wave.open("stream.wav", "wb")  # noqa: SIM115
file.setparams((1, 2, session.sample_rate, 0, "NONE", ""))

next_frame, texts, tries = 0, [text], 10
while tries > 0:
    opening = tts.SynthesizeRequest(opening=tts.Opening(session_id=session.session_id, from_frame=next_frame))
    said = [tts.SynthesizeRequest(text=tts.Text(text=each)) for each in texts]
    try:
        for response in stub.Synthesize(iter([opening, *said])):
            if response.HasField("opened"):
                texts = texts[response.opened.texts :]  # the session has the others
            if response.HasField("frame"):
                file.writeframes(response.frame.audio)
                next_frame = response.frame.number + 1
        break
    except grpc.RpcError as error:
        if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED):
            raise
        tries -= 1
        time.sleep(0.5)
stub.EndSession(tts.EndSessionRequest(session_id=session.session_id))
file.close()
print(f"{next_frame * 0.02:.1f} s in stream.wav")
