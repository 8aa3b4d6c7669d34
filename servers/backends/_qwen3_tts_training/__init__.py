"""The backend qwen3_tts_training, in reading order. All of it needs torch.

objective    what is minimised: each code from what generation knows when it makes it
optimizer    how the weights follow the gradients
"""
