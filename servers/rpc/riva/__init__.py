"""NVIDIA Riva's speech synthesis over gRPC, as voice agents speak it: texts to jobs, without sessions."""
